//! What analytics see: exports, and consumers that know the stream by its schemas alone.

use crate::bad_input::{CHAIN, Watched};
use crate::support::{End, Installation, Leg, python, repository, until};
use orchestrator::log::{NewRecord, Topic};
use serde_json::{Value, json};
use std::path::Path;

/// A node that takes a while, one that fails as its input says, tried twice, and one that goes on without it.
const STUDY: &str = "\
name: study
nodes:
  - { node_id: read, agent_name: sleep }
  - node_id: check
    agent_name: fail
    dependencies: [read]
    input: request.check
    retry: { max_retries: 1, base_delay: 1ms }
    on_failure: skip
  - { node_id: write, agent_name: echo, dependencies: [check] }
";

const RUNS: usize = 6;

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("a path").to_owned()
}

fn example(name: &str) -> String {
    path(&repository(), &format!("examples/analytics/{name}"))
}

/// An installation in which some runs have ended, a request was refused and one came twice.
fn studied(leg: Leg) -> Watched {
    let mut watched = Watched::serving(Installation::new(leg), &[CHAIN, STUDY], &[]);
    for number in 0..RUNS {
        let check = json!({ "class": "retryable", "code": "shop_shut", "message": "☕" });
        let usage = json!({ "cost": 0.0021, "input_tokens": 850, "output_tokens": number });
        let input = json!({ "ms": 30 + number, "usage": usage, "check": check });
        watched.at.request(&format!("study-{number}"), "study", &input);
    }
    let again = json!({ "text": "hello" });
    watched.at.request("chain", "chain", &again);
    watched.at.request("refused", "nope", &json!({}));
    for number in 0..RUNS {
        let id = format!("study-{number}");
        assert_eq!(watched.answer(&id)["status"], "completed");
        watched.event("its end", |event| event["type"] == "WorkflowCompleted" && event["workflow_id"] == *id);
    }
    watched.answer("chain");
    watched.event("its end", |event| event["type"] == "WorkflowCompleted" && event["workflow_id"] == "chain");
    watched.at.request("chain", "chain", &again);
    watched.event("the second one", |event| event["type"] == "InputRejected");
    watched.event("the refusal", |event| event["type"] == "InputRefused");
    watched
}

fn export(watched: &Watched, form: &str, more: &[&str]) -> String {
    let file = path(watched.at.folder(), &format!("events.{form}"));
    let line = [&["export", "--to", form, "--out", &file, "--force"], more].concat();
    watched.at.run(&line).expect(0);
    file
}

fn python_reads(watched: &Watched, arguments: &[&str]) -> End {
    watched.at.run_other(&python(), arguments, b"").expect(0)
}

#[test]
fn a_parquet_export_says_what_the_json_export_says() {
    for leg in Leg::all() {
        let watched = studied(leg);
        let check = path(&repository(), "tests/python/exports.py");
        for more in [&[][..], &["--type", "NodeCompleted,NodeFailed"], &["--where", "data.attempt == 2"]] {
            let (parquet, jsonl) = (export(&watched, "parquet", more), export(&watched, "jsonl", more));
            if more.is_empty() {
                let told = python_reads(&watched, &[&check, &parquet, &jsonl]).json();
                assert_eq!(told["types"]["WorkflowCompleted"], RUNS + 1, "{told}");
                assert_eq!(told["types"]["NodeFailed"], 2 * RUNS, "{told}");
                continue;
            }
            // Agents and durations are known though the events that say them were not asked for.
            let report = python_reads(&watched, &[&example("report.py"), &parquet, "--output", "json"]).json();
            let agents: Vec<_> = report["agents"].as_array().expect("agents").iter().collect();
            assert!(!agents.is_empty() && agents.iter().all(|agent| !agent["p50_ms"].is_null()), "{report}");
        }
        let report = [&example("report.py"), &export(&watched, "parquet", &[]), "--output", "json"];
        let report = python_reads(&watched, &report).json();
        let agents = report["agents"].as_array().expect("agents");
        let of = |name: &str| agents.iter().find(|agent| agent["agent"] == name).expect("the agent").clone();
        assert_eq!((&of("fail")["attempts"], &of("fail")["failed_percent"]), (&(2 * RUNS).into(), &100.0.into()));
        assert_eq!((&of("sleep")["attempts"], &of("echo")["attempts"]), (&RUNS.into(), &(RUNS + 2).into()));
        assert!(of("sleep")["p50_ms"].as_f64().is_some_and(|ms| ms >= 30.0), "{report}");
        assert_eq!(report["failures"][0]["code"], "shop_shut");
        assert_eq!(report["slowest workflows"].as_array().map(Vec::len), Some(RUNS + 1));
        let table = python_reads(&watched, &[&example("report.py"), &export(&watched, "parquet", &[])]).stdout;
        assert!(table.contains("failed_percent") && table.contains("study-0"), "{table}");
    }
}

/// How many events the consumer's file has, and how many different ones.
fn kept(database: &str) -> Option<(u64, u64)> {
    let script = "\
import json, sqlite3, sys
rows = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True).execute('SELECT event_id FROM events').fetchall()
print(json.dumps([len(rows), len(set(rows))]))
";
    let end = std::process::Command::new(python()).args(["-c", script, database]).output().expect("python");
    serde_json::from_slice::<(u64, u64)>(&end.stdout).ok()
}

#[test]
fn the_example_consumer_keeps_each_event_once_however_often_it_is_killed() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let watched = studied(Leg::Kafka);
    let (database, chart) = (path(watched.at.folder(), "analytics.db"), path(watched.at.folder(), "agents.png"));
    let brokers = watched.at.brokers().to_owned();
    let consumer = example("consumer.py");
    let line = ["--brokers", &brokers, "--db", &database];
    for round in 1..=2 {
        let mut command = std::process::Command::new(python());
        command.arg(&consumer).args(line).env("ORCHESTRATOR_NAMESPACE", watched.at.namespace());
        let process = watched.at.start_command(command, "consumer");
        until("it has kept something", || kept(&database).filter(|(rows, _)| *rows > 0));
        process.kill();
        for number in 0..20 {
            watched.at.request(&format!("round-{round}-{number}"), "chain", &json!({ "text": "hello" }));
        }
    }
    let mut watched = watched;
    for round in 1..=2 {
        for number in 0..20 {
            let id = format!("round-{round}-{number}");
            watched.event("its end", |event| event["type"] == "WorkflowCompleted" && event["workflow_id"] == *id);
        }
    }
    // A twin, as a takeover may make one: the record as it stands, once more.
    let twin = watched.events.records().iter().find(|record| record.value.is_some()).expect("a record").clone();
    let (topic, partition, key, value, headers) =
        (twin.topic, Some(twin.partition), twin.key, twin.value, twin.headers);
    watched.at.publish(NewRecord { topic, partition, key, value, headers });
    let line = [&[consumer.as_str()][..], &line, &["--to-end", "--chart", &chart]].concat();
    let told = python_reads(&watched, &line).stdout;
    let jsonl = std::fs::read_to_string(export(&watched, "jsonl", &[])).expect("the export");
    let events = jsonl.lines().count() as u64;
    assert_eq!(kept(&database), Some((events, events)), "{told}");
    assert!(told.contains("fail") && told.contains("p95 ms") && told.contains("drawn: "), "{told}");
    let picture = std::fs::read(&chart).expect("the chart");
    assert!(picture.starts_with(b"\x89PNG\r\n") && picture.len() > 5_000, "{} bytes", picture.len());
    let again = python_reads(&watched, &line).stdout;
    assert!(again.starts_with(&format!("{events} events, 0 of them new")), "{again}");
}

/// The headers as any client shows them, against the export.
#[test]
fn kcat_shows_the_headers_that_the_export_says() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let watched = studied(Leg::Kafka);
    let topic = format!("{}.{}", watched.at.namespace(), Topic::Events);
    let line = ["-C", "-b", watched.at.brokers(), "-t", &topic, "-o", "beginning", "-e", "-q", "-f", "%p %o %h\\n"];
    let shown = watched.at.run_other("kcat", &line, b"").expect(0).stdout;
    let jsonl = std::fs::read_to_string(export(&watched, "jsonl", &[])).expect("the export");
    let events: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(shown.lines().count(), events.len());
    for event in events {
        let place = format!("{} {} ", event["position"]["partition"], event["position"]["offset"]);
        let headers = shown.lines().find_map(|line| line.strip_prefix(&place)).expect("the record");
        let of = |name: &str| headers.split(',').find_map(|header| header.strip_prefix(&format!("{name}=")));
        assert_eq!(of("ce_id"), event["event_id"].as_str());
        let kind = format!("orchestrator.{}.v{}", event["type"].as_str().expect("a type"), event["version"]);
        assert_eq!((of("ce_type"), of("ce_specversion")), (Some(kind.as_str()), Some("1.0")));
        assert_eq!(of("ce_sequence").and_then(|digits| digits.parse().ok()), event["sequence"].as_u64());
        assert_eq!((of("content-type"), of("ce_source")), (Some("application/avro"), Some(watched.at.namespace())));
    }
}
