//! Reports of workers as they should not be: refused, rejected and counted, or the end of the node.

use super::{CHAIN, Watched, count, is_at, node_letter};
use crate::support::{Hand, Installation, Leg};
use bytes::Bytes;
use orchestrator::log::{NewRecord, Topic};
use serde_json::{Value, json};

/// Two nodes that the test executes by hand; what they return is an object with a number.
const BY_HAND: &str = "\
name: by-hand
agents:
  hand: { retry: { max_retries: 0 } }
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

/// The bytes of a completed report of a task, with some of its members replaced.
fn completed_with(task: &Value, more: &Value) -> Option<Vec<u8>> {
    let mut report = json!({ "type": "completed", "dispatch_id": task["dispatch_id"], "output": { "n": 1 } });
    for (name, value) in more.as_object().expect("an object") {
        report[name] = value.clone();
    }
    Some(report.to_string().into_bytes())
}

/// A completed report of a task, its output as it is written here.
fn completed_as(task: &Value, output: &str) -> Option<Vec<u8>> {
    let dispatch_id = &task["dispatch_id"];
    Some(format!("{{\"type\":\"completed\",\"dispatch_id\":{dispatch_id},\"output\":{output}}}").into_bytes())
}

/// A wrong report of a task.
type Wrong = fn(&Value) -> Option<Vec<u8>>;

#[test]
fn reports_that_name_no_attempt_or_are_no_result_are_buried_and_the_node_goes_on() {
    let cases: [(&str, bool, Wrong, &str); 8] = [
        ("text", true, |_| Some(b"done".to_vec()), "malformed"),
        ("no value", true, |_| None, "no_value"),
        ("invalid UTF-8", true, |_| Some(b"{\"type\":\"\xff\"}".to_vec()), "malformed"),
        ("an unknown type", true, |task| completed_with(task, &json!({ "type": "finished" })), "unsupported"),
        (
            "a bad start",
            true,
            |task| completed_with(task, &json!({ "type": "started", "details": 1, "format": 2 })),
            "unsupported",
        ),
        ("no workflow", false, |task| completed_with(task, &json!({})), "malformed"),
        (
            "a dispatch id that is none",
            true,
            |task| completed_with(task, &json!({ "dispatch_id": "x/y" })),
            "illegal_id",
        ),
        (
            "attempt 0",
            true,
            |task| {
                completed_with(
                    task,
                    &json!({ "dispatch_id": format!("{}/one/0", task["run_id"].as_str().expect("text")) }),
                )
            },
            "illegal_id",
        ),
    ];
    for leg in Leg::all() {
        let mut watched = serving(leg);
        watched.at.request("w", "by-hand", &json!({}));
        let task = Hand::new(&watched.at).task("w", "one");
        for (what, has_key, wrong, reason) in cases {
            let place = watched.at.publish(report(&watched.at, has_key.then_some("w"), wrong(&task)));
            watched.dead_letter(what, "results", place, reason);
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

/// None of these attempts has said `started`, so that no timeout would ever end it.
#[test]
fn a_result_that_is_refused_and_names_its_attempt_fails_the_node() {
    let cases: [(&str, Wrong, &str); 8] = [
        (
            "an output 100,000 deep",
            |task| completed_as(task, &("[".repeat(100_000) + &"]".repeat(100_000))),
            "too_deep",
        ),
        ("5 MB", |task| completed_as(task, &format!("{{\"n\":\"{}\"}}", "x".repeat(5 << 20))), "too_large"),
        ("2 MB", |task| completed_as(task, &format!("{{\"n\":\"{}\"}}", "x".repeat(2 << 20))), "too_large"),
        ("rubbish in the middle", |task| completed_as(task, "NaN"), "malformed"),
        (
            "no output",
            |task| Some(json!({ "type": "completed", "dispatch_id": task["dispatch_id"] }).to_string().into_bytes()),
            "malformed",
        ),
        (
            "an unknown class",
            |task| completed_with(task, &json!({ "type": "failed", "class": "bad luck" })),
            "malformed",
        ),
        ("another workflow in the body", |task| completed_with(task, &json!({ "workflow_id": "v" })), "key_mismatch"),
        ("a newer format", |task| completed_with(task, &json!({ "format": 2 })), "unsupported"),
    ];
    for leg in Leg::all() {
        let mut watched = serving(leg);
        for (id, wrong, reason) in cases {
            watched.at.request(id, "by-hand", &json!({}));
            let task = Hand::new(&watched.at).task(id, "one");
            let place = watched.at.publish(report(&watched.at, Some(id), wrong(&task)));
            watched.dead_letter(id, "results", place, reason);
            let answer = watched.answer(id);
            let error = &answer["error"];
            assert_eq!(
                (&answer["status"], &error["node_id"], &error["class"], &error["code"]),
                (&"failed".into(), &"one".into(), &"non_retryable".into(), &reason.into()),
                "{id}: {answer}"
            );
            assert!(is_at(&error["details"]["refused_result"], "results", place), "it is said where it is: {answer}");
            assert_eq!(node_letter(&mut watched, id)["code"], reason);
            // It says so again, properly.
            let late = Hand::new(&watched.at).complete(&task, &json!({ "n": 1 }));
            watched.rejection("a result after the refused one", "results", late, "run_ended");
        }
        watched.goes_on(1);
        watched.at.judge(cases.len() + 1);
    }
}

#[test]
fn a_refused_result_in_the_wrong_partition_is_sent_home_and_fails_the_node_there() {
    for leg in Leg::all() {
        let mut watched = serving(leg);
        watched.at.request("w", "by-hand", &json!({}));
        let task = Hand::new(&watched.at).task("w", "one");
        let wrong = NewRecord {
            partition: Some((watched.at.home("w") + 1) % 4),
            ..report(&watched.at, Some("w"), completed_as(&task, "NaN"))
        };
        let place = watched.at.publish(wrong);
        assert_eq!(watched.answer("w")["error"]["code"], "malformed");
        let letter = watched.dead_letters.wait_json("its dead letter", |letter| letter["kind"] == "input");
        assert!(is_at(&letter["origin"], "results", place), "the first origin is named: {letter}");
        watched.at.judge(1);
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
