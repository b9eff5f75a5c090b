//! Many workflows that wait for their first node, which no worker takes: how long an engine takes to own them again
//! after another was killed, and how much memory each has.

use super::client::{Client, STUCK};
use super::setup::{Installation, Roles, Services};
use super::table::Table;
use super::{Sizes, meter, say, wait};
use anyhow::{Context, Result};
use serde_json::json;
use std::time::{Duration, Instant};

const RECOVERY_SECONDS: f64 = 5.0;
const PAYLOAD_BYTES: usize = 200;
/// Of an engine in its group, the default.
const SESSION: Duration = Duration::from_secs(10);

pub fn measure(services: &Services, sizes: Sizes, table: &mut Table) -> Result<()> {
    let runs = sizes.unfinished;
    say(&format!("unfinished: {runs} workflows that wait, in one partition"));
    let nodes = [json!({ "node_id": "wait", "agent_name": "nobody", "input": "request" })];
    let definition = json!({ "name": "waits", "nodes": nodes });
    let mut installation = Installation::make(services, "unfinished", 1, &[("waits", definition)])?;
    installation.settings.push(("ORCHESTRATOR_MAX_UNFINISHED", (2 * runs).to_string()));
    let projector = Roles::start(&installation, &["projector"])?;
    let engine = Roles::start(&installation, &["engine"])?;
    let pid = engine.pid("engine").context("the engine has no process")?;
    let (before, _) = meter::resident(pid)?;
    let client = Client::open(&installation)?;
    let text = "x".repeat(PAYLOAD_BYTES - r#"{"text":""}"#.len());
    let request = format!(r#"{{"definition":"waits","input":{{"text":"{text}"}}}}"#);
    for number in 0..runs {
        client.publish(format!("waiting-{number}").as_bytes(), &request)?;
    }
    client.confirm()?;
    let has_all = |engine: &Roles| Ok((engine.unfinished_runs()? >= runs as u64).then_some(()));
    wait::until("all workflows have begun", STUCK, || has_all(&engine))?;
    caught_up(&installation)?;
    let (resident, peak) = meter::resident(pid)?;
    let each = resident.saturating_sub(before) as f64 / runs as f64;
    let mb = |bytes: u64| bytes / 1_000_000;
    let measured =
        format!("{each:.0} B each; {} MB resident, {} MB at most, {} MB before", mb(resident), mb(peak), mb(before));
    table.figure(format!("memory of {runs} unfinished workflows in one partition"), measured);

    engine.kill()?;
    // What is measured is the recovery, not how long Kafka waits for a member that is gone.
    std::thread::sleep(SESSION + Duration::from_secs(1));
    let began = Instant::now();
    let engine = Roles::start(&installation, &["engine"])?;
    wait::until("all workflows are there again", STUCK, || has_all(&engine))?;
    let took = began.elapsed().as_secs_f64();
    let measured = format!("{took:.1} s from the start of the process until it owns them");
    table.at_most(format!("recovery of {runs} unfinished workflows, with the store"), measured, took, RECOVERY_SECONDS);
    drop((engine, projector));
    Ok(())
}

/// Waits until the store has everything.
fn caught_up(installation: &Installation) -> Result<()> {
    let store = orchestrator::store::open(&installation.store_url)?;
    let mut last = (0, Instant::now());
    wait::until("the projector catches up", STUCK, || {
        let next = store.position(0)?.map_or(0, |position| position.next_offset);
        if next != last.0 {
            last = (next, Instant::now());
        }
        Ok((last.1.elapsed() > Duration::from_secs(3)).then_some(()))
    })?;
    Ok(())
}
