//! 100,000 retries that are due in the same second, and fresh workflows beside them: how long those take before, and
//! while the storm is worked off.

use super::hand::{Hand, completes, fails};
use super::setup::{Installation, Roles, Services};
use super::times::Times;
use super::{PARTITIONS, clients, goal, say, wait};
use anyhow::{Result, bail};
use rdkafka::Message;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RETRIES: usize = 100_000;
/// How long after the first one was published they are all due: as long as it takes to fail them all once.
const DUE_AFTER: Duration = Duration::from_secs(75);
/// How long fresh workflows are measured before.
const CALM: Duration = Duration::from_secs(5);
/// The longest that a fresh workflow may take in the storm, in milliseconds.
const LONGEST_MS: f64 = 1_000.0;
const STUCK: Duration = Duration::from_secs(60);

pub fn measure(services: &Services) -> Result<()> {
    say("retry storm: 100,000 retries that are due in the same second");
    let node = |agent: &str| json!({ "node_id": "work", "agent_name": agent });
    let stormy = json!({ "name": "stormy", "nodes": [node("storm")] });
    let fresh = json!({ "name": "fresh", "nodes": [node("probe")] });
    let mut installation = Installation::make(services, "storm", PARTITIONS, &[("stormy", stormy), ("fresh", fresh)])?;
    installation.settings = vec![
        ("ORCHESTRATOR_MAX_UNFINISHED", (2 * RETRIES).to_string()),
        // All attempts of the agent fail once: that is the storm, and no reason to hold it back.
        ("ORCHESTRATOR_BREAKER_FAILURE_PERCENT", "0".to_owned()),
    ];
    let _roles = Roles::start(&installation, &["engine", "projector"])?;
    let calm = probe_for(&installation, CALM)?;
    let (over, due) = (AtomicBool::new(false), Instant::now() + DUE_AFTER);
    let storm = std::thread::scope(|scope| {
        let probes = scope.spawn(|| {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            probe(&installation, |_| !over.load(Ordering::Relaxed))
        });
        let storm = blow(&installation, due);
        over.store(true, Ordering::Relaxed);
        let probes = probes.join().map_err(|_| anyhow::anyhow!("the probes have ended"))?;
        Ok::<_, anyhow::Error>((storm?, probes?))
    });
    let (drained, in_storm) = storm?;
    println!("\n{RETRIES} retries due in the same second, {PARTITIONS} partitions\n");
    println!(
        "worked off within {:.1} s ({:.0} a second)",
        drained.as_secs_f64(),
        RETRIES as f64 / drained.as_secs_f64()
    );
    println!("\nfresh workflows    count   p50 ms   p99 ms   max ms");
    for (name, times) in [("before", &calm), ("in the storm", &in_storm)] {
        let max = times.micros.max() as f64 / 1_000.0;
        println!("{name:16} {:7} {:8.2} {:8.2} {max:8.2}", times.count(), times.p50_ms(), times.p99_ms());
    }
    goal("retry-storm-fresh-max-ms", in_storm.micros.max() as f64 / 1_000.0, LONGEST_MS, false);
    Ok(())
}

/// Fails every workflow once, so that all are due at the same moment; how long it takes from then until all have ended.
fn blow(installation: &Installation, due: Instant) -> Result<Duration> {
    let hand = Hand::open(installation, "storm")?;
    let responses =
        clients::consumer(installation.services.brokers(), &[&installation.topic("responses")], PARTITIONS)?;
    let (mut sent, mut failed, mut ended, mut moved) = (0, 0, 0, Instant::now());
    while ended < RETRIES {
        let before = (sent, failed, ended);
        // Not more at once than the engine takes: what waits in the log would be failed too late.
        while sent < RETRIES.min(failed + 2_000) {
            hand.request(&format!("storm-{sent}"), "stormy")?;
            sent += 1;
        }
        hand.work(Duration::from_millis(1), |task| {
            if task.dispatch_id.attempt > 1 {
                return Ok(completes());
            }
            failed += 1;
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the {failed}th attempt failed after all were to be due: DUE_AFTER is too short here");
            }
            Ok(fails(Some(left)))
        })?;
        while let Some(record) = clients::next(&responses, Duration::ZERO)? {
            let is_stormy = record.key().is_some_and(|key| key.starts_with(b"storm-"));
            ended += usize::from(is_stormy);
        }
        if before != (sent, failed, ended) || Instant::now() < due {
            moved = Instant::now();
        } else if moved.elapsed() > STUCK {
            bail!("{ended} of {RETRIES} workflows have ended, and nothing moves any more");
        }
    }
    Ok(due.elapsed())
}

fn probe_for(installation: &Installation, time: Duration) -> Result<Times> {
    probe(installation, |began| began.elapsed() < time)
}

/// One fresh workflow after another, each in the next partition or so: how long each takes.
fn probe(installation: &Installation, go_on: impl Fn(Instant) -> bool) -> Result<Times> {
    let hand = Hand::open(installation, "probe")?;
    let responses =
        clients::consumer(installation.services.brokers(), &[&installation.topic("responses")], PARTITIONS)?;
    let run = std::process::id();
    let (mut times, began) = (Times::default(), Instant::now());
    while go_on(began) {
        let id = format!("fresh-{run}-{:?}-{}", std::thread::current().id(), times.count());
        hand.request(&id, "fresh")?;
        let answer = || {
            hand.work(Duration::from_millis(1), |_| Ok(completes()))?;
            while let Some(record) = clients::next(&responses, Duration::ZERO)? {
                if record.key() == Some(id.as_bytes()) {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        };
        times.add(wait::asked("a fresh workflow ends", STUCK, answer)?.1);
    }
    times.window = began.elapsed();
    Ok(times)
}
