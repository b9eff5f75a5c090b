//! Dead letters from the command line: found, grouped, shown, worked off.

use crate::embedded::{Folder, wait_until};
use crate::tool::{program, run_with};
use bytes::Bytes;
use orchestrator::installation::records::append;
use orchestrator::log::sqlite::SqliteLog;
use orchestrator::log::{NewRecord, Topic};
use orchestrator::ui::counted;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

const GREET: &str = "\
name: greet
input_contract: { type: object, required: [text] }
nodes:
  - node_id: say
    agent_name: echo
";

const BREAK: &str = "\
name: break
nodes:
  - node_id: pay
    agent_name: fail
    retry: { max_retries: 0 }
";

/// Publishes a record as somebody does who does not use our program.
pub fn publish(folder: &Folder, topic: Topic, key: Option<&str>, value: &str) {
    let log = SqliteLog::open(&Path::new(folder.data()).join("log.db"), "orchestrator").expect("the log");
    let key = key.map(|key| Bytes::copy_from_slice(key.as_bytes()));
    let value = Some(Bytes::copy_from_slice(value.as_bytes()));
    append(&log, vec![NewRecord { topic, partition: Some(0), key, value, headers: vec![] }]).expect("appended");
}

fn list(folder: &Folder, more: &[&str]) -> Vec<Value> {
    let line = [&["dlq", "list", "--output", "json"], more].concat();
    folder.run(&line).expect(0).json().as_array().cloned().expect("a list")
}

fn wait_for(folder: &Folder, letters: usize, more: &[&str]) -> Vec<Value> {
    wait_until(&format!("{letters} letters {more:?}"), || list(folder, more).len() == letters);
    list(folder, more)
}

fn id(letter: &Value) -> String {
    letter["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_refused_request_is_handed_in_again_when_its_definition_is_there() {
    let folder = Folder::new();
    let _dev = folder.dev();
    for n in 1..=2 {
        let request = json!({ "definition": "greet", "input": { "text": "hello" }, "workflow_id": format!("w-{n}") });
        publish(&folder, Topic::Requests, None, &request.to_string());
    }
    let letters = wait_for(&folder, 2, &[]);
    assert!(letters.iter().all(|letter| letter["code"] == "unknown_definition" && letter["kind"] == "input"));
    let groups = folder.run(&["dlq", "groups", "--output", "json"]).expect(0).json();
    assert_eq!(
        (&groups[0]["letters"], &groups[0]["open"], groups.as_array().map(Vec::len)),
        (&2.into(), &2.into(), Some(1))
    );
    let group = groups[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();

    // What would be refused again is not published: nobody has applied the definition yet.
    let early = folder.run(&["dlq", "redrive", "--fault", &group]).expect(1);
    assert_eq!(early.stderr.matches("would be refused again: unknown_definition").count(), 2, "{early:?}");
    assert_eq!(list(&folder, &["--state", "all"]).len(), 2);

    folder.run_with_input(&["definitions", "apply", "-"], GREET).expect(0);
    // A dry run says what it would do, and does nothing.
    let dry = folder.run(&["dlq", "redrive", "--fault", &group[..6], "--dry-run"]).expect(0);
    assert_eq!(dry.stdout.matches("would be redriven").count(), 2, "{dry:?}");
    assert_eq!(list(&folder, &[]).len(), 2);

    let line = ["dlq", "redrive", "--fault", &group, "--rate", "50", "--by", "ada", "--note", "it is there now"];
    let done = folder.run(&[&line[..], &["--output", "json"]].concat()).expect(0).json();
    assert_eq!(done["redriven"].as_array().map(Vec::len), Some(2), "{done}");
    let handled = wait_for(&folder, 2, &["--state", "redriven"]);
    assert!(handled.iter().all(|letter| letter["handled"]["by"] == "ada" && letter["handled"]["run_id"].is_string()));
    wait_until("both runs complete", || {
        folder.run(&["list", "--status", "completed", "--output", "json"]).json().as_array().map(Vec::len) == Some(2)
    });

    // Once more does no harm, and says so.
    let again = folder.run(&["dlq", "redrive", &id(&letters[0])[..8]]).expect(0);
    assert!(again.stderr.contains("was redriven before"), "{again:?}");
    assert!(folder.run(&["dlq", "redrive", "--fault", &group]).expect(0).stdout.contains("no open dead letters"));
    let shown = folder.run(&["dlq", "show", &id(&letters[0])]).expect(0).stdout;
    assert!(shown.contains("redriven") && shown.contains("it is there now") && shown.contains("\"hello\""), "{shown}");
    let tail = folder.run(&["tail", "--from-start", "--no-follow", "--type", "DeadLetterHandled", "--output", "json"]);
    assert_eq!(tail.expect(0).stdout.lines().count(), 2);
}

#[test]
fn a_refused_request_is_repaired() {
    let folder = Folder::new();
    let _dev = folder.dev();
    folder.run_with_input(&["definitions", "apply", "-"], GREET).expect(0);
    publish(&folder, Topic::Requests, Some("w"), r#"{"definition":"greet","input":{"txt":"hello"}}"#);
    let letter = id(&wait_for(&folder, 1, &[])[0]);
    // What would be refused again is not published.
    let bad = folder.run(&["dlq", "edit", &letter, "--set", "/input/txt=1"]).expect(1);
    assert!(bad.stderr.contains("would be refused again: contract"), "{bad:?}");
    folder.run(&["dlq", "edit", &letter, "--set", "/input/text=\"hello\""]).expect(0);
    wait_for(&folder, 1, &["--state", "edited"]);
    wait_until("the run completes", || folder.run(&["show", "w", "--output", "json"]).json()["status"] == "completed");

    publish(&folder, Topic::Requests, None, "rubbish");
    let letter = id(&wait_for(&folder, 1, &[])[0]);
    let whole = r#"{"definition":"greet","input":{"text":"x"}}"#;
    assert!(folder.run(&["dlq", "edit", &letter, "--set", "/a=1"]).expect(1).stderr.contains("--value"));
    let edited = folder.run(&["dlq", "edit", &letter, "--value", whole]).expect(0);
    let id = format!("letter-{letter}");
    assert!(edited.stdout.contains(&format!("edited: it is handed in as workflow {id}\n")), "{edited:?}");
    wait_until("the run completes", || folder.run(&["show", &id, "--output", "json"]).json()["status"] == "completed");
}

#[test]
fn exhausted_nodes_are_found_grouped_and_discarded() {
    let folder = Folder::new();
    let _dev = folder.dev();
    folder.run_with_input(&["definitions", "apply", "-"], BREAK).expect(0);
    for n in 1..=3 {
        let input = format!(r#"{{"class":"non_retryable","code":"no_money","message":"account {n} is empty"}}"#);
        folder.run(&["submit", "break", "--input", &input, "--id", &format!("w-{n}"), "--wait"]).expect(1);
    }
    let letters = wait_for(&folder, 3, &["--agent", "fail", "--class", "non_retryable", "--definition", "break"]);
    assert!(letters.iter().all(|letter| letter["node_id"] == "pay" && letter["code"] == "no_money"));
    let errors = folder.run(&["errors", "--since", "1h", "--output", "json"]).expect(0).json();
    assert_eq!((&errors[0]["count"], &errors[0]["trend"]), (&3.into(), &"new".into()), "{errors}");
    assert_eq!((&errors[0]["agents"], &errors[0]["fingerprint"]), (&json!(["fail"]), &letters[0]["fingerprint"]));
    assert!(folder.run(&["errors"]).expect(0).stdout.contains("no_money"));
    assert!(folder.run(&["errors", "--agent", "nobody"]).expect(0).stdout.contains("no errors"));

    folder.run(&["dlq", "discard", "--workflow", "w-2", "--by", "ada"]).expect(0);
    let discarded = wait_for(&folder, 1, &["--state", "discarded"]);
    assert_eq!((&discarded[0]["workflow_id"], &discarded[0]["handled"]["by"]), (&"w-2".into(), &"ada".into()));
    folder.run(&["dlq", "discard", "--all", "--limit", "1"]).expect(0);
    let open = wait_for(&folder, 1, &[]);
    assert_eq!(open[0]["workflow_id"], "w-3", "the oldest first");
    let none = folder.run(&["dlq", "discard", "--workflow", "w-2"]).expect(6);
    assert!(none.stderr.contains("workflow w-2 has no open dead letter that fits"), "{none:?}");
}

#[test]
fn whoever_works_letters_off_learns_that_nobody_may_be_there() {
    let folder = Folder::new();
    let dev = folder.dev();
    folder.run_with_input(&["definitions", "apply", "-"], BREAK).expect(0);
    folder.run(&["submit", "break", "--input", "{}", "--id", "w-1", "--wait"]).expect(1);
    let letter = id(&wait_for(&folder, 1, &[])[0]);
    drop(dev);
    let end = folder.run(&["dlq", "redrive", &letter, "--timeout", "200ms"]).expect(4);
    assert!(end.stderr.contains(&format!("the tables did not say so of {letter}")), "{end:?}");
    // It stands in the log, and is done by whoever comes.
    let _dev = folder.dev();
    wait_for(&folder, 1, &["--state", "redriven"]);
}

#[test]
fn whoever_stops_it_learns_how_far_it_came() {
    let folder = Folder::new();
    let _dev = folder.dev();
    let letters = 30;
    for n in 1..=letters {
        let request = json!({ "definition": "greet", "input": {}, "workflow_id": format!("w-{n}") });
        publish(&folder, Topic::Requests, None, &request.to_string());
    }
    let many = ["--limit", "100"];
    wait_for(&folder, letters, &many);
    let cut = folder.run(&["dlq", "list", "--limit", "29"]).expect(0);
    assert_eq!(cut.stdout.lines().count(), 30, "{cut:?}");
    assert_eq!(cut.stderr, "29 are shown, and there are more; --limit NUMBER shows them\n");
    assert_eq!(folder.run(&["dlq", "list", "--limit", "30"]).expect(0).stderr, "");

    let line = ["dlq", "discard", "--all", "--rate", "1", "--data", folder.data()];
    let child = program(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    wait_until("the first is discarded", || !list(&folder, &["--state", "discarded"]).is_empty());
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    let end = child.wait_with_output().expect("it ends");
    let (said, stderr) = (String::from_utf8_lossy(&end.stdout), String::from_utf8_lossy(&end.stderr));
    assert_eq!(end.status.code(), Some(130), "{said}{stderr}");
    let done = said.lines().count();
    let left = letters - done;
    let words = format!("stopped: {} discarded, {left} not reached; the same command", counted(done, "dead letter"));
    assert!(left > 0 && stderr.contains(&words), "{said}{stderr}");
    wait_for(&folder, left, &many);
}

#[test]
fn whoever_does_it_is_named_without_any_variable() {
    let folder = Folder::new();
    let _dev = folder.dev();
    let listed = Command::new("id").arg("-un").output().expect("id").stdout;
    let listed = String::from_utf8(listed).expect("a name").trim_end().to_owned();
    let number = format!("uid {}", rustix::process::getuid().as_raw());
    for (n, (variables, by)) in
        [(&[("USER", "ada")][..], "ada".to_owned()), (&[], listed), (&[("PATH", "/nowhere")], number)]
            .into_iter()
            .enumerate()
    {
        publish(&folder, Topic::Requests, Some("w"), "rubbish");
        let letter = id(&wait_for(&folder, 1, &[])[0]);
        run_with(&["dlq", "discard", &letter, "--data", folder.data()], variables, "").expect(0);
        assert_eq!(wait_for(&folder, n + 1, &["--state", "discarded"])[0]["handled"]["by"], by.as_str());
    }
}

#[test]
fn what_cannot_be_worked_off_says_why() {
    let folder = Folder::new();
    let _dev = folder.dev();
    publish(&folder, Topic::Results, Some("w"), "rubbish");
    publish(&folder, Topic::Signals, None, r#"{"type":"dance"}"#);
    for letter in wait_for(&folder, 2, &[]) {
        let end = folder.run(&["dlq", "redrive", &id(&letter)]).expect(1);
        assert!(end.stderr.contains("can only be discarded"), "{end:?}");
    }
    for (line, code, words) in [
        (&["dlq", "redrive"][..], 2, "--all"),
        (&["dlq", "redrive", "0123456789abcdef", "--all"], 2, "not both"),
        (&["dlq", "discard", "0123"], 6, "no dead letter 0123"),
        (&["dlq", "show", "012"], 2, "4 to 16"),
        (&["dlq", "discard", "--fault", "0123"], 6, "no fault 0123"),
        (&["dlq", "edit", "0123", "--set", "text"], 2, "POINTER=JSON"),
        (&["errors", "--since", "soon"], 2, "allowed"),
    ] {
        let end = folder.run(line).expect(code);
        assert!(end.stderr.contains(words), "{line:?}: {end:?}");
    }
    assert_eq!(list(&folder, &["--state", "all"]).len(), 2);
    folder.run(&["dlq", "discard", "--all"]).expect(0);
    wait_for(&folder, 0, &[]);
    assert!(folder.run(&["dlq", "list"]).expect(0).stdout.contains("no open dead letters"));
}
