//! `orchestrator config`.

use crate::tool::{program, run, run_with};
use serde_json::Value;
use std::process::Stdio;

fn setting<'a>(rows: &'a Value, name: &str) -> &'a Value {
    let rows = rows.as_array().expect("a list");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} is not shown"))
}

#[test]
fn every_setting_is_shown_with_value_source_default_and_meaning() {
    let environment = [("ORCHESTRATOR_MAX_RETRIES", "7"), ("ORCHESTRATOR_KAFKA_SASL_PASSWORD", "geheim")];
    let end = run_with(&["config", "--output", "json", "--group", "mine"], &environment, "").expect(0);
    assert!(!end.stdout.contains("geheim"));
    let rows = end.json();
    let retries = setting(&rows, "ORCHESTRATOR_MAX_RETRIES");
    assert_eq!(
        (&retries["value"], &retries["source"], &retries["default"]),
        (&"7".into(), &"environment".into(), &"3".into())
    );
    assert_eq!(setting(&rows, "ORCHESTRATOR_GROUP")["source"], "flag");
    assert_eq!(
        setting(&rows, "ORCHESTRATOR_STORE_URL")["value"],
        "postgres://orchestrator:***@127.0.0.1:15432/orchestrator"
    );
    assert_eq!(setting(&rows, "ORCHESTRATOR_KAFKA_SASL_PASSWORD")["value"], "***");
    for row in rows.as_array().expect("a list") {
        assert!(row["meaning"].as_str().is_some_and(|text| text.ends_with('.')), "{row}");
    }
}

#[test]
fn people_get_a_table() {
    let end = run(&["config"]).expect(0);
    let line = end.stdout.lines().find(|line| line.contains("ORCHESTRATOR_PARTITIONS")).expect("a line");
    assert!(line.contains("default") && line.contains("`init` creates"), "{line}");
    assert!(!end.stdout.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn an_unknown_variable_is_warned_of() {
    let end = run_with(&["config"], &[("ORCHESTRATOR_LOGLEVEL", "INFO")], "").expect(0);
    assert!(end.stderr.contains("did you mean ORCHESTRATOR_LOG_LEVEL?"), "{end:?}");
}

#[test]
fn the_documentation_comes_from_the_program() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).expect("the page");
    // Even where a setting is bad.
    let end = run_with(&["config", "--markdown"], &[("ORCHESTRATOR_PARTITIONS", "none")], "").expect(0);
    assert_eq!(end.stdout, page);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child =
        program(&["config"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
