//! Random definitions: graphs of every shape, with and without planners and roles.

use crate::core::definition::Definition;
use crate::core::definition::validate::validate;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// The agents of the simulation. The planner answers with plans, the others with values.
pub const AGENTS: [&str; 3] = ["adder", "writer", "planner"];

/// How long an attempt may take: short, so that deadlines pass within a run.
const TIMEOUT_SECONDS: f64 = 3.0;

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
    let document = json!({ "name": format!("graph-{number}"), "nodes": nodes });
    validate(document).expect("the simulation makes definitions that are sound")
}

fn plain_node(rng: &mut StdRng, i: usize) -> Value {
    let mut node = json!({ "node_id": format!("n{i}"), "agent_name": "adder", "dependencies": some_of(rng, i) });
    if rng.random_bool(0.5) {
        node["timeout"] = json!(TIMEOUT_SECONDS);
    }
    node
}

/// Some of the first `count` plain nodes.
fn some_of(rng: &mut StdRng, count: usize) -> Vec<String> {
    (0..count).filter(|_| rng.random_bool(0.4)).map(|i| format!("n{i}")).collect()
}
