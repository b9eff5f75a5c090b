//! What is decided of what anyone may write: it can be recorded, and reads back as it was decided.

use orchestrator::core::apply::{fold_first, fold_next};
use orchestrator::core::command::{Command, NodeFault, Origin, Request, StartWorkflow};
use orchestrator::core::decide::{Given, decide, start_workflow};
use orchestrator::core::definition::DefinitionRef;
use orchestrator::core::definition::graph::Graph;
use orchestrator::core::definition::validate::validate;
use orchestrator::core::event::{Event, Recorded};
use orchestrator::core::frontier::Frontier;
use orchestrator::core::gate::Gate;
use orchestrator::core::id::{RunId, WorkflowId};
use orchestrator::core::json::Json;
use orchestrator::core::limits::Limits;
use orchestrator::core::run::Run;
use orchestrator::core::time::Timestamp;
use orchestrator::wire::event::{self, Published};
use orchestrator::wire::report::{self, ReportOutcome};
use orchestrator::wire::request;
use serde_json::json;
use std::sync::{Arc, LazyLock};

static GRAPH: LazyLock<Arc<Graph>> = LazyLock::new(|| {
    let nodes = json!([
        {"node_id": "a", "agent_name": "x", "role": "planner", "on_failure": {"route_to": "b"}, "retry": {"max_retries": 1}},
        {"node_id": "b", "agent_name": "x", "output_contract": {"type": "object", "required": ["nodes"]}},
        {"node_id": "c", "agent_name": "x", "dependencies": ["a"], "input": "outputs.a"},
    ]);
    Arc::new(Graph::compile(&validate(json!({"name": "d", "nodes": nodes})).expect("a sound definition")))
});

/// A request starts a run.
pub fn start(data: &[u8]) {
    if let Ok(request) = request::decode(None, Some(data), usize::MAX) {
        started(request);
    }
}

/// A report, taken for one of the first node, whichever it names, leads to events.
pub fn result(data: &[u8]) {
    let Ok(report) = report::decode(None, Some(data), usize::MAX) else { return };
    let request = Request {
        definition: "d".parse().expect("a legal name"),
        version: None,
        input: Json::null(),
        workflow_id: None,
        conversation_id: None,
        resume: None,
    };
    let (mut run, frontier) = started(request).expect("a plain request is accepted");
    let (node_id, attempt, usage) = ("a".parse().expect("a legal id"), 1, report.usage);
    let command = match report.outcome {
        ReportOutcome::Started => Command::StartNode { node_id, attempt, local: false },
        ReportOutcome::Heartbeat => Command::ProgressNode { node_id, attempt, local: false },
        ReportOutcome::Completed(output) => Command::CompleteNode { node_id, attempt, output, usage },
        ReportOutcome::Failed(failed) => {
            Command::FailNode { node_id, attempt, failure: NodeFault::Reported(failed), usage }
        }
    };
    let limits = Limits::default();
    let given = Given { limits: &limits, gate: &Gate::OPEN, now: Timestamp(0) };
    let decided = decide(&run, &frontier, &command, &given);
    assert_eq!(decided, decide(&run, &frontier, &command, &given), "there is one decision");
    for event in decided.into_iter().flatten() {
        let recorded = recorded(&run.workflow_id, &run.run_id, run.sequence + 1, event);
        fold_next(&mut run, &recorded).expect("the next event");
    }
}

/// The run that a request starts; none: it is refused.
fn started(request: Request) -> Option<(Run, Frontier)> {
    let start = StartWorkflow {
        workflow_id: request.workflow_id.unwrap_or_else(|| WorkflowId::new("w").expect("a legal id")),
        run_id: RunId::new(&"0".repeat(32)).expect("a legal id"),
        definition: DefinitionRef { name: request.definition, version: 1, hash: GRAPH.hash.clone() },
        input: request.input,
        conversation_id: request.conversation_id,
        origin: Origin { topic: "requests".to_owned(), partition: 0, offset: 0, time: Timestamp(0) },
        payload_hash: [0; 16],
        traceparent: None,
        resume: request.resume,
    };
    let limits = Limits::default();
    let given = Given { limits: &limits, gate: &Gate::OPEN, now: Timestamp(0) };
    let events = start_workflow(&start, &GRAPH, &given).ok()?;
    let mut events = (1..).zip(events).map(|(i, event)| recorded(&start.workflow_id, &start.run_id, i, event));
    let mut run = fold_first(&events.next()?).expect("the first event");
    let mut frontier = Frontier::at_start(&run, &GRAPH);
    for event in events {
        fold_next(&mut run, &event).expect("the next event");
        frontier.observe(&event.event, &run).expect("no plan has been made");
    }
    Some((run, frontier))
}

/// An event as every reader finds it.
fn recorded(workflow_id: &WorkflowId, run_id: &RunId, sequence: u64, event: Event) -> Recorded {
    let (workflow_id, run_id) = (workflow_id.clone(), run_id.clone());
    let decided = Recorded { workflow_id, run_id, sequence, time: Timestamp(0), event };
    match event::decode(&event::encode(&decided)) {
        Ok(Published::Run(read)) if read == decided => read,
        other => panic!("decided {decided:?}, recorded {other:?}"),
    }
}
