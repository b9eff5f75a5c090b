//! The memory of an engine with many unfinished runs: chains of ten nodes, whose first one no worker takes.

use super::figures::Memory;
use super::setup::{Installation, Roles, Services};
use super::{clients, definitions, load, meter, wait};
use anyhow::{Context, Result};
use rdkafka::producer::{BaseRecord, Producer};
use std::time::Duration;

/// How many runs.
const RUNS: usize = 10_000;
/// How long the engine may take to start them.
const WITHIN: Duration = Duration::from_secs(60);
/// The default number of partitions.
const PARTITIONS: u32 = 4;

/// Starts an engine alone and gives it work that it can't end.
pub fn measure(services: &Services) -> Result<Memory> {
    let installation = Installation::make(services, "memory", PARTITIONS, &definitions::all())?;
    let roles = Roles::start(&installation, &["engine"])?;
    let pid = roles.pid("engine").context("the engine has no process")?;
    let (before_bytes, _) = meter::resident(pid)?;
    let producer = clients::producer(services.brokers())?;
    let (requests, value) = (installation.topic("requests"), load::request("chain"));
    for i in 0..RUNS {
        let key = format!("waiting-{i}");
        producer.send(BaseRecord::to(&requests).key(&key).payload(&value)).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
    }
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
    }
    let all_started = || Ok((roles.unfinished_runs()? >= RUNS as u64).then_some(()));
    wait::until("10,000 unfinished runs", WITHIN, all_started)?;
    // Effects that are under way are confirmed.
    std::thread::sleep(Duration::from_secs(2));
    let (resident_bytes, peak_bytes) = meter::resident(pid)?;
    Ok(Memory { runs: RUNS, resident_bytes, peak_bytes, before_bytes })
}
