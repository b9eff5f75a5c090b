//! Payloads of every size: each of three nodes gets the request and returns it.

use super::client::Client;
use super::setup::{Installation, Roles, Services};
use super::table::Table;
use super::{Sizes, say};
use anyhow::Result;
use serde_json::json;

const SIZES: [(&str, usize); 5] =
    [("100 B", 100), ("1 KB", 1_000), ("10 KB", 10_000), ("100 KB", 100_000), ("1 MB", 1_000_000)];
const WARM_UP: usize = 10;
const NODES: usize = 3;

pub fn measure(services: &Services, sizes: Sizes, table: &mut Table) -> Result<()> {
    say("payloads: from 100 bytes to 1 MB");
    let nodes = [("a", vec![]), ("b", vec!["a"]), ("c", vec!["b"])].map(
        |(id, dependencies)| json!({ "node_id": id, "agent_name": "echo", "dependencies": dependencies, "input": "request" }),
    );
    let definition = json!({ "name": "three", "nodes": nodes });
    let installation = Installation::make(services, "payloads", 1, &[("three", definition)])?;
    let _roles = Roles::start(&installation, &["engine", "projector", "worker"])?;
    let client = Client::open(&installation)?;
    // Large ones take long.
    let workflows = sizes.workflows / 6;
    for (name, bytes) in SIZES {
        let text = "x".repeat(bytes - r#"{"text":""}"#.len());
        let request = format!(r#"{{"definition":"three","input":{{"text":"{text}"}}}}"#);
        let mut took = Vec::new();
        for number in 0..WARM_UP + workflows {
            took.push(client.run(&format!("{bytes}-{number}"), &request)?);
        }
        took.drain(..WARM_UP);
        took.sort();
        let ms = |share: f64| took[((share * workflows as f64) as usize).min(workflows - 1)].as_secs_f64() * 1_000.0;
        let measured = format!("p50 {:.1} ms, p99 {:.1} ms", ms(0.5), ms(0.99));
        table.figure(format!("{NODES} nodes in a row, payloads of {name}, one workflow at a time"), measured);
    }
    Ok(())
}
