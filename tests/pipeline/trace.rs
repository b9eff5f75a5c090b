//! A trace context travels from the request to every event, every task and the answer.

use crate::bad_input::{CHAIN, Watched, event_json};
use crate::support::{Hand, Installation, Leg, Stream, json, text};
use bytes::Bytes;
use orchestrator::core::id::AgentName;
use orchestrator::log::{Header, Topic};
use serde_json::json;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const FAILING: &str = "\
name: failing
nodes:
  - { node_id: one, agent_name: hand, retry: { max_retries: 0 } }
";

/// How many records of a workflow carry the trace, and how many there are.
fn traced(stream: &mut Stream, workflow_id: &str) -> (usize, usize) {
    let of_workflow = |record: &&orchestrator::log::Record| match record.topic {
        Topic::Events => event_json(record)["workflow_id"] == workflow_id,
        _ => json(record)["workflow_id"] == workflow_id,
    };
    let records: Vec<_> = stream.records().iter().filter(of_workflow).collect();
    (records.iter().filter(|record| text(record, "traceparent") == TRACE).count(), records.len())
}

fn header(value: &[u8]) -> Vec<Header> {
    vec![("traceparent".into(), Bytes::copy_from_slice(value))]
}

#[test]
fn a_trace_goes_from_the_request_to_everything_that_follows() {
    for leg in Leg::all() {
        // Through the topics, whose records are looked at.
        let topics = ["--local-agents", "false"];
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN, FAILING], &topics);
        let mut ready = watched.at.stream(Topic::Ready(AgentName::new("echo").expect("a legal name")));
        watched.at.request_with("w", "chain", &json!({ "text": "hello" }), header(TRACE.as_bytes()));
        watched.answer("w");
        watched.event("its end", |event| event["type"] == "WorkflowCompleted" && event["workflow_id"] == "w");
        assert_eq!(traced(&mut ready, "w"), (2, 2), "tasks");
        assert_eq!(traced(&mut watched.responses, "w"), (1, 1), "answers");
        let (with, all) = traced(&mut watched.events, "w");
        assert!(with == all && all >= 8, "events: {with} of {all}");

        watched.at.request_with("f", "failing", &json!({}), header(TRACE.as_bytes()));
        let task = Hand::new(&watched.at).task("f", "one");
        Hand::new(&watched.at).report(&task, &json!({ "type": "failed" }));
        watched.answer("f");
        watched.dead_letters.wait("the dead letter of f", |record| json(record)["workflow_id"] == "f");
        assert_eq!(traced(&mut watched.dead_letters, "f"), (1, 1), "dead letters");

        let place = watched.at.request_with("r", "nope", &json!({}), header(TRACE.as_bytes()));
        watched.refusal("an unknown definition", place);
        assert_eq!(traced(&mut watched.responses, "r"), (1, 1), "refusals");

        // What is no trace context stops nothing.
        for (id, rubbish) in [("no text", &b"\xff\xfe"[..]), ("endless", &[b'a'; 100_000]), ("empty", b"")] {
            watched.at.request_with(id, "chain", &json!({ "text": "hello" }), header(rubbish));
            assert_eq!(watched.answer(id)["status"], "completed", "{id}");
        }
        watched.at.judge(5);
    }
}

#[test]
fn the_command_line_passes_a_trace_on() {
    let watched = Watched::serving(Installation::new(Leg::Embedded), &[CHAIN], &[]);
    let mut command = watched.at.command(&["submit", "chain", "--id", "w", "--input", "{\"text\":\"x\"}", "--wait"]);
    command.env("TRACEPARENT", TRACE);
    assert!(command.output().expect("it runs").status.success());
    let mut responses = watched.at.stream(Topic::Responses);
    let answer = responses.wait("the answer", |record| json(record)["kind"] == "answer");
    assert_eq!(text(&answer, "traceparent"), TRACE);
}
