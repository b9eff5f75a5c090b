//! Histories on a real log and in real tables: verified while work goes on and after a crash, and in a copy.

use crate::support::{Installation, Leg, until};
use orchestrator::installation::records::{append, read_to_end};
use orchestrator::log::kafka::{KafkaLog, KafkaSettings};
use orchestrator::log::plan::topic_plan;
use orchestrator::log::sqlite::SqliteLog;
use orchestrator::log::{Log, NewRecord, Topic};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

const TWO: &str = "\
name: two
nodes:
  - { node_id: first, agent_name: echo }
  - { node_id: flaky, agent_name: fail, dependencies: [first], input: { message: '\"not well\"' }, retry: { max_retries: 1, base_delay: 10ms }, on_failure: skip }
";

const RUNS: usize = 60;

fn verified(at: &Installation, more: &[&str], code: i32) -> Vec<Value> {
    let line: Vec<_> = ["replay", "--all", "--verify", "--output", "json"].iter().chain(more).copied().collect();
    let end = at.run(&line).expect(code);
    end.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sum(lines: &[Value], field: &str) -> u64 {
    lines.iter().filter_map(|line| line[field].as_u64()).sum()
}

/// The log of another namespace beside the installation's.
fn beside(at: &Installation, namespace: &str) -> Arc<dyn Log> {
    let namespace = namespace.to_owned();
    match at.leg() {
        Leg::Embedded => Arc::new(SqliteLog::open(&at.folder().join("log.db"), &namespace).unwrap()),
        Leg::Kafka => Arc::new(
            KafkaLog::connect(KafkaSettings {
                brokers: at.brokers().to_owned(),
                namespace,
                client_id: "copy".to_owned(),
                journal_timeout: Duration::from_secs(30),
                properties: Default::default(),
            })
            .unwrap(),
        ),
    }
}

/// A copy of the event stream, whose records may be changed on their way.
fn copy(at: &Installation, name: &str, partition: u32, change: impl FnOnce(&mut Vec<NewRecord>)) -> String {
    let namespace = format!("{}-{name}", at.namespace());
    let (from, to) = (at.log(), beside(at, &namespace));
    let partitions = from.partitions(&Topic::Events).unwrap().unwrap();
    let events = topic_plan(partitions, 1).into_iter().filter(|spec| spec.topic == Topic::Events).collect::<Vec<_>>();
    to.create_topics(&events).unwrap();
    let mut change = Some(change);
    for p in 0..partitions {
        let mut records = Vec::new();
        read_to_end(from, &Topic::Events, p, 0, |record| {
            let (key, value, headers) = (record.key, record.value, record.headers);
            records.push(NewRecord { topic: Topic::Events, partition: Some(p), key, value, headers });
            Ok::<_, orchestrator::log::LogError>(ControlFlow::Continue(()))
        })
        .unwrap();
        if let (true, Some(change)) = (p == partition, change.take_if(|_| p == partition)) {
            change(&mut records);
        }
        append(to.as_ref(), records).unwrap();
    }
    namespace
}

#[test]
fn histories_are_whole_through_a_crash_and_what_is_changed_in_a_copy_is_named() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(TWO);
        let serve = at.serve();
        for i in 0..RUNS {
            at.request(&format!("w-{i}"), "two", &json!({ "message": "not well" }));
        }
        // While work goes on, and right after a crash.
        until("some are under way", || (sum(&verified(&at, &[], 0), "records") > 100).then_some(()));
        serve.kill();
        assert_eq!(sum(&verified(&at, &[], 0), "differences"), 0);
        let _serve = at.serve();
        let lines = until("all runs are compared", || {
            let lines = verified(&at, &[], 0);
            (sum(&lines, "runs") == RUNS as u64 && sum(&lines, "unfinished") == 0).then_some(lines)
        });
        assert!(sum(&lines, "records") > RUNS as u64 * 10, "{lines:?}");

        let home = at.home("w-7");
        let whole = copy(&at, "whole", home, |_| {});
        assert_eq!(sum(&verified(&at, &["--events-of", &whole], 0), "differences"), 0);
        let damaged = copy(&at, "damaged", home, |records| {
            drop(records.remove(12));
            records.swap(20, 21);
            let mut value = records[30].value.take().unwrap().to_vec();
            *value.last_mut().unwrap() ^= 1;
            records[30].value = Some(value.into());
        });
        let found = verified(&at, &["--events-of", &damaged, "--partition", &home.to_string()], 1);
        let words: Vec<_> = found.iter().filter_map(|line| line["difference"].as_str()).collect();
        assert_eq!(words, ["out_of_order", "changed", "missing"], "{found:?}");
        assert_eq!((&found[1]["field"], &found[1]["events_offset"]), (&json!("value"), &json!(30)), "{found:?}");
        assert!(found.iter().take(3).all(|line| line["subject"].is_string() && line["sequence"].is_u64()), "{found:?}");
    }
}
