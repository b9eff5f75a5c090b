//! How fast a projector alone follows a journal that is there already, and how much of it is its own CPU.

use super::rebuild::{self, Database, STUCK, WORKFLOWS};
use super::setup::{Installation, Roles, Services};
use super::support::meter;
use super::{PARTITIONS, clients, goal, say, wait};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

const EVENTS_PER_SECOND: f64 = 50_000.0;

pub fn measure(services: &Services) -> Result<()> {
    say(&format!("projector: {WORKFLOWS} workflows are run without one, then it follows alone"));
    let installation = Installation::make(services, "projector", PARTITIONS, &[("chain", rebuild::chain())])?;
    run_without(&installation)?;
    let database = Database::open(&installation)?;
    let began = Instant::now();
    let roles = Roles::start(&installation, &["projector"])?;
    let started = began.elapsed();
    let groups = roles.groups();
    let before = meter::read(&groups)?;
    let ended = "SELECT COUNT(*) FROM orchestrator_workflow_states WHERE ended_at IS NOT NULL";
    wait::until("all workflows are in the tables", STUCK, || {
        std::thread::sleep(Duration::from_millis(50));
        Ok((database.number(ended)? == WORKFLOWS as i64).then_some(()))
    })?;
    let took = began.elapsed();
    let after = meter::read(&groups)?;
    // The last event of each run is its number.
    let events = database.number("SELECT CAST(SUM(sequence) AS bigint) FROM orchestrator_workflow_states")? as f64;
    println!(
        "\n{events:.0} events of {WORKFLOWS} workflows in {:.2} s, of them {:.2} s until it was ready",
        took.as_secs_f64(),
        started.as_secs_f64()
    );
    for used in meter::between(&before, &after) {
        let cpu = used.cpu.as_secs_f64();
        println!("  {:12} {cpu:6.2} s of CPU, {:5.2} µs an event", used.name, cpu * 1e6 / events);
    }
    goal("projector-events-per-second", events / took.as_secs_f64(), EVENTS_PER_SECOND, true);
    Ok(())
}

/// Runs all workflows, until they are answered.
fn run_without(installation: &Installation) -> Result<()> {
    let _roles = Roles::start(installation, &["engine", "worker"])?;
    let brokers = installation.services.brokers();
    let consumer = clients::consumer(brokers, &[&installation.topic("responses")], PARTITIONS)?;
    rebuild::ask(installation)?;
    let (mut answers, began) = (0, Instant::now());
    while answers < WORKFLOWS {
        anyhow::ensure!(began.elapsed() < STUCK, "{answers} of {WORKFLOWS} were answered within {STUCK:?}");
        answers += usize::from(clients::next(&consumer, Duration::from_millis(100)).context("responses")?.is_some());
    }
    Ok(())
}
