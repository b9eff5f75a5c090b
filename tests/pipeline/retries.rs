//! Attempts that fail and are tried again later, while the engine that is to wake them is killed.

use crate::bad_input::event_json;
use crate::support::{Hand, Installation, Leg, Stream, json, until};
use orchestrator::log::Topic;
use orchestrator::log::topic::DelayTier;
use serde_json::json;
use std::collections::BTreeSet;

/// Delays of 2 s and 8 s: both have a record in a delay topic, and the second is longer than a restart takes.
const FLAKY: &str = "\
name: flaky
nodes:
  - { node_id: steady, agent_name: echo }
  - node_id: flaky
    agent_name: flaky
    dependencies: [steady]
    retry: { max_retries: 2, base_delay: 2s, exponential_base: 4, jitter: none }
  - { node_id: last, agent_name: echo, dependencies: [flaky] }
";
/// Fails twice as a server does that is not well, then returns its input.
const WORKER: &str = "[ \"$ORCHESTRATOR_ATTEMPT\" -ge 3 ] && exec cat; echo '{\"code\":\"http_503\"}'; exit 1";
const WORKFLOWS: usize = 12;

/// An hour: what waits for it is awaited at the end of the test.
const TWO: &str = "\
name: two
agents: { hand: { retry: { base_delay: 1h, max_delay: 1h, jitter: none } } }
nodes:
  - { node_id: waits, agent_name: hand }
  - { node_id: ends, agent_name: hand }
";

/// Which workflows wait for this attempt.
fn awaited(events: &mut Stream, attempt: u32) -> BTreeSet<String> {
    let is_it =
        |event: &serde_json::Value| event["type"] == "NodeRetryScheduled" && event["data"]["attempt"] == attempt;
    let events = events.records().iter().map(event_json).filter(is_it);
    events.map(|event| event["workflow_id"].to_string()).collect()
}

#[test]
fn the_engine_is_killed_while_attempts_wait_and_every_one_of_them_comes() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(FLAKY);
        let _worker = at.start("worker", &["worker", "--agent", "flaky", "--exec", "sh", "-c", WORKER]);
        let (mut events, mut responses) = (at.stream(Topic::Events), at.stream(Topic::Responses));
        let mut delays = at.stream(Topic::Delay(DelayTier::Second));
        let ids: Vec<String> = (0..WORKFLOWS).map(|number| format!("order {number}")).collect();
        for id in &ids {
            at.request(id, "flaky", &json!({ "id": id }));
        }
        for attempt in [2, 3] {
            let serve = at.serve();
            until("all wait for their next attempt", || {
                let before = delays.records().len();
                (awaited(&mut events, attempt).len() == WORKFLOWS && before > 0).then_some(())
            });
            serve.kill();
        }
        let _serve = at.serve();
        until("every workflow is answered", || (responses.records().len() >= WORKFLOWS).then_some(()));
        for answer in responses.records() {
            assert_eq!(json(answer)["status"], "completed", "{}", json(answer));
        }
        let counts = at.judge(WORKFLOWS);
        println!("{counts}");
        // Two attempts of the others, three of the one that fails.
        assert_eq!((&counts["attempts"], &counts["retries"]), (&(WORKFLOWS * 5).into(), &(WORKFLOWS * 2).into()));
        assert!(counts["wakeups"].as_u64().is_some_and(|wakeups| wakeups > 0), "{counts}");
    }
}

#[test]
fn a_node_that_awaits_its_retry_says_so_until_its_run_has_failed() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(TWO);
        let _serve = at.serve();
        let mut responses = at.stream(Topic::Responses);
        at.request("w", "two", &json!({}));
        let fail = |node: &str, class: Option<&str>| {
            let mut hand = Hand::new(&at);
            let task = hand.task("w", node);
            hand.report(&task, &json!({ "type": "failed", "class": class, "code": "http_503", "message": "not well" }));
        };
        let shown = |status: &str| {
            until(&format!("the node is shown as {status}"), || {
                let end = at.run(&["show", "w", "--output", "json"]);
                let node = (end.code == 0).then(|| end.json()["nodes"]["waits"].clone());
                node.filter(|node| node["status"] == status)
            })
        };
        fail("waits", None);
        let node = shown("awaiting_retry");
        assert_eq!((&node["error"]["class"], &node["attempt"]), (&"retryable".into(), &1.into()), "{node}");
        assert!(node["due_at"].is_string(), "{node}");
        let text = at.run(&["show", "w"]).expect(0).stdout;
        assert!(text.contains("http_503 (retryable): not well; attempt 2 is due "), "{text}");
        fail("ends", Some("non_retryable"));
        responses.wait("the answer", |record| json(record)["status"] == "failed");
        shown("cancelled");
        let text = at.run(&["show", "w"]).expect(0).stdout;
        assert!(text.contains("attempt 2 did not come, as the run failed"), "{text}");
        let listed = at.run(&["list", "--output", "json"]).expect(0).json();
        assert_eq!(listed[0]["nodes"], json!({ "completed": 0, "failed": 2, "open": 0 }));
        let history = at.run(&["history", "w"]).expect(0).stdout;
        assert!(history.contains("NodeRetryScheduled waits attempt 2 in 60 min 0 s, at "), "{history}");
        let counts = at.judge(1);
        assert_eq!((&counts["retries"], &counts["wakeups"]), (&1.into(), &1.into()), "{counts}");
    }
}
