//! Plans, and the graph they join.

use super::golden;
use orchestrator::core::definition::Definition;
use orchestrator::core::definition::graph::Graph;
use orchestrator::core::definition::plan;
use orchestrator::core::failure::FailureClass;
use orchestrator::core::id::NodeId;
use orchestrator::core::json::Json;

const SHOP: &str = "
name: shop
nodes:
  - {node_id: intake, agent_name: echo}
  - {node_id: digest, agent_name: echo, role: synthesizer, dependencies: [intake]}
  - {node_id: plan, agent_name: echo, role: planner, dependencies: [digest]}
  - {node_id: stock, agent_name: echo, dependencies: [intake]}
  - {node_id: combine, agent_name: echo, role: synthesizer, dependencies: [stock]}
  - {node_id: answer, agent_name: echo, role: responder, dependencies: [combine]}
  - {node_id: letter, agent_name: echo, role: responder}
";

fn graph() -> Graph {
    Graph::compile(&Definition::read(SHOP).unwrap())
}

fn id(text: &str) -> NodeId {
    NodeId::new(text).unwrap()
}

fn names(graph: &Graph, indices: &[usize]) -> Vec<String> {
    indices.iter().map(|i| graph.nodes[*i].node.node_id.to_string()).collect()
}

fn waits(graph: &Graph, node: &str) -> Vec<String> {
    names(graph, &graph.nodes[graph.index[&id(node)]].dependencies)
}

#[test]
fn who_closes_waits_for_the_planner_unless_the_planner_waits_for_it() {
    let graph = graph();
    assert_eq!(waits(&graph, "digest"), ["intake"]);
    assert_eq!(waits(&graph, "combine"), ["stock", "plan"]);
    assert_eq!(waits(&graph, "answer"), ["combine"], "which waits for the planner");
    assert_eq!(waits(&graph, "letter"), ["plan"]);
    assert_eq!(names(&graph, &graph.sinks()), ["answer", "letter"]);
    for (i, node) in graph.nodes.iter().enumerate() {
        assert!(node.dependencies.iter().all(|to| graph.nodes[*to].dependents.contains(&i)));
        assert!(node.dependents.iter().all(|by| graph.nodes[*by].dependencies.contains(&i)));
    }
}

#[test]
fn two_planners_never_wait_for_each_other() {
    let text = "
name: two
nodes:
  - {node_id: s1, agent_name: echo, role: synthesizer}
  - {node_id: p1, agent_name: echo, role: planner, dependencies: [s1]}
  - {node_id: s2, agent_name: echo, role: synthesizer}
  - {node_id: p2, agent_name: echo, role: planner, dependencies: [s2]}
  - {node_id: end, agent_name: echo, role: responder}
";
    let graph = Graph::compile(&Definition::read(text).unwrap());
    assert_eq!(waits(&graph, "s1"), [""; 0]);
    assert_eq!(waits(&graph, "s2"), [""; 0]);
    assert_eq!(waits(&graph, "end"), ["p1", "p2"]);
    let plan = |graph: &Graph, planner: &str, node: &str| {
        let text = format!("{{\"nodes\": [{{\"node_id\": \"{node}\", \"agent_name\": \"echo\"}}]}}");
        graph.with_plan(&id(planner), &plan::read(&Json::parse(&text).unwrap(), graph, &id(planner), 5).unwrap())
    };
    let both = plan(&plan(&graph, "p1", "x1"), "p2", "x2");
    assert_eq!(waits(&both, "end"), ["p1", "p2", "x1", "x2"]);
    let end = &both.nodes[both.index[&id("end")]];
    assert_eq!(end.input.upstream().iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["x1", "x2"]);
    assert_eq!(waits(&both, "s2"), [""; 0]);
}

#[test]
fn a_plan_joins_the_graph() {
    let graph = graph();
    let plan = Json::parse(
        r#"{"nodes": [
            {"node_id": "a", "agent_name": "echo"},
            {"node_id": "b", "agent_name": "echo", "dependencies": ["a", "intake"], "input": {"x": "outputs.digest", "y": "outputs.plan", "z": "outputs.a"}},
            {"node_id": "c", "agent_name": "echo", "dependencies": ["plan"]}
        ]}"#,
    )
    .unwrap();
    let planned = plan::read(&plan, &graph, &id("plan"), 3).unwrap();
    let joined = graph.with_plan(&id("plan"), &planned);
    assert_eq!(joined.nodes.len(), graph.nodes.len() + 3);
    assert_eq!(joined.static_nodes, graph.nodes.len());
    assert_eq!(waits(&joined, "a"), ["plan"]);
    assert_eq!(waits(&joined, "b"), ["a", "intake", "plan"]);
    assert_eq!(waits(&joined, "c"), ["plan"]);
    assert_eq!(waits(&joined, "digest"), ["intake"]);
    assert_eq!(waits(&joined, "combine"), ["stock", "plan", "b", "c"]);
    assert_eq!(waits(&joined, "answer"), ["combine", "b", "c"]);
    let reads = |node: &str| -> Vec<String> {
        joined.nodes[joined.index[&id(node)]].input.upstream().into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(reads("combine"), ["b", "c", "stock"]);
    assert_eq!(reads("answer"), ["combine"], "what goes into the synthesizer is not handed on a second time");
    assert_eq!(reads("letter"), ["b", "c"]);
    assert_eq!(reads("a"), [""; 0], "a planned node without dependencies gets the request");
    for (i, node) in joined.nodes.iter().enumerate() {
        assert!(node.dependencies.iter().all(|to| joined.nodes[*to].dependents.contains(&i)));
    }
    assert_eq!(names(&joined, &joined.sinks()), ["answer", "letter"]);
    assert_eq!(waits(&graph, "combine"), ["stock", "plan"], "the graph without the plan is as it was");
}

#[test]
fn an_empty_plan_adds_nothing() {
    let graph = graph();
    let planned = plan::read(&Json::parse(r#"{"nodes": []}"#).unwrap(), &graph, &id("plan"), 0).unwrap();
    let joined = graph.with_plan(&id("plan"), &planned);
    assert_eq!(waits(&joined, "combine"), ["stock", "plan"]);
}

#[test]
fn a_plan_for_too_many_calls_is_refused() {
    let nodes: Vec<String> = (0..6).map(|i| format!("{{\"node_id\": \"n{i}\", \"agent_name\": \"echo\"}}")).collect();
    let plan = Json::parse(&format!("{{\"nodes\": [{}]}}", nodes.join(","))).unwrap();
    let failure = plan::read(&plan, &graph(), &id("plan"), 5).unwrap_err();
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Contract, "plan_too_large"));
    assert!(failure.message.contains("asks for 6 agent calls, and at most 5"), "{}", failure.message);
    assert!(plan::read(&plan, &graph(), &id("plan"), 6).is_ok());
}

#[test]
fn every_fault_of_a_plan_is_named() {
    let table = [
        "3",
        "[]",
        "{}",
        r#"{"nodes": {}}"#,
        r#"{"nodes": [], "note": "done"}"#,
        r#"{"nodes": [3, {"node_id": "a"}]}"#,
        r#"{"nodes": [{"node_id": "stock", "agent_name": "echo"}, {"node_id": "a", "agent_name": "echo"}, {"node_id": "a", "agent_name": "echo"}]}"#,
        r#"{"nodes": [{"node_id": "a", "agent_name": "echo", "dependencies": ["stock", "intake", "plan", "itake"]}]}"#,
        r#"{"nodes": [{"node_id": "a", "agent_name": "echo", "input": ["outputs.stock", "outputs.intake", "outputs.nobody"]}]}"#,
        r#"{"nodes": [{"node_id": "a", "agent_name": "echo", "dependencies": ["b"]}, {"node_id": "b", "agent_name": "echo", "dependencies": ["a"]}]}"#,
        r#"{"nodes": [{"node_id": "a", "agent_name": "echo", "role": "planner"}]}"#,
        r#"{"nodes": [{"node_id": "a", "agent_name": "echo", "retries": 3, "timeout": "never"}]}"#,
        r#"{"nodes": [{"node_id": "a", "agent_name": "echo", "output_contract": {"$ref": "https://example.com/x"}}]}"#,
    ];
    let mut golden = String::new();
    for text in table {
        let failure = plan::read(&Json::parse(text).unwrap(), &graph(), &id("plan"), 5).unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Contract, "plan_invalid"));
        golden.push_str(&format!("## `{text}`\n{}\n", failure.message));
        for fault in failure.details.unwrap().value()["faults"].as_array().unwrap() {
            golden.push_str(&format!("- {}: {}\n", fault["pointer"], fault["message"]));
        }
        golden.push('\n');
    }
    golden::check("plans.md", &golden);
}
