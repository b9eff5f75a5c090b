//! `orchestrator replay`, in a folder.

use crate::embedded::{Folder, wait_until};
use serde_json::{Value, json};
use std::path::Path;

const PARCEL: &str = "\
name: parcel
nodes:
  - { node_id: weigh, agent_name: echo }
  - { node_id: label, agent_name: scales, dependencies: [weigh] }
  - { node_id: send, agent_name: echo, dependencies: [label] }
";

/// A run that has ended, whose node `label` a person has supplied.
fn ended(folder: &Folder) {
    folder.run_with_input(&["definitions", "apply", "-"], PARCEL).expect(0);
    folder.run(&["submit", "parcel", "--id", "p-1", "--input", "{\"grams\":250}"]).expect(0);
    let show = || folder.run(&["show", "p-1", "--output", "json"]);
    wait_until("label is handed out", || show().stdout.contains("\"label\""));
    folder.run(&["supply", "p-1", "label", "--value", "{\"label\":7}", "--by", "ada"]).expect(0);
    wait_until("it has ended", || show().json()["status"] == "completed");
}

fn replay(folder: &Folder, more: &[&str]) -> Value {
    let line: Vec<_> = ["replay", "p-1", "--output", "json"].iter().chain(more).copied().collect();
    folder.run(&line).expect(0).json()
}

#[test]
fn a_run_is_shown_as_it_was_at_any_point() {
    let folder = Folder::new();
    let _dev = folder.dev();
    ended(&folder);
    let before = replay(&folder, &["--to", "label"]);
    assert_eq!((&before["ready"], &before["nodes"]["label"]), (&json!(["label"]), &Value::Null), "{before}");
    assert_eq!(before["why"]["reason"], "ready");
    assert_eq!(before["attempts"]["weigh"][0]["input"], json!({ "grams": 250 }));
    let sequence = before["at"]["sequence"].as_u64().expect("a number");
    let after = replay(&folder, &["--to", &(sequence + 1).to_string(), "--from-events"]);
    assert_eq!(after["nodes"]["label"]["status"], "scheduled");
    assert_eq!((&after["why"]["reason"], &after["breakers"]), (&"handed_out".into(), &json!({})), "{after}");
    let text = folder.run(&["replay", "p-1", "--to", "label"]).expect(0).stdout;
    assert!(text.starts_with(&format!("event {sequence} of ")), "{text}");
    assert!(text.contains("ready: label\np-1 goes on: node `label` is ready"), "{text}");

    let end = replay(&folder, &[]);
    assert_eq!(end["at"]["sequence"], end["at"]["of"]);
    let shown = folder.run(&["show", "p-1", "--output", "json"]).expect(0).json();
    for field in ["status", "nodes", "answer", "sequence", "started_at", "ended_at", "input"] {
        assert_eq!(end[field], shown[field], "{field}");
    }
    assert_eq!(end["attempts"]["label"][0]["end"], "supply");
    assert_eq!(replay(&folder, &["--to", end["ended_at"].as_str().expect("a time")])["at"], end["at"]);
    for (to, words) in
        [("99", "and no event 99"), ("nix", "was never handed out"), ("2001-01-01T00:00:00Z", "began at")]
    {
        let wrong = folder.run(&["replay", "p-1", "--to", to]).expect(6);
        assert!(wrong.stderr.contains(words), "{wrong:?}");
    }
    folder.run(&["replay", "nobody"]).expect(6);
    folder.run(&["replay", "p-1", "--to", "no point"]).expect(2);
    folder.run(&["replay"]).expect(2);
    folder.run(&["replay", "p-1", "--verify"]).expect(2);
    for (flags, words) in [
        (&["--verify"][..], "--all"),
        (&["--all", "--verify", "--to", "3"], "--to"),
        (&["--all", "--verify", "--walk"], "--walk"),
        (&["p-1", "--partition", "1"], "--partition"),
        (&["p-1", "--walk", "--output", "json"], "--walk is for people"),
        (&["p-1", "--to", "99999999999999999999999"], "expected the number of an event"),
        (&["p-1", "--to=-1"], "expected the number of an event"),
    ] {
        let refused = folder.run(&[&["replay"], flags].concat()).expect(2);
        assert!(refused.stderr.contains(words), "{flags:?}: {refused:?}");
    }
    let wrong = folder.run(&["replay", "p-1", "--walk"]).expect(2);
    assert!(wrong.stderr.contains("--walk needs a terminal"), "{wrong:?}");
}

/// Changes the log's file as somebody might who should not.
fn sql(folder: &Folder, file: &str, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("sqlite://{}", Path::new(folder.data()).join(file).display());
    runtime.block_on(async {
        use sqlx::Connection;
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("the file opens");
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect("it is done");
        connection.close().await.expect("it is closed");
    });
}

fn differences(folder: &Folder, code: i32) -> Vec<Value> {
    let end = folder.run(&["replay", "--all", "--verify", "--output", "json"]).expect(code);
    let lines = end.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    lines.filter(|line| line["difference"].is_string()).collect()
}

#[test]
fn what_was_changed_behind_the_back_of_the_engine_is_found() {
    let folder = Folder::new();
    let dev = folder.dev();
    ended(&folder);
    wait_until("all is projected", || {
        let text = folder.run(&["replay", "--all", "--verify"]).expect(0).stdout;
        text.contains("1 runs compared") && text.ends_with("nothing differs\n")
    });
    drop(dev);
    assert_eq!(differences(&folder, 0), Vec::<Value>::new());
    folder.run(&["replay", "--all", "--verify", "--partition", "99"]).expect(6);

    sql(&folder, "store.db", "UPDATE orchestrator_workflow_states SET definition_version = 8");
    let found = differences(&folder, 1);
    assert_eq!(
        (found.len(), &found[0]["difference"], &found[0]["field"]),
        (1, &json!("row_differs"), &json!("definition"))
    );
    assert_eq!(found[0]["workflow_id"], "p-1");
    sql(&folder, "store.db", "UPDATE orchestrator_workflow_states SET definition_version = 1");

    // A cell that no version writes is a difference like others, and the rest is compared all the same.
    sql(&folder, "store.db", "UPDATE orchestrator_workflow_states SET status = 'bogus'");
    sql(&folder, "store.db", "UPDATE orchestrator_agent_results SET attempt = 9 WHERE node_id = 'weigh'");
    let found = differences(&folder, 1);
    let told: Vec<_> = found.iter().map(|fault| (&fault["table"], &fault["field"])).collect();
    let (runs, results) = (json!("orchestrator_workflow_states"), json!("orchestrator_agent_results"));
    assert_eq!(told, [(&runs, &Value::Null), (&results, &json!("attempt"))], "{found:?}");
    assert!(found[0]["found"].as_str().unwrap().contains("bogus"), "{found:?}");
    sql(&folder, "store.db", "UPDATE orchestrator_workflow_states SET status = 'completed'");
    sql(&folder, "store.db", "UPDATE orchestrator_agent_results SET attempt = 1 WHERE node_id = 'weigh'");

    // Where the workflow lives, its fourth event is taken out of the stream.
    let partition = &found[0]["partition"];
    let events = "topic = (SELECT id FROM log_topics WHERE name = 'orchestrator.events')";
    sql(&folder, "log.db", &format!("DELETE FROM log_records WHERE {events} AND part = {partition} AND pos = 3"));
    let found = differences(&folder, 1);
    assert_eq!((found.len(), &found[0]["difference"]), (1, &json!("missing")), "{found:?}");
    assert_eq!((&found[0]["sequence"], &found[0]["events_offset"]), (&json!(4), &json!(4)), "{found:?}");
    let end = folder.run(&["replay", "--all", "--verify"]).expect(1);
    assert!(end.stderr.contains("1 difference found, see above"), "{end:?}");
    assert!(end.stdout.contains("missing: partition ") && end.stdout.contains("workflow p-1, run "), "{end:?}");

    let nowhere = folder.run(&["replay", "--all", "--verify", "--events-of", "elsewhere"]).expect(6);
    assert!(nowhere.stderr.contains("there is no topic elsewhere.events"), "{nowhere:?}");
}

/// Walks with these keys in a pseudo terminal.
fn walk(folder: &Folder, script: &Value) -> Value {
    let program = env!("CARGO_BIN_EXE_orchestrator");
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/walk.py");
    let line = ["replay", "p-1", "--walk", "--data", folder.data()];
    let mut command = std::process::Command::new("python3");
    command.arg(driver).arg(script.to_string()).arg(program).args(line).env("TERM", "xterm");
    let output = command.output().expect("python3 is there");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_walk_goes_forward_and_back_and_gives_the_terminal_back() {
    let folder = Folder::new();
    let _dev = folder.dev();
    ended(&folder);
    let last = replay(&folder, &[])["at"]["of"].as_u64().expect("a number");
    let at = |sequence: u64| format!("event {sequence} of {last}");
    let (first, second, fifth, end) = (at(1), at(2), at(5), at(last));
    let script = json!([
        ["", first],
        ["n", second],
        ["\u{1b}[C", at(3)],
        ["p", second],
        ["p", first],
        ["p", first],
        ["G", end],
        ["n", end],
        ["5", "go to event 5"],
        ["\r", fifth],
        ["x", fifth],
        ["g", first],
        ["5\r", fifth],
        ["q", null],
    ]);
    let walked = walk(&folder, &script);
    let whole = |walked: &Value, code: i32| {
        let ended = (&walked["code"], &walked["is_restored"], &walked["has_left"], &walked["cursor_is_shown"]);
        assert_eq!(ended, (&json!(code), &json!(true), &json!(true), &json!(true)), "{walked}");
    };
    whole(&walked, 0);
    let screen = |i: usize| walked["screens"][i].as_str().expect("a text");
    assert!(screen(1).contains("/nodes/") || screen(1).contains("nothing"), "{}", screen(1));
    let fifth = screen(9);
    assert!(
        fifth.contains("Changed") && fifth.contains("NodeCompleted") && fifth.contains("/nodes/weigh/output"),
        "{fifth}"
    );
    assert!(fifth.contains("next: NodeScheduled") && fifth.contains("q quit"), "{fifth}");
    // Ctrl-C is a key, and a signal from outside ends it as well.
    for end in [json!(["\u{3}", null]), json!([null, null])] {
        whole(&walk(&folder, &json!([["", first], end])), 0);
    }
}
