//! The story of a node's failure: the input of its failure node, and what a failed run is told with.
//!
//! ```json
//! {"workflow_id": "…", "run_id": "…", "node_id": "…", "agent_name": "…",
//!  "class": "…", "code": "…", "message": "…", "details": …,
//!  "attempts": [{"attempt": 1, "class": "…", "code": "…", "message": "…", "details": …,
//!                "scheduled_at": "…", "started_at": "…", "ended_at": "…",
//!                "input_event": "RUN/7", "failure_event": "RUN/9"}],
//!  "input": …, "output_events": {"DEPENDENCY": "RUN/5"}}
//! ```
//!
//! An event is named by its `ce_id`, the run and the number of the event. It holds the attempt's input, its failure, or
//! the output of a node that this one depends on. Where the whole would be large, `input` and the details of older
//! attempts are left out: the events have them.

use crate::core::definition::graph::Graph;
use crate::core::failure::Failure;
use crate::core::id::{NodeId, RunId};
use crate::core::json::Json;
use crate::core::rfc3339;
use crate::core::run::{FailedAttempt, NodeRun, Run};
use serde_json::{Map, Value, json};

/// Beyond this, in bytes, details and the input are left out.
const BUDGET: usize = 256 << 10;
/// To so many bytes the messages of attempts beyond the budget are cut.
const SHORT_MESSAGE: usize = 200;

/// The story of a node that has failed for good; `input` is what its attempts were given, where it could be made.
pub fn of(run: &Run, graph: &Graph, node_id: &NodeId, node: &NodeRun, input: Option<&Json>) -> Json {
    let failure = node.failure.as_ref();
    let mut budget = BUDGET;
    let mut attempts: Vec<Value> = last_attempt(node)
        .iter()
        .chain(node.failed_attempts.iter().rev())
        .map(|attempt| told(&run.run_id, attempt, &mut budget))
        .collect();
    attempts.reverse();
    let mut story = json!({
        "workflow_id": run.workflow_id.as_str(),
        "run_id": run.run_id.as_str(),
        "node_id": node_id.as_str(),
        "agent_name": node.agent_name.as_str(),
        "class": failure.map(|failure| failure.class.as_str()),
        "code": failure.map(|failure| &failure.code),
        "message": failure.map(|failure| &failure.message),
        "details": failure.and_then(|failure| failure.details.as_ref()).map(Json::value),
        "attempts": attempts,
        "output_events": output_events(run, graph, node_id),
    });
    if let Some(input) = input.filter(|input| input.len() <= budget) {
        story["input"] = input.value();
    }
    let whole = Json::from_value(&story);
    // One level around an input, or details, that are as deep as is allowed.
    Json::parse(whole.as_str()).unwrap_or_else(|_| {
        let flat = ["input", "details", "attempts"];
        flat.iter().for_each(|part| story[*part] = Value::Null);
        Json::from_value(&story)
    })
}

/// The latest attempt, if it is one that has ended: a node may fail without one.
fn last_attempt(node: &NodeRun) -> Option<FailedAttempt> {
    node.ended_an_attempt().then_some(())?;
    Some(FailedAttempt {
        attempt: node.attempt,
        failure: node.failure.clone()?,
        scheduled_at: node.scheduled_at,
        started_at: node.started_at,
        ended_at: node.ended_at?,
        scheduled_by: node.scheduled_by,
        ended_by: node.ended_by?,
    })
}

fn told(run_id: &RunId, attempt: &FailedAttempt, budget: &mut usize) -> Value {
    let Failure { class, code, message, details } = &attempt.failure;
    let size = message.len() + details.as_ref().map_or(0, Json::len);
    let fits = size <= *budget;
    *budget -= if fits { size } else { 0 };
    let message = if fits { message } else { &message[..message.floor_char_boundary(SHORT_MESSAGE)] };
    json!({
        "attempt": attempt.attempt,
        "class": class.as_str(),
        "code": code,
        "message": message,
        "details": details.as_ref().filter(|_| fits).map(Json::value),
        "scheduled_at": rfc3339::write(attempt.scheduled_at),
        "started_at": attempt.started_at.map(rfc3339::write),
        "ended_at": rfc3339::write(attempt.ended_at),
        "input_event": event_id(run_id, attempt.scheduled_by),
        "failure_event": event_id(run_id, attempt.ended_by),
    })
}

/// The events that hold the outputs which a node was made its input of.
fn output_events(run: &Run, graph: &Graph, node_id: &NodeId) -> Map<String, Value> {
    let Some(index) = graph.index.get(node_id) else { return Map::new() };
    let ids = graph.nodes[*index].dependencies.iter().map(|to| &graph.nodes[*to].node.node_id);
    let event = |id: &NodeId| Some(event_id(&run.run_id, run.nodes.get(id)?.ended_by?));
    ids.filter_map(|id| Some((id.to_string(), event(id)?))).collect()
}

fn event_id(run_id: &RunId, sequence: u64) -> Value {
    format!("{run_id}/{sequence}").into()
}
