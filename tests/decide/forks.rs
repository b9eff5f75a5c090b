//! What a fork takes over: the upstream of a node, whatever the graph.

use crate::scenario::Scenario;
use orchestrator::core::definition::Definition;
use orchestrator::core::definition::graph::Graph;
use orchestrator::core::fork::{NoFork, fork};
use orchestrator::core::id::NodeId;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn graph(yaml: &str) -> Arc<Graph> {
    Arc::new(Graph::compile(&Definition::read(yaml).unwrap()))
}

/// A definition whose node n waits for those that are set in `edges[n]`, of the ones before it.
fn layered(edges: &[u8]) -> (String, Vec<BTreeSet<usize>>) {
    let mut yaml = "name: layered\nnodes:\n".to_owned();
    let mut upstream: Vec<BTreeSet<usize>> = Vec::new();
    for (n, bits) in edges.iter().enumerate() {
        let direct: Vec<usize> = (0..n.min(8)).filter(|i| bits & (1 << i) != 0).collect();
        let names: Vec<String> = direct.iter().map(|i| format!("n{i}")).collect();
        yaml += &format!("  - {{node_id: n{n}, agent_name: echo, dependencies: [{}]}}\n", names.join(", "));
        let mut all: BTreeSet<usize> = direct.iter().copied().collect();
        all.extend(direct.iter().flat_map(|i| upstream[*i].clone()));
        upstream.push(all);
    }
    (yaml, upstream)
}

proptest! {
    #[test]
    fn exactly_the_upstream_is_taken_over_at_every_node(edges in prop::collection::vec(any::<u8>(), 1..9)) {
        let (yaml, upstream) = layered(&edges);
        let mut scenario = Scenario::of(&yaml).start("null");
        for n in 0..edges.len() {
            scenario.complete(&format!("n{n}"), &n.to_string());
        }
        let (run, _) = scenario.live.as_ref().unwrap();
        for (n, expected) in upstream.iter().enumerate() {
            let fork = fork(run, &graph(&yaml), &node(&format!("n{n}"))).unwrap();
            let names: BTreeSet<NodeId> = expected.iter().map(|i| node(&format!("n{i}"))).collect();
            prop_assert_eq!(&fork.carried.keys().cloned().collect::<BTreeSet<_>>(), &names);
            let is_its_own = fork.carried.iter().all(|(id, (_, output))| format!("n{}", output.as_str()) == id.as_str());
            prop_assert!(is_its_own);
            prop_assert_eq!(fork.runs().count(), edges.len() - names.len());
        }
    }
}

const PLANNED: &str = "
name: planned
nodes:
  - {node_id: first, agent_name: echo}
  - {node_id: plan, agent_name: planner, role: planner, dependencies: [first]}
  - {node_id: say, agent_name: writer, role: responder}
";

#[test]
fn a_plan_comes_along_with_its_planner_and_not_without_it() {
    let plan =
        r#"{"nodes":[{"node_id":"x","agent_name":"echo"},{"node_id":"y","agent_name":"echo","dependencies":["x"]}]}"#;
    let mut scenario = Scenario::of(PLANNED).start("null");
    scenario.complete("first", "1").complete("plan", plan).complete("x", "2").complete("y", "3").complete("say", "4");
    let (run, _) = scenario.live.as_ref().unwrap();
    for (from, carried, runs) in [
        ("plan", &["first"][..], &["plan", "say"][..]),
        ("y", &["first", "plan", "x"], &["say", "y"]),
        ("say", &["first", "plan", "x", "y"], &["say"]),
    ] {
        let fork = fork(run, &graph(PLANNED), &node(from)).unwrap();
        assert_eq!(fork.carried.keys().map(NodeId::as_str).collect::<Vec<_>>(), carried, "from {from}");
        assert_eq!(fork.runs().map(NodeId::as_str).collect::<Vec<_>>(), runs, "from {from}");
    }
}

#[test]
fn what_was_not_done_cannot_be_taken_over_unless_it_is_new() {
    let yaml = "
name: chain
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: echo, dependencies: [a], on_failure: {route_to: f}}
  - {node_id: c, agent_name: echo, dependencies: [b]}
  - {node_id: f, agent_name: echo}
";
    let mut scenario = Scenario::of(yaml).start("null");
    scenario.complete("a", "1").fail("b").fail("f");
    let (run, _) = scenario.live.as_ref().unwrap();
    let refused = |from: &str| fork(run, &graph(yaml), &node(from)).unwrap_err();
    assert!(matches!(refused("c"), NoFork::NotDone { upstream, .. } if upstream == node("b")));
    assert_eq!(refused("f"), NoFork::StandsBy(node("f")));
    assert!(matches!(refused("d"), NoFork::UnknownNode { .. }));
    assert_eq!(fork(run, &graph(yaml), &node("b")).unwrap().carried.len(), 1);
    let newer = "
name: chain
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: new, agent_name: echo, dependencies: [a]}
  - {node_id: c, agent_name: echo, dependencies: [new]}
";
    let fork = fork(run, &graph(newer), &node("c")).unwrap();
    assert_eq!(fork.carried.keys().map(NodeId::as_str).collect::<Vec<_>>(), ["a"]);
    assert_eq!(fork.runs().map(NodeId::as_str).collect::<Vec<_>>(), ["new", "c"]);
}

#[test]
fn what_was_undone_is_not_taken_over() {
    let yaml = "
name: undone
nodes:
  - {node_id: a, agent_name: echo, undo: u}
  - {node_id: b, agent_name: echo, dependencies: [a], on_failure: compensate}
  - {node_id: u, agent_name: echo}
";
    let mut scenario = Scenario::of(yaml).start("null");
    scenario.complete("a", "1").fail("b").complete("u", "2");
    let (run, _) = scenario.live.as_ref().unwrap();
    assert_eq!(fork(run, &graph(yaml), &node("b")).unwrap_err(), NoFork::Undone(node("b")));
    assert!(fork(run, &graph(yaml), &node("a")).unwrap().carried.is_empty());
}
