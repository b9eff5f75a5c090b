//! Recorded histories in every version that events have had, each with the state that it folds to. A file is never
//! edited once its version is released: what was recorded must fold as it did.

use orchestrator::core::event::Recorded;
use orchestrator::history::point;
use orchestrator::ui::run::json as run_json;
use orchestrator::wire::event::{Published, decode, names};
use orchestrator::wire::schema;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/histories")
}

/// The histories: files of events, a line of hexadecimal digits each, as they stood in the journal.
fn histories() -> Vec<(String, Vec<Vec<u8>>)> {
    let mut all: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "hex"))
        .map(|path| {
            let lines = fs::read_to_string(&path).unwrap();
            let events = lines.lines().map(|line| hex::decode(line).unwrap()).collect();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), events)
        })
        .collect();
    all.sort();
    all
}

fn read(body: &[u8]) -> Recorded {
    match decode(body).unwrap() {
        Published::Run(recorded) => recorded,
        Published::Partition(_) => panic!("an event of a run"),
    }
}

/// The state after every event.
fn states(events: &[Vec<u8>]) -> Value {
    let events: Vec<Recorded> = events.iter().map(|body| read(body)).collect();
    let state = |count: usize| {
        let run = point::state(&events[..count]).unwrap().unwrap();
        let next = events[count - 1].event.name();
        json!({ "after": next, "run": run_json(&run, 0, &BTreeMap::new()), "plans": run.plans, "inputs": run.inputs })
    };
    (1..=events.len()).map(state).collect()
}

/// Objects by node: whatever joins them is invented.
const BY_NODE: [&str; 3] = ["/nodes", "/inputs", "/plans"];

/// Where what was expected is not found. What was not told when a state was written down may join it.
fn differs(at: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found))
            if BY_NODE.iter().any(|name| at.ends_with(name)) && !expected.keys().eq(found.keys()) =>
        {
            let names = |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<Vec<_>>().join(", ");
            Some(format!("{at}: expected {}, found {}", names(expected), names(found)))
        }
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .find_map(|(name, value)| differs(&format!("{at}/{name}"), value, found.get(name).unwrap_or(&Value::Null))),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => (0..)
            .zip(expected.iter().zip(found))
            .find_map(|(i, (expected, found))| differs(&format!("{at}/{i}"), expected, found)),
        _ => (expected != found).then(|| format!("{at}: expected {expected}, found {found}")),
    }
}

#[test]
fn recorded_histories_fold_as_they_did() {
    let histories = histories();
    assert!(histories.len() >= 3);
    for (name, events) in histories {
        let path = folder().join(format!("{name}.json"));
        let found = states(&events);
        if std::env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
            fs::write(&path, format!("{found:#}\n")).unwrap();
        }
        let expected: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(differs(&name, &expected, &found), None);
    }
}

#[test]
fn every_version_of_every_event_of_a_run_stands_in_a_recorded_history() {
    let recorded: BTreeSet<String> = histories()
        .iter()
        .flat_map(|(_, events)| events)
        .map(|body| format!("{:?}", schema::of(body).unwrap()))
        .collect();
    let is_of_a_run = |text: &str| {
        let schema: serde_json::Value = serde_json::from_str(text).unwrap();
        schema["namespace"] == "orchestrator.events.v1" && schema["fields"][0]["name"] == "workflow_id"
    };
    let missing: Vec<String> = schema::all()
        .iter()
        .filter(|schema| is_of_a_run(schema.text) && names().any(|name| name == schema.name))
        .map(|schema| format!("{schema:?}"))
        .filter(|name| !recorded.contains(name))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}
