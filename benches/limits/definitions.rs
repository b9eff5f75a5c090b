//! A thousand definitions: the start of an engine, and a workflow, beside what one definition takes.

use super::client::Client;
use super::setup::{Installation, Roles, Services};
use super::table::Table;
use super::{Sizes, say};
use anyhow::Result;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

pub fn measure(services: &Services, sizes: Sizes, table: &mut Table) -> Result<()> {
    let Sizes { definitions, workflows, .. } = sizes;
    say(&format!("definitions: {definitions} of them"));
    let installation = Installation::make(services, "definitions", 1, &[("d0", definition(0))])?;
    let (started, took) = run(&installation, 1, workflows)?;
    let (one_start, one_run) = (started, took);
    apply_all(&installation, definitions)?;
    let (started, took) = run(&installation, definitions, workflows)?;
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let measured = format!("{} (with one definition: {})", seconds(started), seconds(one_start));
    table.figure(format!("start of an engine with {definitions} definitions"), measured);
    let ms = |time: Duration| format!("p50 {:.1} ms", time.as_secs_f64() * 1_000.0);
    let measured = format!("{} (with one definition: {})", ms(took), ms(one_run));
    table.figure(format!("workflows of {definitions} definitions in turns, one at a time"), measured);
    Ok(())
}

/// Starts the roles; how long that took, and the median time of a workflow.
fn run(installation: &Installation, definitions: usize, workflows: usize) -> Result<(Duration, Duration)> {
    let began = Instant::now();
    let engine = Roles::start(installation, &["engine"])?;
    let started = began.elapsed();
    let others = Roles::start(installation, &["projector", "worker"])?;
    let client = Client::open(installation)?;
    let mut took = Vec::new();
    for number in 0..workflows {
        let request = format!(r#"{{"definition":"d{}","input":{{"n":{number}}}}}"#, number * 7 % definitions);
        took.push(client.run(&format!("of-{definitions}-{number}"), &request)?);
    }
    took.sort();
    drop((engine, others));
    Ok((started, took[workflows / 2]))
}

fn apply_all(installation: &Installation, definitions: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut arguments = vec!["definitions".to_owned(), "apply".to_owned()];
    for number in 1..definitions {
        let path = folder.path().join(format!("d{number}.json"));
        fs::write(&path, definition(number).to_string())?;
        arguments.push(path.display().to_string());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    installation.run(&arguments)?;
    Ok(())
}

/// Three nodes in a row.
fn definition(number: usize) -> Value {
    let nodes = [("a", vec![]), ("b", vec!["a"]), ("c", vec!["b"])].map(
        |(id, dependencies)| json!({ "node_id": id, "agent_name": "echo", "dependencies": dependencies, "input": "request" }),
    );
    json!({ "name": format!("d{number}"), "nodes": nodes })
}
