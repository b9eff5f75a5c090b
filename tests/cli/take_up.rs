//! Exhausted nodes worked off from the command line: run again, repaired, left out, given an output by hand.

use crate::embedded::{Folder, wait_until};
use orchestrator::log::Topic;
use serde_json::{Value, json};

/// `nap` needs `ms` in its input, which nobody gives it.
const TRIP: &str = "\
name: trip
nodes:
  - { node_id: pack, agent_name: echo }
  - node_id: nap
    agent_name: sleep
    dependencies: [pack]
    input_contract: { properties: { ms: { minimum: 1 } } }
    output_contract: { type: object }
  - { node_id: tell, agent_name: echo, dependencies: [nap] }
";

/// Two naps side by side, and a third node that waits for both.
const PAIR: &str = "\
name: pair
nodes:
  - { node_id: pack, agent_name: echo }
  - { node_id: left, agent_name: sleep, dependencies: [pack] }
  - { node_id: right, agent_name: sleep, dependencies: [pack] }
  - { node_id: tell, agent_name: echo, dependencies: [left, right] }
";

const UNDONE: &str = "\
name: undone
nodes:
  - { node_id: book, agent_name: echo, undo: unbook }
  - { node_id: nap, agent_name: sleep, dependencies: [book], on_failure: compensate }
  - { node_id: unbook, agent_name: sleep }
";

const EXCUSED: &str = "\
name: excused
nodes:
  - { node_id: nap, agent_name: sleep, on_failure: { route_to: excuse } }
  - { node_id: excuse, agent_name: fail }
  - { node_id: tell, agent_name: echo, dependencies: [nap] }
";

/// No worker is there for `nobody`.
const WAITING: &str = "\
name: waiting
nodes:
  - { node_id: ask, agent_name: nobody, output_contract: { type: integer } }
  - { node_id: nap, agent_name: sleep }
  - { node_id: tell, agent_name: echo, dependencies: [ask, nap] }
";

/// Nobody asks before its time is up.
const HASTY: &str = "\
name: hasty
timeout: 1s
nodes:
  - { node_id: pack, agent_name: echo }
  - { node_id: ask, agent_name: nobody, dependencies: [pack] }
  - { node_id: tell, agent_name: echo, dependencies: [ask] }
";

struct House {
    folder: Folder,
    _dev: crate::tool::Background,
}

impl House {
    fn with(definition: &str) -> Self {
        let folder = Folder::new();
        let dev = folder.dev();
        folder.run_with_input(&["definitions", "apply", "-"], definition).expect(0);
        Self { folder, _dev: dev }
    }

    /// Letters in a state, the newest first, once there are so many.
    fn letters(&self, state: &str, number: usize) -> Vec<Value> {
        let list = || {
            let found = self.folder.run(&["dlq", "list", "--state", state, "--output", "json"]).expect(0).json();
            found.as_array().cloned().expect("a list")
        };
        wait_until(&format!("{number} letters are {state}"), || list().len() == number);
        list()
    }

    /// A run of a workflow that fails; its letters, once the tables know its end.
    fn fails(&self, definition: &str, input: &str, letters: usize) -> Vec<Value> {
        self.folder.run(&["submit", definition, "--input", input, "--id", "w", "--wait"]).expect(1);
        let state = || self.folder.run(&["list", "--output", "json"]).expect(0).json()[0]["status"].clone();
        wait_until("the tables know its end", || state() == "failed");
        self.letters("open", letters)
    }

    /// The newest run, once it has ended so.
    fn ended(&self, status: &str, but: Option<&Value>) -> Value {
        let show = || self.folder.run(&["show", "w", "--output", "json"]).expect(0).json();
        wait_until(&format!("a run is {status}"), || {
            let run = show();
            run["status"] == status && Some(&run["run_id"]) != but
        });
        show()
    }
}

fn id(letter: &Value) -> &str {
    letter["id"].as_str().expect("an id")
}

fn node<'a>(letters: &'a [Value], name: &str) -> &'a Value {
    letters.iter().find(|letter| letter["node_id"] == name).expect("a letter of the node")
}

#[test]
fn the_input_of_a_node_is_repaired_and_its_run_goes_on() {
    let house = House::with(TRIP);
    let letters = house.fails("trip", r#"{"n":1}"#, 1);
    let (letter, first) = (id(&letters[0]), &letters[0]["run_id"]);
    let bad = house.folder.run(&["dlq", "edit", letter, "--key", "other"]).expect(1);
    assert!(bad.stderr.contains("takes no --key"), "{bad:?}");
    let broken = house.folder.run(&["dlq", "edit", letter, "--set", "/ms=0"]).expect(1);
    assert!(broken.stderr.contains("breaks the contract of node nap at \"/ms\": 0 is less than"), "{broken:?}");
    let dry = house.folder.run(&["dlq", "edit", letter, "--set", "/ms=1", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains("would be edited, of workflow w: it goes on with the output of 1 node"), "{dry:?}");
    house.folder.run(&["dlq", "edit", letter, "--set", "/ms=1", "--by", "ada"]).expect(0);
    let run = house.ended("completed", Some(first));
    assert_eq!(run["answer"]["nap"], json!({ "ms": 1, "pack": { "n": 1 } }), "{run}");
    assert_eq!(
        (&run["lineage"]["run_id"], &run["lineage"]["by"], &run["lineage"]["kind"]),
        (first, &"ada".into(), &"redrive".into())
    );
    // What had been done is not done again.
    assert_eq!((&run["nodes"]["pack"]["attempt"], &run["nodes"]["nap"]["attempt"]), (&0.into(), &1.into()));
    let edited = &house.letters("edited", 1)[0];
    assert_eq!((&edited["handled"]["run_id"], &edited["handled"]["by"]), (&run["run_id"], &"ada".into()));
    let text = house.folder.run(&["show", "w"]).expect(0).stdout;
    assert!(text.contains(&format!("from run     {}, asked by ada", first.as_str().expect("an id"))), "{text}");

    // The client's own request is recognised, and answered by the run that went on.
    let again = house.folder.run(&["submit", "trip", "--input", r#"{"n":1}"#, "--id", "w", "--wait"]).expect(0);
    assert_eq!(again.json(), run["answer"]);
    // Once more does no harm, and says so.
    let late = house.folder.run(&["dlq", "redrive", letter]).expect(0);
    assert!(late.stderr.contains("was edited before"), "{late:?}");
}

#[test]
fn a_run_goes_on_without_a_node_or_with_an_output_by_hand() {
    let house = House::with(TRIP);
    let letters = house.fails("trip", r#"{"n":1}"#, 1);
    // Once more it fails, with a letter of its own.
    house.folder.run(&["dlq", "redrive", id(&letters[0])]).expect(0);
    house.letters("redriven", 1);
    let second = house.ended("failed", Some(&letters[0]["run_id"]));
    let letters = house.letters("open", 1);
    assert_eq!(letters[0]["run_id"], second["run_id"]);
    house.folder.run(&["dlq", "skip", id(&letters[0])]).expect(0);
    let third = house.ended("completed", None);
    assert_eq!((&third["nodes"]["nap"]["status"], &third["answer"]), (&"skipped".into(), &json!({ "nap": null })));
    house.letters("skipped", 1);
    assert_eq!(third["nodes"]["nap"]["stand_in"]["how"], "skip");
    assert_eq!((&third["nodes"]["nap"]["carried"], &third["nodes"]["tell"]["carried"]), (&true.into(), &false.into()));
    let text = house.folder.run(&["show", "w"]).expect(0).stdout;
    assert!(text.contains(" carried ") && text.contains(" skipped by "), "{text}");

    let house = House::with(TRIP);
    let letters = house.fails("trip", r#"{"n":1}"#, 1);
    let letter = id(&letters[0]);
    let bad = house.folder.run(&["dlq", "supply", letter, "--value", "7"]).expect(1);
    assert!(bad.stderr.contains("would be refused: resume") && bad.stderr.contains("breaks its contract"), "{bad:?}");
    house.folder.run(&["dlq", "supply", letter, "--value", r#"{"slept":8}"#, "--by", "ada"]).expect(0);
    let second = house.ended("completed", None);
    let nap = &second["nodes"]["nap"];
    assert_eq!((&nap["status"], &nap["output"]), (&"recovered".into(), &json!({ "slept": 8 })));
    assert_eq!((&nap["stand_in"]["how"], &nap["stand_in"]["by"]), (&"supply".into(), &"ada".into()));
    house.letters("supplied", 1);
}

#[test]
fn letters_of_one_run_are_worked_off_together() {
    let house = House::with(PAIR);
    let letters = house.fails("pair", r#"{"n":1}"#, 2);
    let (left, right) = (node(&letters, "left"), node(&letters, "right"));
    let said = house.folder.run(&["dlq", "skip", id(left), "--output", "json"]).expect(0).json();
    assert_eq!((&said["skipped"], &said["with_them"]), (&json!([id(left)]), &json!([id(right)])));
    // The other node is run again, and fails again.
    assert_eq!(house.letters("skipped", 1)[0]["id"], left["id"]);
    assert_eq!(house.letters("redriven", 1)[0]["id"], right["id"]);
    let second = house.ended("failed", Some(&left["run_id"]));
    assert_eq!(second["nodes"]["left"]["status"], "skipped");
    let letters = house.letters("open", 1);
    assert_eq!(letters[0]["node_id"], "right");

    let house = House::with(PAIR);
    let first = house.fails("pair", r#"{"n":1}"#, 2)[0]["run_id"].clone();
    house.folder.run(&["dlq", "edit", "--workflow", "w", "--set", "/ms=1"]).expect(0);
    let run = house.ended("completed", Some(&first));
    assert_eq!((&run["nodes"]["left"]["attempt"], &run["nodes"]["right"]["attempt"]), (&1.into(), &1.into()));
    let edited = house.letters("edited", 2);
    assert!(edited.iter().all(|letter| letter["handled"]["run_id"] == run["run_id"]), "{edited:?}");
}

#[test]
fn a_run_that_was_undone_starts_anew() {
    let house = House::with(UNDONE);
    let letters = house.fails("undone", r#"{"n":1}"#, 2);
    let (nap, unbook) = (node(&letters, "nap"), node(&letters, "unbook"));
    let undo = house.folder.run(&["dlq", "redrive", id(unbook)]).expect(1);
    assert!(undo.stderr.contains("undo it by hand"), "{undo:?}");
    let said = house.folder.run(&["dlq", "edit", id(nap), "--set", "/ms=1"]).expect(0);
    assert!(said.stdout.contains("was undone, so it starts anew"), "{said:?}");
    let run = house.ended("completed", Some(&nap["run_id"]));
    assert_eq!(run["nodes"]["book"]["attempt"], 1);
    let open = house.letters("open", 1);
    assert_eq!(open[0]["id"], unbook["id"], "what was to be undone is for a person");
    let history = house.folder.run(&["history", "w", "--output", "json"]).expect(0).stdout;
    let events: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let handled = events.iter().find(|event| event["type"] == "DeadLetterHandled").expect("what was done");
    assert_eq!((&handled["data"]["letter_id"], &handled["data"]["run_id"]), (&nap["id"], &run["run_id"]));
    assert!(events.iter().all(|event| event["run_id"].is_string() != event["partition"].is_number()), "{history}");
    let late = house.folder.run(&["dlq", "redrive", id(unbook)]).expect(1);
    assert!(late.stderr.contains("taken up already"), "{late:?}");
}

#[test]
fn a_failure_node_that_failed_is_skipped_with_the_node_that_called_it() {
    let house = House::with(EXCUSED);
    let letters = house.fails("excused", r#"{"n":1}"#, 1);
    assert_eq!(letters[0]["node_id"], "excuse");
    house.folder.run(&["dlq", "supply", id(&letters[0]), "--value", "8"]).expect(0);
    let run = house.ended("completed", Some(&letters[0]["run_id"]));
    assert_eq!((&run["nodes"]["nap"]["status"], &run["answer"]), (&"recovered".into(), &json!({ "nap": 8 })));
}

#[test]
fn a_run_whose_time_was_up_has_no_letter_and_is_taken_up_by_a_request() {
    let house = House::with(HASTY);
    house.folder.run(&["submit", "hasty", "--input", r#"{"n":1}"#, "--id", "w"]).expect(0);
    let first = house.ended("failed", None);
    assert_eq!((&first["error"]["code"], &first["error"]["node_id"]), (&"workflow_timeout".into(), &Value::Null));
    assert!(house.letters("all", 0).is_empty());
    let carried = json!([
        { "node_id": "pack", "status": "completed", "output": first["nodes"]["pack"]["output"] },
        { "node_id": "ask", "status": "recovered", "output": 7 },
    ]);
    let resume = json!({ "kind": "redrive", "run_id": first["run_id"], "by": "ada", "carried": carried });
    let request = json!({ "definition": "hasty", "input": { "n": 1 }, "resume": resume });
    crate::dlq::publish(&house.folder, Topic::Requests, Some("w"), &request.to_string());
    let second = house.ended("completed", Some(&first["run_id"]));
    assert_eq!((&second["lineage"]["run_id"], &second["answer"]), (&first["run_id"], &json!({ "ask": 7 })));
}

#[test]
fn what_a_request_cannot_hold_names_the_setting() {
    let house = House::with(TRIP);
    let input = json!({ "n": "x".repeat(2_000) }).to_string();
    let letters = house.fails("trip", &input, 1);
    let large = house.folder.run(&["dlq", "redrive", id(&letters[0]), "--max-request-bytes", "1KiB"]).expect(1);
    assert!(large.stderr.contains("1024 are allowed (ORCHESTRATOR_MAX_REQUEST_BYTES)"), "{large:?}");
    house.letters("open", 1);
}

#[test]
fn a_node_of_a_run_under_way_is_given_its_output() {
    let house = House::with(WAITING);
    house.folder.run(&["submit", "waiting", "--input", r#"{"ms":1}"#, "--id", "w"]).expect(0);
    let is_there = || house.folder.run(&["show", "w", "--output", "json"]);
    wait_until("the node is handed out", || is_there().code == 0 && is_there().json()["nodes"]["ask"].is_object());
    for (line, words) in [
        (["supply", "w", "ask", "--value", "\"text\""], "breaks its contract"),
        (["supply", "w", "tell", "--value", "1"], "does not wait for an output"),
    ] {
        let refused = house.folder.run(&line).expect(3);
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    house.folder.run(&["supply", "nobody", "ask", "--value", "1"]).expect(6);
    house.folder.run(&["supply", "w", "ask", "--value", "{"]).expect(2);
    house.folder.run(&["supply", "w", "ask", "--value", "7", "--by", "ada"]).expect(0);
    let run = house.ended("completed", None);
    assert_eq!((&run["nodes"]["ask"]["status"], &run["answer"]["ask"]), (&"recovered".into(), &7.into()));
    let history = house.folder.run(&["history", "w"]).expect(0).stdout;
    assert!(history.contains("was supplied by ada"), "{history}");
    assert_eq!(
        (&run["nodes"]["ask"]["stand_in"]["by"], &run["nodes"]["ask"]["carried"]),
        (&"ada".into(), &false.into())
    );
    let text = house.folder.run(&["show", "w"]).expect(0).stdout;
    assert!(text.contains("supplied by hand by ada"), "{text}");
    // What the engine did not take stands there, too.
    for words in ["InputRejected", "output_refused: the output supplied", "not_suppliable: node"] {
        assert!(history.contains(words), "{words}: {history}");
    }
    let late = house.folder.run(&["supply", "w", "ask", "--value", "7"]).expect(3);
    assert!(late.stderr.contains("has ended: it completed"), "{late:?}");
}

#[test]
fn a_node_that_has_failed_its_run_says_which_letter_to_supply() {
    let house = House::with(WAITING);
    house.folder.run(&["submit", "waiting", "--input", "{}", "--id", "w"]).expect(0);
    let letters = house.letters("open", 1);
    let letter = id(&letters[0]);
    // The other node is still at work: the run has not ended.
    let early = house.folder.run(&["dlq", "supply", letter, "--value", "1"]).expect(1);
    assert!(early.stderr.contains("has not ended"), "{early:?}");
    let late = house.folder.run(&["supply", "w", "nap", "--value", "1"]).expect(3);
    assert!(late.stderr.contains(&format!("`orchestrator dlq supply {letter}`")), "{late:?}");
    assert!(late.stderr.contains("once the run has ended"), "{late:?}");
    house.folder.run(&["supply", "w", "ask", "--value", "7"]).expect(0);
    house.ended("failed", None);
    let late = house.folder.run(&["supply", "w", "nap", "--value", "1"]).expect(3);
    assert!(late.stderr.contains("has ended: it failed") && late.stderr.contains(letter), "{late:?}");
    house.folder.run(&["dlq", "supply", letter, "--value", "1"]).expect(0);
    let run = house.ended("completed", None);
    assert_eq!((&run["nodes"]["ask"]["output"], &run["nodes"]["nap"]["output"]), (&7.into(), &1.into()));
}
