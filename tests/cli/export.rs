//! The event stream as a file.

use crate::embedded::{Folder, wait_until};
use crate::tool::Background;
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
