//! Reports of workers as they should not be: refused, rejected and counted, or the end of the node.

use super::{CHAIN, Watched, count, is_at, node_letter};
use crate::support::{Hand, Installation, Leg};
use bytes::Bytes;
use orchestrator::log::{NewRecord, Topic};
use serde_json::{Value, json};

/// Two nodes that the test executes by hand; what they return is an object with a number.
const BY_HAND: &str = "\
name: by-hand
nodes:
  - node_id: one
    agent_name: hand
    output_contract: &number { type: object, required: [n], properties: { n: { type: integer } } }
  - { node_id: two, agent_name: hand, dependencies: [one], output_contract: *number }
";

fn serving(leg: Leg) -> Watched {
    Watched::serving(Installation::new(leg), &[CHAIN, BY_HAND], &[])
}

/// A report at the partition of its workflow.
fn report(at: &Installation, key: Option<&str>, value: Option<Vec<u8>>) -> NewRecord {
    NewRecord {
        topic: Topic::Results,
        partition: Some(key.map_or(1, |key| at.home(key))),
        key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value: value.map(Bytes::from),
        headers: vec![],
    }
}

#[test]
fn reports_that_are_none_are_buried_and_the_node_goes_on() {
    for leg in Leg::all() {
        let mut watched = serving(leg);
        watched.at.request("w", "by-hand", &json!({}));
        let (task, place_of) = {
            let mut hand = Hand::new(&watched.at);
            let task = hand.task("w", "one");
            let publish =
                |key: Option<&str>, value: Option<Vec<u8>>| watched.at.publish(report(&watched.at, key, value));
            let of = |more: &Value| {
                let mut report =
                    json!({ "type": "completed", "dispatch_id": task["dispatch_id"], "output": { "n": 1 } });
                for (name, value) in more.as_object().expect("an object") {
                    report[name] = value.clone();
                }
                Some(report.to_string().into_bytes())
            };
            let deep = |levels: usize| {
                format!(
                    "{{\"type\":\"completed\",\"dispatch_id\":{},\"output\":{}{}}}",
                    task["dispatch_id"],
                    "[".repeat(levels),
                    "]".repeat(levels)
                )
            };
            let places = vec![
                ("text", publish(Some("w"), Some(b"done".to_vec())), "malformed"),
                ("no value", publish(Some("w"), None), "no_value"),
                ("invalid UTF-8", publish(Some("w"), Some(b"{\"type\":\"\xff\"}".to_vec())), "malformed"),
                ("an output 100,000 deep", publish(Some("w"), Some(deep(100_000).into_bytes())), "too_deep"),
                ("5 MB", publish(Some("w"), of(&json!({ "output": { "n": "x".repeat(5 << 20) } }))), "too_large"),
                (
                    "no output",
                    publish(
                        Some("w"),
                        Some(
                            format!("{{\"type\":\"completed\",\"dispatch_id\":{}}}", task["dispatch_id"]).into_bytes(),
                        ),
                    ),
                    "malformed",
                ),
                ("an unknown type", publish(Some("w"), of(&json!({ "type": "finished" }))), "unsupported"),
                (
                    "an unknown class",
                    publish(Some("w"), of(&json!({ "type": "failed", "class": "bad luck" }))),
                    "malformed",
                ),
                ("no workflow", publish(None, of(&json!({}))), "malformed"),
                (
                    "another workflow in the body",
                    publish(Some("w"), of(&json!({ "workflow_id": "v" }))),
                    "key_mismatch",
                ),
                ("a dispatch id that is none", publish(Some("w"), of(&json!({ "dispatch_id": "x/y" }))), "illegal_id"),
                (
                    "attempt 0",
                    publish(
                        Some("w"),
                        of(&json!({ "dispatch_id": format!("{}/one/0", task["run_id"].as_str().expect("text")) })),
                    ),
                    "illegal_id",
                ),
                ("a newer format", publish(Some("w"), of(&json!({ "format": 2 }))), "unsupported"),
            ];
            (task, places)
        };
        for (what, place, reason) in &place_of {
            watched.dead_letter(what, "results", *place, reason);
        }
        Hand::new(&watched.at).complete(&task, &json!({ "n": 1 }));
        let two = Hand::new(&watched.at).task("w", "two");
        Hand::new(&watched.at).complete(&two, &json!({ "n": 2 }));
        assert_eq!(watched.answer("w")["answer"], json!({ "n": 2 }));
        assert_eq!(count(&mut watched.responses, |response| response["kind"] == "refused"), 0, "nobody asked");
        watched.goes_on(watched.at.home("w"));
        watched.goes_on(1);
        watched.at.judge(3);
    }
}

#[test]
fn reports_that_change_nothing_are_counted_with_a_reason() {
    for leg in Leg::all() {
        let mut watched = serving(leg);
        watched.at.request("w", "by-hand", &json!({}));
        let one = Hand::new(&watched.at).task("w", "one");
        let say = |watched: &Watched, task: &Value, more: &Value| Hand::new(&watched.at).report(task, more);
        let stranger = json!({ "workflow_id": "stranger", "dispatch_id": one["dispatch_id"], "reply": { "partition": watched.at.home("stranger") } });
        let completed = json!({ "type": "completed", "output": { "n": 1 } });
        let with = |dispatch_id: String| {
            let mut task = one.clone();
            task["dispatch_id"] = dispatch_id.into();
            task
        };
        let run = one["run_id"].as_str().expect("a run").to_owned();
        for (what, task, reason) in [
            ("a workflow that nobody knows", stranger, "unknown_workflow"),
            ("another run", with(format!("{}/one/1", "0".repeat(32))), "other_run"),
            ("a node that is not there", with(format!("{run}/three/1")), "unknown_node"),
            ("a node that was not scheduled", with(format!("{run}/two/1")), "unknown_node"),
            ("a later attempt", with(format!("{run}/one/2")), "other_attempt"),
        ] {
            let place = say(&watched, &task, &completed);
            watched.rejection(what, "results", place, reason);
        }
        let started = json!({ "type": "started" });
        say(&watched, &one, &started);
        let place = say(&watched, &one, &started);
        watched.rejection("a second `started`", "results", place, "already_started");

        say(&watched, &one, &completed);
        for second in [&json!({ "type": "completed", "output": { "n": 99 } }), &json!({ "type": "failed" }), &started] {
            let place = say(&watched, &one, second);
            watched.rejection("a second result", "results", place, "attempt_ended");
        }
        let two = Hand::new(&watched.at).task("w", "two");
        assert_eq!(two["input"], json!({ "one": { "n": 1 } }), "the first result counts");
        say(&watched, &two, &json!({ "type": "completed", "output": { "n": 2 } }));
        assert_eq!(watched.answer("w")["answer"], json!({ "n": 2 }));
        let place = say(&watched, &two, &completed);
        watched.rejection("a result after the end", "results", place, "run_ended");
        watched.goes_on(watched.at.home("w"));
        watched.at.judge(2);
    }
}

#[test]
fn a_report_in_the_wrong_partition_is_sent_home() {
    for leg in Leg::all() {
        let mut watched = serving(leg);
        watched.at.request("w", "by-hand", &json!({}));
        for node in ["one", "two"] {
            let mut task = Hand::new(&watched.at).task("w", node);
            task["reply"]["partition"] = ((watched.at.home("w") + 1) % 4).into();
            let place = Hand::new(&watched.at).complete(&task, &json!({ "n": 5 }));
            watched.event("its forwarding", |event| {
                event["type"] == "InputForwarded" && is_at(&event["data"]["origin"], "results", place)
            });
        }
        assert_eq!(watched.answer("w")["answer"], json!({ "n": 5 }));
        watched.at.judge(1);
    }
}

#[test]
fn a_result_that_breaks_its_contract_fails_the_node_and_says_where() {
    for leg in Leg::all() {
        let mut watched = serving(leg);
        watched.at.request("w", "by-hand", &json!({}));
        let task = Hand::new(&watched.at).task("w", "one");
        Hand::new(&watched.at).complete(&task, &json!({ "n": "one" }));
        let answer = watched.answer("w");
        assert_eq!(
            (&answer["status"], &answer["error"]["class"], &answer["error"]["node_id"]),
            (&"failed".into(), &"contract".into(), &"one".into())
        );
        assert_eq!(answer["error"]["details"]["pointer"], "/n", "{answer}");
        let letter = node_letter(&mut watched, "w");
        assert_eq!(
            (&letter["class"], &letter["dispatch_id"], &letter["input"]),
            (&"contract".into(), &task["dispatch_id"], &json!({}))
        );
        watched.goes_on(watched.at.home("w"));
        watched.at.judge(2);
    }
}

/// What a worker says of a failure goes into events, tables and letters as it is.
#[test]
fn a_failure_may_be_worded_in_any_way() {
    for leg in Leg::all() {
        let mut watched = serving(leg);
        for (id, message) in
            [("zero", "a\0b"), ("empty", ""), ("long", &"é".repeat(100_000)), ("control", "\u{1b}[31mred\r\n\u{85}")]
        {
            watched.at.request(id, "by-hand", &json!({}));
            let task = Hand::new(&watched.at).task(id, "one");
            let failed = json!({ "type": "failed", "class": "rate_limited", "code": message, "message": message, "details": { "a\0b": message } });
            Hand::new(&watched.at).report(&task, &failed);
            let answer = watched.answer(id);
            assert_eq!(
                (&answer["status"], &answer["error"]["class"]),
                (&"failed".into(), &"rate_limited".into()),
                "{id}"
            );
            node_letter(&mut watched, id);
            watched.goes_on(watched.at.home(id));
        }
        watched.at.judge(8);
    }
}
