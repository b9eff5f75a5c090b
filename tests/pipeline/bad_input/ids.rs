//! Ids with any characters and of any length: what is legal runs, what is not is refused by name.

use super::Watched;
use crate::support::{Installation, Leg, until};
use orchestrator::core::id::WorkflowId;
use serde_json::json;

const LEGAL: [&str; 18] = [
    "a",
    "0",
    "null",
    " ",
    " a b ",
    "a/b/c",
    "../../etc/passwd",
    "partition-0",
    "%s%n{}",
    "'; DROP TABLE orchestrator_workflow_states; --",
    "\"quoted\" \\ and `more`",
    "order 7 / ☕",
    "日本語の注文",
    "e\u{301}",
    "\u{202e}backwards",
    "\u{feff}bom",
    "👩‍👩‍👧‍👦",
    "wf-00000000000000000000-0",
];

#[test]
fn legal_ids_run_and_are_found_again() {
    for leg in Leg::all() {
        let (node, agent) = ("N".repeat(100), format!("-_{}", "a".repeat(98)));
        let definition = format!("name: {}\nnodes:\n  - {{ node_id: {node}, agent_name: {agent} }}\n", "D".repeat(100));
        let mut watched = Watched::serving(Installation::new(leg), &[&definition], &[]);
        let _worker = watched.at.start("worker", &["worker", &format!("--agent={agent}"), "--exec", "cat"]);
        let (long, longest) = ("k".repeat(256), "é".repeat(128));
        let ids: Vec<_> = LEGAL.iter().copied().chain([long.as_str(), &longest]).collect();
        for id in &ids {
            watched.at.request(id, &"D".repeat(100), &json!({ "id": id }));
        }
        let store = watched.at.store();
        for id in &ids {
            assert_eq!(watched.answer(id)["answer"], json!({ "id": id }), "{id:?}");
            let workflow_id = WorkflowId::new(id).expect("a legal id");
            until("the run is in the store", || {
                let run = store.query().run(&workflow_id, None).ok()??.1;
                run.ended_at.map(|_| ())
            });
            let shown = watched.at.run(&["show", "--output", "json", "--", id]).expect(0).json();
            assert_eq!(shown["workflow_id"], *id);
        }
        watched.at.judge(ids.len());
    }
}

#[test]
fn illegal_names_are_refused_by_name_where_they_are_applied() {
    let at = Installation::new(Leg::Embedded);
    let names = ["", "a b", "a.b", "a/b", "☕", "a\\tb", &"x".repeat(101)];
    for name in names {
        for (field, definition) in [
            ("name", format!("name: \"{name}\"\nnodes:\n  - {{ node_id: a, agent_name: echo }}\n")),
            ("node_id", format!("name: d\nnodes:\n  - {{ node_id: \"{name}\", agent_name: echo }}\n")),
            ("agent_name", format!("name: d\nnodes:\n  - {{ node_id: a, agent_name: \"{name}\" }}\n")),
        ] {
            let file = at.folder().join("definition.yaml");
            std::fs::write(&file, definition).expect("a file");
            let end = at.run(&["definitions", "apply", file.to_str().expect("a path")]);
            assert!(end.code == 3 && end.stderr.contains(field), "{field} {name:?}: {end:?}");
        }
    }
}
