//! Readiness: a node starts when *its* inputs are there.
//!
//! One exception, the parallel threshold: while fewer nodes than it are ready or running, they run one at a time in
//! definition order. The default of 2 never makes a node wait.

use super::draft::Draft;
use super::{context, end, fail_node};
use crate::core::definition::contract::Contract;
use crate::core::definition::expression::Scope;
use crate::core::definition::graph::{GraphNode, StandsBy};
use crate::core::event::{Event, NodeScheduled};
use crate::core::failure::{Failure, FailureClass};
use crate::core::frontier::one_at_a_time;
use crate::core::json::Json;
use crate::core::rejection::Rejection;
use crate::core::time::millis;

/// `ScheduleNodes`: goes on with nodes that an earlier decision had no room for.
pub fn decide(draft: &mut Draft) -> Result<(), Rejection> {
    let undoes = draft.is_compensating() && draft.next_undo().is_some();
    if (draft.next_ready().is_none() || draft.failure().is_some()) && !undoes {
        return Err(Rejection::NothingReady);
    }
    go_on(draft);
    // Below the parallel threshold a ready node may have to wait for an open one.
    if draft.is_empty() { Err(Rejection::NothingReady) } else { Ok(()) }
}

/// Hands out what is ready, then ends the run or records the state that it is in now.
pub fn go_on(draft: &mut Draft) {
    hand_out(draft);
    if draft.is_compensating() {
        undo_next(draft);
    }
    if !end::try_end(draft) {
        draft.settle();
    }
}

fn hand_out(draft: &mut Draft) {
    let (mut nodes, mut bytes) = (0, draft.payload_bytes());
    let one_at_a_time = one_at_a_time(&draft.run, draft.ready_count(), draft.at_work());
    while let Some(index) = draft.next_ready() {
        // After a failure nothing new is started; what is under way may finish, for it is paid for.
        if draft.failure().is_some() || (one_at_a_time && draft.at_work() > 0) {
            return;
        }
        if nodes >= draft.limits.schedule_nodes || (nodes > 0 && bytes >= draft.limits.schedule_bytes) {
            return;
        }
        if draft.may_call(index) {
            bytes += schedule_node(draft, index);
            nodes += 1;
        }
    }
}

/// Once nothing is under way any more, what has completed is undone, one after the other, the last first. One that can
/// not be undone does not keep the others from it.
fn undo_next(draft: &mut Draft) {
    while !draft.winds_down()
        && let Some(index) = draft.next_undo()
        && draft.may_call(index)
    {
        schedule_node(draft, index);
    }
}

/// Schedules one node; the length of its input.
fn schedule_node(draft: &mut Draft, index: usize) -> usize {
    let node = draft.node(index);
    match make_input(draft, &node) {
        Ok(input) => {
            let length = input.len();
            let event = scheduled(draft, &node, 1, input);
            draft.scheduled(index, event);
            length
        }
        Err(failure) => {
            fail_node::without_input(draft, index, failure);
            0
        }
    }
}

/// The event of an attempt that is handed out.
pub fn scheduled(draft: &Draft, node: &GraphNode, attempt: u32, input: Json) -> Event {
    let timeout = node.node.timeout.map(millis);
    let before = draft.run.nodes.get(&node.node.node_id);
    let first = || node.node.total_timeout.map(|total| draft.now.after(total));
    Event::NodeScheduled(NodeScheduled {
        node_id: node.node.node_id.clone(),
        agent_name: node.node.agent_name.clone(),
        attempt,
        input,
        timeout_ms: timeout.unwrap_or(draft.run.settings.agent_timeout_ms),
        heartbeat: node.node.heartbeat,
        deadline: before.map_or_else(first, |before| before.deadline),
    })
}

/// The input of an attempt, as its contract wants it. It is the same for every attempt of a node: what it is made of never
/// changes.
pub fn make_input(draft: &Draft, node: &GraphNode) -> Result<Json, Failure> {
    let input = input_as_made(draft, node)?;
    check_contract(node.input_contract.as_ref(), &input, "input")?;
    Ok(input)
}

/// The input of an attempt, whether or not it keeps its contract.
pub fn input_as_made(draft: &Draft, node: &GraphNode) -> Result<Json, Failure> {
    let input = match (draft.run.inputs.get(&node.node.node_id), node.stands_by) {
        (Some(given), _) => given.clone(),
        (None, Some(StandsBy::Failure(of))) => failure_of(draft, of),
        (None, Some(StandsBy::Undo(of))) => done_by(draft, of),
        (None, None) => evaluated(draft, node)?,
    };
    if input.len() > draft.limits.max_payload_bytes {
        let message = format!(
            "the input of node {} is {} bytes long; at most {} are allowed",
            node.node.node_id,
            input.len(),
            draft.limits.max_payload_bytes
        );
        return Err(Failure::new(FailureClass::NonRetryable, "too_large", message));
    }
    Ok(input)
}

fn evaluated(draft: &Draft, node: &GraphNode) -> Result<Json, Failure> {
    let mapped = node.input.evaluate(draft);
    mapped.map_err(|message| Failure::new(FailureClass::NonRetryable, "input_mapping", message))
}

/// What a failure node is given: the story of the failure.
pub fn failure_of(draft: &Draft, failed: usize) -> Json {
    let node = draft.node(failed);
    let id = &node.node.node_id;
    match draft.run.nodes.get(id) {
        Some(state) => context::of(&draft.run, draft.graph(), id, state, evaluated(draft, &node).ok().as_ref()),
        None => Json::null(),
    }
}

/// What a node that undoes is given: `{"node_id": …, "input": …, "output": …}` of what is to be undone.
fn done_by(draft: &Draft, done: usize) -> Json {
    let node = draft.node(done);
    let id = node.node.node_id.as_str();
    let input = make_input(draft, &node).unwrap_or_else(|_| Json::null());
    let output = draft.output(id).unwrap_or_else(Json::null);
    let name = Json::from_value(&id.into());
    Json::object([("node_id", &name), ("input", &input), ("output", &output)])
}

/// Holds a value against a contract; `side` is `input` or `output`.
pub fn check_contract(contract: Option<&Contract>, value: &Json, side: &str) -> Result<(), Failure> {
    let Some(contract) = contract else { return Ok(()) };
    contract.check(&value.value()).map_err(|breach| Failure {
        class: FailureClass::Contract,
        code: format!("{side}_contract"),
        message: format!("the {side} breaks its contract {breach}"),
        details: Some(Json::from_value(&serde_json::json!({ "pointer": breach.pointer }))),
    })
}
