//! Random definitions: graphs of every shape, with and without planners and roles.

use crate::core::definition::Definition;
use crate::core::definition::validate::validate;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// The agents of the simulation. The planner answers with plans, the others with values.
pub const AGENTS: [&str; 3] = ["adder", "writer", "planner"];

/// How long an attempt may take: short, so that deadlines pass within a run.
const TIMEOUT_SECONDS: f64 = 2.0;

/// A random definition, the `number`-th.
pub fn random(rng: &mut StdRng, number: usize) -> Definition {
    let size = rng.random_range(1..8);
    let mut nodes: Vec<Value> = (0..size).map(|i| plain_node(rng, i)).collect();
    if rng.random_bool(0.3) {
        nodes.push(json!({ "node_id": "plan", "agent_name": "planner", "role": "planner", "timeout": TIMEOUT_SECONDS,
            "dependencies": some_of(rng, size) }));
    }
    for (role, odds) in [("synthesizer", 0.4), ("responder", 0.4)] {
        if rng.random_bool(odds) {
            nodes.push(json!({ "node_id": role, "agent_name": "writer", "role": role,
                "dependencies": some_of(rng, size) }));
        }
    }
    let stand_bys: Vec<Value> = nodes.iter_mut().flat_map(|node| handle_failures(rng, node)).collect();
    nodes.extend(stand_bys);
    let mut document = json!({ "name": format!("graph-{number}"), "nodes": nodes });
    if rng.random_bool(0.1) {
        document["timeout"] = json!(TIMEOUT_SECONDS * 3.0);
    }
    validate(document).expect("the simulation makes definitions that are sound")
}

fn plain_node(rng: &mut StdRng, i: usize) -> Value {
    let mut node = json!({ "node_id": format!("n{i}"), "agent_name": "adder", "dependencies": some_of(rng, i) });
    if rng.random_bool(0.8) {
        node["timeout"] = json!(TIMEOUT_SECONDS);
        node["heartbeat"] = json!(rng.random_bool(0.5));
    }
    if rng.random_bool(0.4) {
        node["retry"] = json!({ "max_retries": rng.random_range(0..2), "base_delay": "300ms" });
    }
    if rng.random_bool(0.1) {
        node["total_timeout"] = json!(TIMEOUT_SECONDS * 2.0);
    }
    node
}

/// Says of some nodes what becomes of the run when they fail, and how they are undone; the nodes that stand by for them.
fn handle_failures(rng: &mut StdRng, node: &mut Value) -> Vec<Value> {
    let (mut stand_bys, id) = (Vec::new(), node["node_id"].as_str().unwrap_or_default().to_owned());
    match rng.random_range(0..10) {
        0 => node["on_failure"] = json!("skip"),
        1 if node["role"] == "planner" => node["on_failure"] = json!({ "continue_with": { "nodes": [] } }),
        1 => node["on_failure"] = json!({ "continue_with": { "answer": "none" } }),
        2 => {
            node["on_failure"] = json!({ "route_to": format!("{id}-failed") });
            let agent = if node["role"] == "planner" { &node["agent_name"] } else { &json!("writer") };
            let mut stand_by = json!({ "node_id": format!("{id}-failed"), "agent_name": agent });
            match rng.random_range(0..3) {
                0 => stand_by["on_failure"] = json!("skip"),
                1 => stand_by["on_failure"] = json!({ "continue_with": { "nodes": [] } }),
                _ => {}
            }
            stand_bys.push(stand_by);
        }
        3 => node["on_failure"] = json!("compensate"),
        _ => {}
    }
    if rng.random_bool(0.2) {
        node["undo"] = json!(format!("{id}-undone"));
        stand_bys.push(json!({ "node_id": format!("{id}-undone"), "agent_name": "writer" }));
    }
    stand_bys
}

/// Some of the first `count` plain nodes.
fn some_of(rng: &mut StdRng, count: usize) -> Vec<String> {
    (0..count).filter(|_| rng.random_bool(0.4)).map(|i| format!("n{i}")).collect()
}
