//! The two graphs. Every node gets the request and returns it.

use serde_json::{Value, json};

/// Nodes of `chain`, one after another.
pub const CHAIN_NODES: usize = 10;
/// Nodes of `fan`: so many in parallel less one, which joins them.
pub const FAN_NODES: usize = super::BURST + 1;

/// `chain` and `fan`, by name.
pub fn all() -> [(&'static str, Value); 2] {
    [("chain", chain()), ("fan", fan())]
}

fn chain() -> Value {
    let node = |i: usize| {
        let dependencies: Vec<String> = i.checked_sub(1).map(|before| format!("n{before}")).into_iter().collect();
        json!({ "node_id": format!("n{i}"), "agent_name": "echo", "dependencies": dependencies, "input": "request" })
    };
    json!({ "name": "chain", "nodes": (0..CHAIN_NODES).map(node).collect::<Vec<_>>() })
}

fn fan() -> Value {
    let ids: Vec<String> = (0..super::BURST).map(|i| format!("n{i}")).collect();
    let node = |id: &String| json!({ "node_id": id, "agent_name": "echo", "input": "request" });
    let mut nodes: Vec<Value> = ids.iter().map(node).collect();
    nodes.push(json!({ "node_id": "join", "agent_name": "echo", "dependencies": ids, "input": "request" }));
    json!({ "name": "fan", "nodes": nodes })
}
