//! Large and random graphs: no recursion, linear time, every cycle named truly.

use orchestrator::core::definition::Definition;
use orchestrator::core::definition::graph::Graph;
use orchestrator::core::definition::validate::validate;
use proptest::prelude::*;
use serde_json::{Value, json};

fn document(nodes: Vec<Value>) -> Value {
    json!({"name": "large", "nodes": nodes})
}

fn node(i: usize, dependencies: &[usize]) -> Value {
    let dependencies: Vec<String> = dependencies.iter().map(|to| format!("n{to}")).collect();
    json!({"node_id": format!("n{i}"), "agent_name": "echo", "dependencies": dependencies})
}

fn chain(count: usize) -> Vec<Value> {
    (0..count).map(|i| node(i, &i.checked_sub(1).into_iter().collect::<Vec<_>>())).collect()
}

#[test]
fn a_chain_of_ten_thousand() {
    let text = serde_json::to_string(&document(chain(10_000))).unwrap();
    let definition = Definition::read(&text).unwrap();
    let graph = Graph::compile(&definition);
    assert_eq!(graph.sinks(), [9_999]);
}

#[test]
fn a_fan_of_ten_thousand() {
    let mut nodes = vec![node(0, &[])];
    nodes.extend((1..9_999).map(|i| node(i, &[0])));
    nodes.push(node(9_999, &(1..9_999).collect::<Vec<_>>()));
    let definition = validate(document(nodes)).unwrap();
    let graph = Graph::compile(&definition);
    assert_eq!(graph.sinks(), [9_999]);
    assert_eq!(graph.nodes[0].dependents.len(), 9_998);
}

#[test]
fn ten_thousand_mappings_that_look_far_back() {
    let mut nodes = chain(10_000);
    for node in nodes.iter_mut().skip(2) {
        node["input"] = json!("outputs.n0");
    }
    nodes[5_000]["input"] = json!(["outputs.n4999", "outputs.n5001"]);
    let faults = validate(document(nodes)).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].place, "/nodes/5000/input/1");
}

#[test]
fn a_cycle_of_ten_thousand() {
    let mut nodes = chain(10_000);
    nodes[0] = node(0, &[9_999]);
    let faults = validate(document(nodes)).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].message.starts_with("a cycle: n0 → n9999 → n9998"), "{}", faults[0]);
    assert!(faults[0].message.ends_with("n1 → n0 (each waits for the next)"), "{}", faults[0]);
}

#[test]
fn more_than_the_limit_is_refused() {
    assert!(validate(document(chain(10_001))).unwrap_err()[0].message.contains("at most 10000"));
    let unknown: Vec<Value> = (0..10_000).map(|i| node(i, &[20_000 + i])).collect();
    assert_eq!(validate(document(unknown)).unwrap_err().len(), 10_000);
}

/// The edges of a random graph without cycles: each node waits for earlier ones. Node names are shuffled by `step`.
fn edges() -> impl Strategy<Value = Vec<Vec<usize>>> {
    (2usize..40).prop_flat_map(|count| {
        let nodes: Vec<_> = (0..count)
            .map(|i| {
                proptest::collection::btree_set(0..i.max(1), 0..4)
                    .prop_map(move |set| if i == 0 { Vec::new() } else { set.into_iter().collect::<Vec<usize>>() })
            })
            .collect();
        nodes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_are_sound_and_random_back_edges_are_named(edges in edges(), at in any::<prop::sample::Index>()) {
        let nodes: Vec<Value> = edges.iter().enumerate().map(|(i, to)| node(i, to)).collect();
        let definition = validate(document(nodes.clone())).unwrap();
        let graph = Graph::compile(&definition);
        for (i, node) in graph.nodes.iter().enumerate() {
            prop_assert_eq!(&node.dependencies, &edges[i]);
        }

        // Pick a node that waits for something, and let something upstream of it wait for it.
        let waiting: Vec<usize> = (0..edges.len()).filter(|i| !edges[*i].is_empty()).collect();
        prop_assume!(!waiting.is_empty());
        let last = waiting[at.index(waiting.len())];
        let mut first = last;
        while let Some(to) = edges[first].first() {
            first = *to;
        }
        let mut edges = edges;
        edges[first].push(last);
        let nodes: Vec<Value> = edges.iter().enumerate().map(|(i, to)| node(i, to)).collect();
        let faults = validate(document(nodes)).unwrap_err();
        prop_assert_eq!(faults.len(), 1);
        let message = &faults[0].message;
        let path = message.strip_prefix("a cycle: ").and_then(|m| m.split(" (").next()).unwrap_or_default();
        prop_assume!(!path.contains('…'));
        let path: Vec<usize> = path.split(" → ").map(|name| name[1..].parse().unwrap()).collect();
        prop_assert!(path.len() > 2 && path.first() == path.last(), "{}", message);
        for pair in path.windows(2) {
            prop_assert!(edges[pair[0]].contains(&pair[1]), "{} is no edge of {}", pair[0], message);
        }
    }
}
