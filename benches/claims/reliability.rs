//! How many workflows fail where one attempt in five does: without retries, and with the default policy. Both sides
//! have the same attempts fail.

use super::hand::{Hand, completes, fails};
use super::setup::{Installation, Roles, Services};
use super::{PARTITIONS, clients, goal, say};
use anyhow::{Result, bail};
use orchestrator::wire::task::Task;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rdkafka::Message;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

const WORKFLOWS: usize = 2_000;
/// Nodes of each, one after another.
const NODES: usize = 5;
/// Of a hundred attempts so many fail.
const FAILURE_PERCENT: u32 = 20;
/// By so many of a hundred fewer workflows are to fail.
const FEWER_PERCENT: f64 = 80.0;
/// Nothing takes longer.
const STUCK: Duration = Duration::from_secs(120);

struct Outcome {
    failed: usize,
    attempts: usize,
    took: Duration,
}

pub fn measure(services: &Services, seed: u64) -> Result<()> {
    say(&format!("reliability: {WORKFLOWS} workflows of {NODES} nodes, {FAILURE_PERCENT} % of all attempts fail"));
    let without = run(services, seed, "without", vec![("ORCHESTRATOR_MAX_RETRIES", "0".to_owned())])?;
    let with = run(services, seed, "default", vec![])?;
    println!("\n{WORKFLOWS} workflows of {NODES} nodes, {FAILURE_PERCENT} % of all attempts fail (seed {seed})\n");
    println!("policy           failed workflows   attempts    took s");
    for (name, outcome) in [("without retries", &without), ("default policy", &with)] {
        println!("{name:16} {:16} {:10} {:9.1}", outcome.failed, outcome.attempts, outcome.took.as_secs_f64());
    }
    let fewer = 100.0 * (1.0 - with.failed as f64 / without.failed.max(1) as f64);
    goal("reliability-fewer-failed-percent", fewer, FEWER_PERCENT, true);
    Ok(())
}

fn run(services: &Services, seed: u64, name: &str, settings: Vec<(&'static str, String)>) -> Result<Outcome> {
    let mut installation = Installation::make(services, name, PARTITIONS, &[("chain", chain())])?;
    installation.settings = settings;
    let _roles = Roles::start(&installation, &["engine", "projector"])?;
    let hand = Hand::open(&installation, "flaky")?;
    let responses = clients::consumer(services.brokers(), &[&installation.topic("responses")], PARTITIONS)?;
    let began = Instant::now();
    for number in 0..WORKFLOWS {
        hand.request(&format!("w{number}"), "chain")?;
    }
    let (mut answered, mut outcome) = (0, Outcome { failed: 0, attempts: 0, took: Duration::ZERO });
    let mut moved = Instant::now();
    while answered < WORKFLOWS {
        let before = (answered, outcome.attempts);
        outcome.attempts += hand.work(Duration::from_millis(5), |task| {
            Ok(if is_unlucky(seed, task) { fails(None) } else { completes() })
        })?;
        while let Some(record) = clients::next(&responses, Duration::ZERO)? {
            let answer: Value = serde_json::from_slice(record.payload().unwrap_or_default())?;
            outcome.failed += usize::from(answer["status"] == "failed");
            answered += 1;
        }
        if before != (answered, outcome.attempts) {
            moved = Instant::now();
        } else if moved.elapsed() > STUCK {
            bail!("{answered} of {WORKFLOWS} workflows have ended, and nothing moves any more");
        }
    }
    outcome.took = began.elapsed();
    Ok(outcome)
}

/// Whether an attempt fails: fixed by the seed, the workflow, the node and the attempt.
fn is_unlucky(seed: u64, task: &Task) -> bool {
    let mut hasher = DefaultHasher::new();
    (task.workflow_id.as_str(), task.dispatch_id.node_id.as_str(), task.dispatch_id.attempt).hash(&mut hasher);
    StdRng::seed_from_u64(seed ^ hasher.finish()).random_range(0..100) < FAILURE_PERCENT
}

fn chain() -> Value {
    let node = |i: usize| {
        let dependencies: Vec<String> = i.checked_sub(1).map(|before| format!("n{before}")).into_iter().collect();
        json!({ "node_id": format!("n{i}"), "agent_name": "flaky", "dependencies": dependencies, "input": "request" })
    };
    json!({ "name": "chain", "nodes": (0..NODES).map(node).collect::<Vec<_>>() })
}
