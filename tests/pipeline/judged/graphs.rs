//! Random graphs, and what is upstream of a node in one: told from the document alone.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How long an attempt may take. One of which nothing is heard again takes it, and no other.
pub const TIMEOUT: &str = "300ms";

/// The `number`-th definition, as its author would write it. Who executes its nodes: [`super::agents::AGENTS`].
pub fn random(dice: &mut StdRng, number: usize) -> Value {
    let plain = dice.random_range(2..7);
    let mut nodes: Vec<Value> = (0..plain).map(|i| node(dice, &format!("n{i}"), "clerk", i)).collect();
    if dice.random_bool(0.25) {
        let mut planner = node(dice, "plan", "planner", plain);
        planner["role"] = json!("planner");
        nodes.push(planner);
    }
    for (role, odds) in [("synthesizer", 0.5), ("responder", 0.3)] {
        if dice.random_bool(odds) {
            let mut closer = node(dice, role, "bank", plain);
            closer["role"] = json!(role);
            nodes.push(closer);
        }
    }
    let stand_bys: Vec<Value> = nodes.iter_mut().take(plain).filter_map(|node| handled(dice, node)).collect();
    nodes.extend(stand_bys);
    nodes.iter_mut().for_each(|node| node["retry"] = again());
    json!({ "name": format!("graph-{number}"), "nodes": nodes })
}

/// Twice, and soon.
pub fn again() -> Value {
    json!({ "max_retries": 2, "base_delay": "20ms", "jitter": "none" })
}

/// A node that waits for some of the first plain ones.
fn node(dice: &mut StdRng, node_id: &str, agent_name: &str, earlier: usize) -> Value {
    let waits_for: Vec<String> = (0..earlier).filter(|_| dice.random_bool(0.4)).map(|i| format!("n{i}")).collect();
    json!({ "node_id": node_id, "agent_name": agent_name, "dependencies": waits_for, "timeout": TIMEOUT,
        "heartbeat": dice.random_bool(0.3) })
}

/// Says of some nodes what becomes of the run once they have failed; the node that stands by for it.
fn handled(dice: &mut StdRng, node: &mut Value) -> Option<Value> {
    match dice.random_range(0..10) {
        0 => node["on_failure"] = json!("skip"),
        1 => node["on_failure"] = json!({ "continue_with": { "answer": "none" } }),
        2 => {
            let stand_by = format!("{}-instead", node["node_id"].as_str()?);
            node["on_failure"] = json!({ "route_to": stand_by });
            return Some(json!({ "node_id": stand_by, "agent_name": "bank", "timeout": TIMEOUT }));
        }
        3 => {
            let undone = format!("{}-undone", node["node_id"].as_str()?);
            node["undo"] = json!(undone);
            return Some(json!({ "node_id": undone, "agent_name": "bank", "timeout": TIMEOUT }));
        }
        4 => node["on_failure"] = json!("compensate"),
        _ => {}
    }
    None
}

/// The nodes of a definition that are called upon by no other one.
pub fn own_nodes(definition: &Value) -> Vec<&str> {
    let nodes = definition["nodes"].as_array().unwrap().iter().filter_map(|node| node["node_id"].as_str());
    nodes.filter(|id| !id.contains('-')).collect()
}

/// Whether a run of it may make nodes of its own.
pub fn has_planner(definition: &Value) -> bool {
    own_nodes(definition).contains(&"plan")
}

/// Everything that a node waits for, by way of whatever: what a fork from it has to take over. Of a definition without
/// planner, in which nobody waits for more than he names.
pub fn upstream(definition: &Value, node_id: &str) -> BTreeSet<String> {
    let nodes = definition["nodes"].as_array().unwrap();
    let (mut found, mut open) = (BTreeSet::new(), vec![node_id.to_owned()]);
    while let Some(next) = open.pop() {
        let node = nodes.iter().find(|node| node["node_id"] == *next).unwrap();
        for dependency in node["dependencies"].as_array().unwrap().iter().filter_map(Value::as_str) {
            if found.insert(dependency.to_owned()) {
                open.push(dependency.to_owned());
            }
        }
    }
    found
}
