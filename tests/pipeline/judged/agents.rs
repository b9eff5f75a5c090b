//! The agents of the graphs: the test itself, in a thread of its own. What becomes of an attempt depends on its
//! `dispatch_id` alone, so that one that comes twice gets the same answer twice.

use super::graphs::{TIMEOUT, again};
use crate::support::{Installation, json as json_of};
use bytes::Bytes;
use orchestrator::core::id::AgentName;
use orchestrator::log::{Appender, Delivery, NewRecord, Purpose, Reader, Topic};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::Duration;

/// Their names.
pub const AGENTS: [&str; 3] = ["clerk", "bank", "planner"];

/// They work until this is dropped.
pub struct Agents<'a> {
    stop: &'a AtomicBool,
}

impl<'a> Agents<'a> {
    /// Begins to work. The definitions that name the agents have been applied.
    pub fn start<'s>(at: &'s Installation, stop: &'a AtomicBool, seed: u64, scope: &'s Scope<'s, '_>) -> Self
    where
        'a: 's,
    {
        let mut reader = at.log().reader().unwrap();
        for agent in AGENTS {
            let topic = Topic::Ready(AgentName::new(agent).unwrap());
            // One that no graph names has no tasks.
            for partition in 0..at.log().partitions(&topic).unwrap().unwrap_or_default() {
                reader.assign(&topic, partition, 0).unwrap();
            }
        }
        let appender = at.log().appender(Purpose::Client).unwrap();
        scope.spawn(move || work(at, reader, appender, stop, seed));
        Self { stop }
    }
}

impl Drop for Agents<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn work(at: &Installation, mut reader: Box<dyn Reader>, mut appender: Box<dyn Appender>, stop: &AtomicBool, seed: u64) {
    let (mut deliveries, mut acks, mut sent) = (Vec::new(), Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        deliveries.clear();
        reader.poll(Duration::from_millis(20), &mut deliveries).unwrap();
        for delivery in &deliveries {
            let Delivery::Record(record) = delivery else { continue };
            let task = json_of(record);
            for record in said(at, &task, seed) {
                sent += 1;
                while appender.append(record.clone(), sent).is_err() {
                    appender.poll(&mut acks);
                }
            }
        }
        appender.poll(&mut acks);
        assert!(acks.drain(..).all(|ack| ack.result.is_ok()), "every report is confirmed");
    }
}

/// What is said of a task: reports, or, instead of one, a signal of a person who supplies the output.
fn said(at: &Installation, task: &Value, seed: u64) -> Vec<NewRecord> {
    let dispatch = task["dispatch_id"].as_str().unwrap();
    // FNV-1a: the same dice for the same attempt.
    let hash = dispatch
        .bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut dice = StdRng::seed_from_u64(hash);
    let started = json!({ "type": "started" });
    let mut used = json!({ "input_tokens": dice.random_range(0..900), "output_tokens": 7 });
    if dice.random_bool(0.5) {
        used["cost"] = json!(0.0021);
    }
    let completed = json!({ "type": "completed", "output": output(task, &mut dice), "usage": used });
    let failed = |class: &str, code: &str| json!({ "type": "failed", "class": class, "code": code, "message": "☕", "usage": used });
    let reports = match dice.random_range(0..100) {
        0..8 => vec![started, failed("retryable", "shop_shut")],
        8..11 => vec![failed("non_retryable", "no_such_bean")],
        // It is never heard of again: its time runs out.
        11..14 => vec![started],
        14..18 if task["agent_name"] != "planner" => return vec![supplied(at, task)],
        18..22 => vec![completed.clone(), json!({ "type": "completed", "output": "another one" })],
        22..26 => vec![started, json!({ "type": "heartbeat" }), completed],
        26..60 => vec![started, completed],
        _ => vec![completed],
    };
    reports.into_iter().map(|report| record(task, report)).collect()
}

/// A plan of a planner, any value of the others.
fn output(task: &Value, dice: &mut StdRng) -> Value {
    if task["agent_name"] != "planner" {
        return json!({ "of": task["node_id"], "n": dice.random_range(0..1_000), "text": "espresso ☕" });
    }
    let node =
        |i: u32| json!({ "node_id": format!("p{i}"), "agent_name": "clerk", "timeout": TIMEOUT, "retry": again() });
    json!({ "nodes": (0..dice.random_range(0..4)).map(node).collect::<Vec<_>>() })
}

fn record(task: &Value, mut report: Value) -> NewRecord {
    report["dispatch_id"] = task["dispatch_id"].clone();
    let partition = task["reply"]["partition"].as_u64().and_then(|partition| u32::try_from(partition).ok());
    let key = task["workflow_id"].as_str().map(|id| Bytes::copy_from_slice(id.as_bytes()));
    NewRecord { topic: Topic::Results, partition, key, value: Some(report.to_string().into()), headers: vec![] }
}

fn supplied(at: &Installation, task: &Value) -> NewRecord {
    let id = task["workflow_id"].as_str().unwrap();
    let signal = json!({ "type": "supply", "run_id": task["run_id"], "node_id": task["node_id"], "by": "ada",
        "output": { "by hand": task["node_id"] } });
    NewRecord {
        topic: Topic::Signals,
        partition: Some(at.home(id)),
        key: Some(Bytes::copy_from_slice(id.as_bytes())),
        value: Some(signal.to_string().into()),
        headers: vec![],
    }
}
