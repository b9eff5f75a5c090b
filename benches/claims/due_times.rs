//! How late attempts come whose delay is over: from when an attempt is due until its task is in the worker's hands, on
//! an installation that has little else to do.

use super::hand::{Hand, completes, fails};
use super::setup::{Installation, Roles, Services};
use super::times::Times;
use super::{PARTITIONS, clients, goal, say};
use anyhow::{Context, Result, bail};
use orchestrator::core::event::Event;
use orchestrator::core::time::Timestamp;
use orchestrator::wire::event::{Published, decode};
use rdkafka::Message;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

/// Below the smallest tier, at its edge, and in three of them.
const DELAYS_MS: [u64; 14] =
    [50, 100, 200, 500, 900, 1_000, 1_500, 2_000, 5_000, 10_000, 12_500, 30_000, 60_000, 90_000];
/// Retries of each delay.
const EACH: usize = 150;
/// How often a workflow is started.
const PACE: Duration = Duration::from_millis(15);
/// The bound of the 99th percentile, in milliseconds.
const LATE_MS: f64 = 50.0;

pub fn measure(services: &Services) -> Result<()> {
    say("due times: delays from 50 ms to 90 s");
    let definitions: Vec<(String, Value)> = DELAYS_MS.iter().map(|delay| (name(*delay), definition(*delay))).collect();
    let named: Vec<(&str, Value)> = definitions.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let installation = Installation::make(services, "due", PARTITIONS, &named)?;
    let _roles = Roles::start(&installation, &["engine", "projector"])?;
    let seen = run(&installation)?;
    println!("\nhow late attempts come whose delay is over, in ms, {EACH} of each\n");
    println!("delay ms      p50      p99      max");
    let mut worst: f64 = 0.0;
    for delay in DELAYS_MS {
        let late = seen.late(delay)?;
        worst = worst.max(late.p99_ms());
        let max = late.micros.max() as f64 / 1_000.0;
        println!("{delay:8} {:8.2} {:8.2} {max:8.2}", late.p50_ms(), late.p99_ms());
    }
    goal("due-times-worst-p99-ms", worst, LATE_MS, false);
    Ok(())
}

/// Of each workflow: when its second attempt was due, and when it was there.
#[derive(Default)]
struct Seen {
    due: HashMap<String, Timestamp>,
    came: HashMap<String, Timestamp>,
}

impl Seen {
    fn late(&self, delay: u64) -> Result<Times> {
        let mut times = Times::default();
        for number in 0..EACH {
            let id = workflow(delay, number);
            let (due, came) = (self.due[&id], self.came[&id]);
            if came < due {
                bail!("{id} came {:?} early", due.since(came));
            }
            times.add(came.since(due));
        }
        Ok(times)
    }
}

fn run(installation: &Installation) -> Result<Seen> {
    let hand = Hand::open(installation, "late")?;
    let events = clients::consumer(installation.services.brokers(), &[&installation.topic("events")], PARTITIONS)?;
    // A broker that has just started is slow: the first ones do not count.
    let mut waiting: Vec<(u64, usize)> = Vec::new();
    for number in (0..EACH).rev() {
        waiting.extend(DELAYS_MS.iter().map(|delay| (*delay, number)));
    }
    waiting.extend((0..EACH).map(|number| (DELAYS_MS[0], EACH + number)));
    let (mut seen, total, mut next) = (Seen::default(), waiting.len(), Instant::now());
    while seen.came.len() < total || seen.due.len() < total {
        if Instant::now() >= next
            && let Some((delay, number)) = waiting.pop()
        {
            hand.request(&workflow(delay, number), &name(delay))?;
            next = Instant::now() + PACE;
        }
        hand.work(Duration::from_millis(1), |task| {
            if task.dispatch_id.attempt == 1 {
                return Ok(fails(None));
            }
            seen.came.insert(task.workflow_id.to_string(), now()?);
            Ok(completes())
        })?;
        while let Some(record) = clients::next(&events, Duration::ZERO)? {
            if let Published::Run(recorded) = decode(record.payload().unwrap_or_default()).context("an event")?
                && let Event::NodeRetryScheduled(event) = &recorded.event
            {
                seen.due.insert(recorded.workflow_id.to_string(), event.due_at);
            }
        }
    }
    Ok(seen)
}

fn now() -> Result<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Timestamp(i64::try_from(since.as_micros())?))
}

fn name(delay: u64) -> String {
    format!("after-{delay}")
}

fn workflow(delay: u64, number: usize) -> String {
    format!("{delay}-{number}")
}

fn definition(delay: u64) -> Value {
    let retry = json!({ "max_retries": 1, "base_delay": format!("{delay}ms"), "max_delay": "1h", "jitter": "none" });
    let node = json!({ "node_id": "work", "agent_name": "late", "retry": retry });
    json!({ "name": name(delay), "nodes": [node] })
}
