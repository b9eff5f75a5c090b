//! `orchestrator definitions validate`, which needs neither a log nor settings.

use crate::tool::{run, run_with};

const GOOD: &str = "\
name: shop
description: What a customer should drink
nodes:
  - node_id: orders
    agent_name: echo
  - node_id: answer
    agent_name: echo
    dependencies: [orders]
    role: synthesizer
";

const BAD: &str = "\
name: shop
nodes:
  - node_id: a
    agent_name: echo
    dependencies: [b]
  - node_id: b
    agent_name: echo
    dependencies: [a]
  - node_id: a
    agent_name: echo
    dependencies: [nobody]
";

#[test]
fn a_good_definition_is_valid() {
    let end = run_with(&["definitions", "validate", "-"], &[], GOOD).expect(0);
    assert_eq!(end.stdout, "-: shop, 2 nodes, valid\n");
}

#[test]
fn every_fault_of_a_bad_one_is_named_with_its_place() {
    let end = run_with(&["definitions", "validate", "-"], &[], BAD).expect(3);
    for part in ["nobody", "a", "b"] {
        assert!(end.stderr.contains(part), "{end:?}");
    }
    assert!(end.stderr.lines().count() >= 3, "a cycle, a twin and a stranger: {end:?}");
    assert!(end.stderr.lines().all(|line| line.starts_with("-:")), "{end:?}");
}

#[test]
fn programs_get_the_faults_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let (good, bad) = (folder.path().join("good.yaml"), folder.path().join("bad.yaml"));
    std::fs::write(&good, GOOD).expect("a file");
    std::fs::write(&bad, BAD).expect("a file");
    let (good, bad) = (good.to_str().expect("a path"), bad.to_str().expect("a path"));
    let json = run(&["definitions", "validate", good, bad, "--output", "json"]).expect(3).json();
    assert_eq!((&json[0]["valid"], &json[0]["name"], &json[1]["valid"]), (&true.into(), &"shop".into(), &false.into()));
    assert!(json[1]["faults"].as_array().is_some_and(|faults| faults.iter().all(|f| f["message"].is_string())));
}

#[test]
fn rubbish_is_refused_and_never_more_than_that() {
    for text in ["", "{", "42", "name: [", "\u{0}", "name: x\nnodes: 7\n", "a: &a [*a]"] {
        let end = run_with(&["definitions", "validate", "-"], &[], text).expect(3);
        assert!(!end.stderr.is_empty(), "{text:?}: {end:?}");
    }
    run(&["definitions", "validate", "/does/not/exist"]).expect(2);
}
