//! Nodes whose agents are in the engine's own process: through no topic, and not lost with the process.

use crate::bad_input::event_json;
use crate::kill::serve;
use crate::support::{Installation, Leg, json};
use orchestrator::core::id::AgentName;
use orchestrator::log::Topic;
use serde_json::json;

/// Long enough to be seen at work, and to be run again.
const NAP: &str = "name: nap\nnodes:\n  - { node_id: nap, agent_name: sleep, input: 'request' }\n";

/// Given an attempt that has begun in the engine's process, when that is killed, then the next one runs it again.
#[test]
fn an_attempt_in_memory_is_run_again_when_its_process_is_killed() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(NAP);
        let (mut events, mut responses) = (at.stream(Topic::Events), at.stream(Topic::Responses));
        let mut ready = at.stream(Topic::Ready(AgentName::new("sleep").expect("a legal name")));
        let first = serve(&at, "first");
        // The agents of a process that has just been started may not be there yet: then the topics are.
        at.request("warm", "nap", &json!({ "ms": 1 }));
        responses.wait("the first answer", |record| json(record)["workflow_id"] == "warm");
        let before = ready.records().len();

        at.request("w", "nap", &json!({ "ms": 3_000 }));
        let began = |record: &orchestrator::log::Record| {
            let event = event_json(record);
            event["type"] == "NodeStarted" && event["workflow_id"] == "w"
        };
        assert_eq!(event_json(&events.wait("that it has begun", began))["data"]["local"], true);
        assert_eq!(ready.records().len(), before, "tasks in the topic");
        first.kill();
        let _second = serve(&at, "second");
        let answer = responses.wait("the answer", |record| json(record)["workflow_id"] == "w");
        assert_eq!(json(&answer)["status"], "completed");
        at.judge(2);
    }
}
