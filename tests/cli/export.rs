//! The event stream as a file.

use crate::embedded::{Folder, wait_until};
use crate::tool::{Background, run};
use serde_json::Value;

const CHAIN: &str = "\
name: chain
nodes:
  - node_id: first
    agent_name: echo
  - node_id: second
    agent_name: echo
    dependencies: [first]
";

/// A folder in which some runs have ended, and its engine.
fn with_runs(ids: &[&str]) -> (Folder, Background) {
    let folder = Folder::new();
    let dev = folder.dev();
    folder.run_with_input(&["definitions", "apply", "-"], CHAIN).expect(0);
    for id in ids {
        submit(&folder, id);
    }
    (folder, dev)
}

fn submit(folder: &Folder, id: &str) {
    folder.run(&["submit", "chain", "--input", "{}", "--wait", "--timeout", "60", "--id", id]).expect(0);
    // The answer may be there before the last event is published.
    wait_until("the last event of the run is published", || {
        let line = ["tail", "--from-start", "--no-follow", "--workflow", id, "--type", "WorkflowCompleted"];
        !folder.run(&line).expect(0).stdout.is_empty()
    });
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn place(event: &Value) -> (u64, u64) {
    let number = |member: &str| event["position"][member].as_u64().expect("a number");
    (number("partition"), number("offset"))
}

#[test]
fn an_export_is_the_stream_as_tail_prints_it() {
    let (folder, _dev) = with_runs(&["order-1", "order-2", "order-3"]);
    let file = format!("{}/events.jsonl", folder.data());
    let told = folder.run(&["export", "--to", "jsonl", "--out", &file, "--output", "json"]).expect(0).json();
    let exported = lines(&std::fs::read_to_string(&file).expect("the file"));
    assert_eq!(told["events"], exported.len());
    let tail = folder.run(&["tail", "--from-start", "--no-follow", "--output", "json"]).expect(0);
    let mut printed = lines(&tail.stdout);
    printed.sort_by_key(place);
    assert_eq!(exported, printed);

    let stdout = folder.run(&["export", "--to", "jsonl", "--out", "-", "--workflow", "order-2"]).expect(0);
    let of_one: Vec<_> = printed.iter().filter(|event| event["workflow_id"] == "order-2").cloned().collect();
    assert_eq!((lines(&stdout.stdout), stdout.stderr.as_str()), (of_one, ""));
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_asked_for() {
    let folder = Folder::new();
    folder.run(&["init"]).expect(0);
    let file = format!("{}/events.jsonl", folder.data());
    let line = ["export", "--to", "jsonl", "--out", &file];
    assert_eq!(folder.run(&line).expect(0).stdout, format!("{file}: 0 events\n"));
    std::fs::write(&file, "precious").expect("written");
    let refused = folder.run(&line).expect(3);
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "precious");
    folder.run(&[&line[..], &["--force"]].concat()).expect(0);
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "");
}

#[test]
fn a_stretch_of_time_begins_and_ends_where_it_is_told_to() {
    let (folder, _dev) = with_runs(&["order-1"]);
    let whole = lines(&folder.run(&["export", "--to", "jsonl", "--out", "-"]).expect(0).stdout);
    let last = whole.iter().map(|event| event["position"]["time"].as_str().expect("a time")).max().expect("events");
    // Another millisecond, the resolution of what is asked for.
    std::thread::sleep(std::time::Duration::from_millis(5));
    submit(&folder, "order-2");
    let stretch = |arguments: &[&str]| {
        let line = [&["export", "--to", "jsonl", "--out", "-"], arguments].concat();
        let events = lines(&folder.run(&line).expect(0).stdout).into_iter();
        events.filter(|event| event.get("workflow_id").is_some()).collect::<Vec<_>>()
    };
    let after =
        jiff::Timestamp::from_millisecond(last.parse::<jiff::Timestamp>().expect("a time").as_millisecond() + 1);
    let after = after.expect("a time").to_string();
    let since = stretch(&["--since", &after]);
    assert!(!since.is_empty() && since.iter().all(|event| event["workflow_id"] == "order-2"), "{since:?}");
    let until = stretch(&["--until", &after]);
    assert!(!until.is_empty() && until.iter().all(|event| event["workflow_id"] == "order-1"), "{until:?}");
    assert_eq!(stretch(&["--since", "1h"]).len(), since.len() + until.len());

    let line = ["tail", "--since", &after, "--no-follow", "--output", "json"];
    let tail = lines(&folder.run(&line).expect(0).stdout).into_iter();
    let mut tail: Vec<_> = tail.filter(|event| event.get("workflow_id").is_some()).collect();
    tail.sort_by_key(place);
    assert_eq!(tail, since);
    folder.run(&["export", "--to", "jsonl", "--out", "-", "--since", "1h", "--until", "2h"]).expect(2);
}

#[test]
fn an_expression_tells_events_apart() {
    let (folder, _dev) = with_runs(&["order-1", "order-2"]);
    let of = |expression: &str| {
        let end = folder.run(&["tail", "--from-start", "--no-follow", "--output", "json", "--where", expression]);
        lines(&end.expect(0).stdout)
    };
    let scheduled = of("type == 'NodeScheduled' && data.node_id == 'second' && workflow_id.endsWith('2')");
    assert_eq!(scheduled.len(), 1, "{scheduled:?}");
    let line = ["export", "--to", "jsonl", "--out", "-", "--where", "data.node_id == 'second'"];
    let exported = lines(&folder.run(&line).expect(0).stdout);
    assert_eq!(exported.len(), of("data.node_id == 'second'").len());
    assert!(exported.iter().all(|event| event["data"]["node_id"] == "second"), "{exported:?}");

    let no_answer = folder.run(&["export", "--to", "jsonl", "--out", "-", "--where", "sequence > 'x'"]).expect(1);
    assert!(no_answer.stderr.contains("events/") && no_answer.stderr.contains("more"), "{no_answer:?}");
}

#[test]
fn a_bad_expression_or_time_is_refused_before_anything_is_read() {
    for verb in [&["tail"][..], &["export", "--to", "jsonl", "--out", "-"]] {
        for (flag, value, words) in [
            ("--where", "sequenc > 7", "at 1:1 uses the unknown name `sequenc`; did you mean `sequence`?"),
            ("--where", "data.attempt >", "does not parse as CEL at 1:"),
            ("--since", "yesterday", "2026-02-03T04:05:06Z"),
        ] {
            let end = run(&[verb, &[flag, value]].concat()).expect(2);
            assert!(end.stderr.contains(words), "{words} in {end:?}");
        }
    }
}
