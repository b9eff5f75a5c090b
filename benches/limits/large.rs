//! One workflow of 10,000 nodes: one after another, and all at once.

use super::client::{Client, completions};
use super::setup::{Installation, Roles, Services};
use super::table::Table;
use super::{Sizes, clients, say};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const RATIO: f64 = 1.2;

pub fn measure(services: &Services, sizes: Sizes, table: &mut Table) -> Result<()> {
    let Sizes { nodes, part, rounds: count, .. } = sizes;
    say(&format!("large: a chain and a fan of {nodes} nodes"));
    let definitions = [("chain", chain(nodes)), ("fan", fan(nodes))];
    let installation = Installation::make(services, "large", 1, &definitions)?;
    let _roles = Roles::start(&installation, &["engine", "projector", "worker"])?;
    let client = Client::open(&installation)?;
    let events = clients::consumer(services.brokers(), &[&installation.topic("events")], 1)?;
    for (name, _) in definitions {
        let mut rounds = Vec::new();
        for round in 0..count {
            let request = format!(r#"{{"definition":"{name}","input":{{"round":{round}}}}}"#);
            client.run(&format!("{name}-{round}"), &request)?;
            let times = completions(&events)?;
            ensure!(times.len() == nodes, "expected {nodes} completed nodes, found {}", times.len());
            // What joins a fan is a hop of its own.
            let times = if name == "fan" { &times[..nodes - 1] } else { &times[..] };
            let parts = parts(times, part);
            rounds.push(parts.context("expected that nodes are completed in several steps, found one")?);
        }
        rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (first, last) = rounds[count / 2];
        let measured = format!("{:.2}: {last:.3} ms a node at the end, {first:.3} ms at the start", last / first);
        let limit = format!("{name} of {nodes} nodes: the last {part} to the first");
        table.at_most(limit, measured, last / first, RATIO);
    }
    Ok(())
}

/// Milliseconds a node, of so many at the start and of so many at the end. All that one step completes has one time, so
/// both go from a step to a step.
fn parts(times: &[i64], part: usize) -> Option<(f64, f64)> {
    let (start, end) = (*times.first()?, *times.last()?);
    let until = |time: i64| times.partition_point(|other| *other <= time);
    // What the first step completes has taken its time before it.
    let of_start = *times.get((until(start) + part).min(times.len()) - 1)?;
    let last = *times.get(times.len().checked_sub(part)?)?;
    let of_end = times[times.partition_point(|other| *other < last).checked_sub(1)?];
    let per_node = |from: i64, to: i64| {
        let nodes = until(to) - until(from);
        (nodes > 0).then(|| (to - from) as f64 / nodes as f64 / 1_000.0)
    };
    Some((per_node(start, of_start)?, per_node(of_end, end)?))
}

fn chain(nodes: usize) -> Value {
    let node = |i: usize| {
        let dependencies: Vec<String> = i.checked_sub(1).map(|before| format!("n{before}")).into_iter().collect();
        json!({ "node_id": format!("n{i}"), "agent_name": "echo", "dependencies": dependencies, "input": "request" })
    };
    json!({ "name": "chain", "nodes": (0..nodes).map(node).collect::<Vec<_>>() })
}

/// All but one in parallel, and one that waits for all of them.
fn fan(nodes: usize) -> Value {
    let ids: Vec<String> = (1..nodes).map(|i| format!("n{i}")).collect();
    let node = |id: &String| json!({ "node_id": id, "agent_name": "echo", "input": "request" });
    let mut all: Vec<Value> = ids.iter().map(node).collect();
    all.push(json!({ "node_id": "join", "agent_name": "echo", "dependencies": ids, "input": "request" }));
    json!({ "name": "fan", "nodes": all })
}
