//! `orchestrator why`, in a folder.

use crate::embedded::{Folder, wait_until};
use bytes::Bytes;
use orchestrator::installation::records::append;
use orchestrator::log::sqlite::SqliteLog;
use orchestrator::log::{NewRecord, Topic};
use serde_json::{Value, json};
use std::path::Path;

const PARCEL: &str = "\
name: parcel
nodes:
  - { node_id: weigh, agent_name: scales }
  - { node_id: label, agent_name: echo, dependencies: [weigh] }
";

fn why(folder: &Folder, id: &str) -> Value {
    folder.run(&["why", id, "--output", "json"]).expect(0).json()
}

#[test]
fn what_waits_and_what_has_ended_is_said_in_a_sentence_and_in_words_for_programs() {
    let folder = Folder::new();
    let nothing = folder.run(&["why", "parcel 7"]).expect(3);
    assert!(nothing.stderr.contains("there is no log at"), "{nothing:?}");
    let _dev = folder.dev();
    folder.run_with_input(&["definitions", "apply", "-"], PARCEL).expect(0);
    folder
        .run_with_input(&["definitions", "apply", "-"], "name: one\nnodes: [{ node_id: a, agent_name: echo }]\n")
        .expect(0);

    folder.run(&["submit", "parcel", "--id", "parcel 7", "--input", "{}"]).expect(0);
    wait_until("nobody works for it", || why(&folder, "parcel 7")["reason"] == "no_worker");
    let json = why(&folder, "parcel 7");
    assert_eq!((&json["workflow_id"], &json["status"]), (&"parcel 7".into(), &"executing_single".into()), "{json}");
    let reasons: Vec<_> = json["reasons"].as_array().expect("reasons").iter().map(|r| &r["reason"]).collect();
    assert_eq!(reasons, ["no_worker", "awaiting_inputs"], "{json}");
    assert_eq!(json["reasons"][1]["waits_for"], json!([{ "node_id": "weigh", "status": "scheduled" }]));
    let text = folder.run(&["why", "parcel 7"]).expect(0).stdout;
    assert_eq!(text.lines().next(), json["message"].as_str());
    assert!(text.starts_with("parcel 7 waits: no worker of agent scales is connected (the group "), "{text}");

    folder.run(&["submit", "one", "--id", "one 1", "--input", "{}", "--wait"]).expect(0);
    let text = folder.run(&["why", "one 1"]).expect(0).stdout;
    assert!(text.starts_with("one 1 completed at "), "{text}");
    let run_id = why(&folder, "one 1")["run_id"].as_str().expect("an id").to_owned();
    let of_the_run = folder.run(&["why", "one 1", "--run", &run_id, "--output", "json"]).expect(0).json();
    assert_eq!(of_the_run["reason"], "completed");

    let unknown = folder.run(&["why", "nobody", "--output", "json"]).expect(6);
    assert!(unknown.stderr.contains("there is no workflow \"nobody\""), "{unknown:?}");
    folder.run(&["why", "one 1", "--run", &"f".repeat(32)]).expect(6);
    folder.run(&["why", ""]).expect(2);
}

#[test]
fn a_refused_request_says_what_was_done_with_it() {
    let folder = Folder::new();
    let _dev = folder.dev();
    let log = SqliteLog::open(&Path::new(folder.data()).join("log.db"), "orchestrator").expect("the log");
    for id in ["r-1", "r-2"] {
        let value = Some(Bytes::from(r#"{"definition":"nothing","input":1}"#));
        let (topic, key) = (Topic::Requests, Some(Bytes::from(id)));
        append(&log, vec![NewRecord { topic, partition: None, key, value, headers: vec![] }]).expect("appended");
    }
    let letter = |id: &str| {
        let is_known = || {
            let asked = folder.run(&["why", id, "--output", "json"]);
            asked.code == 0 && asked.json()["dead_letter"].is_string()
        };
        wait_until("the letter is in the tables", is_known);
        why(&folder, id)["dead_letter"].as_str().expect("an id").to_owned()
    };
    let (first, second) = (letter("r-1"), letter("r-2"));
    let open = why(&folder, "r-1");
    assert_eq!((&open["reason"], &open["letter"]["state"]), (&"request_refused".into(), &"open".into()), "{open}");
    assert!(open["message"].to_string().contains(&format!("`orchestrator dlq edit {first}`")), "{open}");

    folder.run(&["dlq", "discard", &first, "--by", "ada", "--note", "sent by mistake"]).expect(0);
    let text = folder.run(&["why", "r-1"]).expect(0).stdout;
    assert!(text.contains(&format!("; its dead letter {first} was discarded by ada at ")), "{text}");
    assert!(text.contains(" (sent by mistake)\n") && !text.contains("dlq edit"), "{text}");

    folder
        .run_with_input(&["definitions", "apply", "-"], "name: one\nnodes: [{ node_id: a, agent_name: echo }]\n")
        .expect(0);
    let edit = ["dlq", "edit", &second, "--set", "/definition=\"one\"", "--key", "r 3", "--by", "bob"];
    let edited = folder.run(&edit).expect(0);
    assert!(edited.stdout.contains("it is handed in as workflow r 3\n"), "{edited:?}");
    let text = folder.run(&["why", "r-2"]).expect(0).stdout;
    assert!(
        text.contains(" was edited by bob at ") && text.contains("runs as workflow r 3: `orchestrator why 'r 3'`"),
        "{text}"
    );
    assert_eq!(why(&folder, "r-2")["letter"]["handled"]["workflow_id"], "r 3");
}

#[test]
fn a_run_without_engine_and_without_worker_says_both() {
    let folder = Folder::new();
    let dev = folder.dev();
    folder.run_with_input(&["definitions", "apply", "-"], PARCEL).expect(0);
    folder.run(&["submit", "parcel", "--id", "p", "--input", "{}"]).expect(0);
    wait_until("it has started", || why(&folder, "p")["reason"] == "no_worker");
    drop(dev);
    wait_until("nobody owns its partition", || why(&folder, "p")["reason"] == "no_owner");
    let text = folder.run(&["why", "p"]).expect(0).stdout;
    assert!(text.starts_with("p stands still: no engine owns partition "), "{text}");
    assert!(text.contains("`orchestrator serve` runs one\n- no worker of agent scales is connected"), "{text}");
}
