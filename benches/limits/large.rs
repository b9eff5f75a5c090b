//! One workflow of 10,000 nodes: one after another, and all at once.

use super::client::{Client, completions};
use super::setup::{Installation, Roles, Services};
use super::table::Table;
use super::{clients, say};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// The most that a definition may have.
const NODES: usize = 10_000;
/// So many nodes are the start and the end.
const PART: usize = 1_000;
const RATIO: f64 = 1.2;
/// How often each is run; the one in the middle counts.
const ROUNDS: usize = 3;

pub fn measure(services: &Services, table: &mut Table) -> Result<()> {
    say(&format!("large: a chain and a fan of {NODES} nodes"));
    let definitions = [("chain", chain()), ("fan", fan())];
    let installation = Installation::make(services, "large", 1, &definitions)?;
    let _roles = Roles::start(&installation, &["engine", "projector", "worker"])?;
    let client = Client::open(&installation)?;
    let events = clients::consumer(services.brokers(), &[&installation.topic("events")], 1)?;
    for (name, _) in definitions {
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let request = format!(r#"{{"definition":"{name}","input":{{"round":{round}}}}}"#);
            client.run(&format!("{name}-{round}"), &request)?;
            let times = completions(&events)?;
            ensure!(times.len() == NODES, "expected {NODES} completed nodes, found {}", times.len());
            let per_node = |part: &[i64]| (part[part.len() - 1] - part[0]) as f64 / (part.len() - 1) as f64 / 1_000.0;
            rounds.push((per_node(&times[..PART]), per_node(&times[NODES - PART..])));
        }
        rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (first, last) = rounds[ROUNDS / 2];
        let measured = format!("{:.2}: {last:.3} ms a node at the end, {first:.3} ms at the start", last / first);
        let limit = format!("{name} of {NODES} nodes: the last {PART} to the first");
        table.at_most(limit, measured, last / first, RATIO);
    }
    Ok(())
}

fn chain() -> Value {
    let node = |i: usize| {
        let dependencies: Vec<String> = i.checked_sub(1).map(|before| format!("n{before}")).into_iter().collect();
        json!({ "node_id": format!("n{i}"), "agent_name": "echo", "dependencies": dependencies, "input": "request" })
    };
    json!({ "name": "chain", "nodes": (0..NODES).map(node).collect::<Vec<_>>() })
}

/// All but one in parallel, and one that waits for all of them.
fn fan() -> Value {
    let ids: Vec<String> = (1..NODES).map(|i| format!("n{i}")).collect();
    let node = |id: &String| json!({ "node_id": id, "agent_name": "echo", "input": "request" });
    let mut nodes: Vec<Value> = ids.iter().map(node).collect();
    nodes.push(json!({ "node_id": "join", "agent_name": "echo", "dependencies": ids, "input": "request" }));
    json!({ "name": "fan", "nodes": nodes })
}
