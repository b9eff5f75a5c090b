//! Workers that are slow, repeat themselves, contradict themselves, or never answer.

use super::definitions::AGENTS;
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::AgentName;
use crate::core::json::Json;
use crate::core::time::Timestamp;
use crate::log::{Ack, Appender, Delivery, Log, LogError, NewRecord, Purpose, Reader, Topic};
use crate::wire::report::{Report, ReportOutcome, encode};
use crate::wire::task::{Task, decode};
use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::time::Duration;

/// All workers of a simulation, as one.
pub struct Worker {
    reader: Box<dyn Reader>,
    appender: Box<dyn Appender>,
    /// Reports by the time at which they are sent.
    due: BTreeMap<(Timestamp, u64), Report>,
    /// Tasks that nobody will answer while things are bad.
    ignored: BTreeMap<String, Task>,
    /// What was answered last, by attempt.
    answered: BTreeMap<String, ReportOutcome>,
    /// Makes every answer another one.
    answers: u64,
    planned: u64,
    deliveries: Vec<Delivery>,
    acks: Vec<Ack>,
}

impl Worker {
    /// Workers that read every task from the start.
    pub fn new(log: &dyn Log, partitions: u32) -> Result<Self, LogError> {
        let mut reader = log.reader()?;
        for agent in AGENTS {
            let agent = AgentName::new(agent).expect("the agents of the simulation have legal names");
            for partition in 0..partitions {
                reader.assign(&Topic::Ready(agent.clone()), partition, 0)?;
            }
        }
        Ok(Self {
            reader,
            appender: log.appender(Purpose::Client)?,
            due: BTreeMap::new(),
            ignored: BTreeMap::new(),
            answered: BTreeMap::new(),
            answers: 0,
            planned: 0,
            deliveries: Vec::new(),
            acks: Vec::new(),
        })
    }

    /// Takes what is there, and sends what is due. While `honest`, every task is answered, once and soon.
    pub fn poll(&mut self, now: Timestamp, honest: bool, rng: &mut StdRng) -> Result<(), LogError> {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        self.reader.poll(Duration::ZERO, &mut deliveries)?;
        for delivery in deliveries.drain(..) {
            if let Delivery::Record(record) = delivery {
                let task = decode(record.value.as_deref().unwrap_or_default()).expect("the engine writes tasks");
                self.take(task, now, honest, rng);
            }
        }
        self.deliveries = deliveries;
        if honest {
            for task in std::mem::take(&mut self.ignored).into_values() {
                self.answer(&task, now, false, rng);
            }
        }
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let report = entry.remove();
            self.send(&report);
        }
        self.acks.clear();
        self.appender.poll(&mut self.acks);
        Ok(())
    }

    /// Whether it has nothing to send.
    pub fn is_at_rest(&self) -> bool {
        self.due.is_empty() && self.ignored.is_empty() && self.appender.in_flight() == 0
    }

    /// Everything that was ever answered is forgotten, and answered again, differently.
    pub fn forget(&mut self) {
        self.answered.clear();
    }

    fn take(&mut self, task: Task, now: Timestamp, honest: bool, rng: &mut StdRng) {
        let id = task.dispatch_id.to_string();
        if !honest && rng.random_bool(0.05) {
            if rng.random_bool(0.5) {
                self.plan(&task, now, ReportOutcome::Started);
            }
            self.ignored.insert(id, task);
            return;
        }
        // A repeated dispatch is mostly recognised, and its answer sent again.
        if let Some(outcome) = self.answered.get(&id).filter(|_| !rng.random_bool(0.2)).cloned() {
            self.plan(&task, now.after(Duration::from_millis(1)), outcome);
            return;
        }
        self.answer(&task, now, !honest, rng);
    }

    fn answer(&mut self, task: &Task, now: Timestamp, badly: bool, rng: &mut StdRng) {
        let delay = |rng: &mut StdRng| Duration::from_millis(rng.random_range(0..if badly { 6_000 } else { 20 }));
        if rng.random_bool(0.6) {
            self.plan(task, now, ReportOutcome::Started);
        }
        if rng.random_bool(0.2) {
            let at = now.after(delay(rng));
            self.plan(task, at, ReportOutcome::Heartbeat);
        }
        let times = if badly && rng.random_bool(0.2) { 2 } else { 1 };
        for _ in 0..times {
            let outcome = self.outcome(task, badly, rng);
            let at = now.after(delay(rng));
            self.answered.insert(task.dispatch_id.to_string(), outcome.clone());
            self.plan(task, at, outcome);
        }
    }

    fn outcome(&mut self, task: &Task, badly: bool, rng: &mut StdRng) -> ReportOutcome {
        self.answers += 1;
        if badly && rng.random_bool(0.15) {
            return ReportOutcome::Failed(Failure::new(FailureClass::Retryable, "tired", "the worker is tired").into());
        }
        if task.agent_name.as_str() != "planner" {
            return ReportOutcome::Completed(json(&format!("{{\"answer\":{}}}", self.answers)));
        }
        let nodes: Vec<String> = (0..rng.random_range(0..4))
            .map(|i| format!("{{\"node_id\":\"p{}-{i}\",\"agent_name\":\"adder\"}}", self.answers))
            .collect();
        ReportOutcome::Completed(json(&format!("{{\"nodes\":[{}]}}", nodes.join(","))))
    }

    fn plan(&mut self, task: &Task, at: Timestamp, outcome: ReportOutcome) {
        let report = Report {
            dispatch_id: task.dispatch_id.clone(),
            workflow_id: task.workflow_id.clone(),
            outcome,
            usage: None,
        };
        self.planned += 1;
        self.due.insert((at, self.planned), report);
    }

    fn send(&mut self, report: &Report) {
        let record = NewRecord {
            topic: Topic::Results,
            partition: None,
            key: Some(Bytes::from(report.workflow_id.to_string())),
            value: Some(encode(report)),
            headers: Vec::new(),
        };
        // What an error loses is a worker that died: the engine's deadline, or the end of all faults, mends it.
        if self.appender.append(record, self.answers).is_err() {
            self.answered.remove(&report.dispatch_id.to_string());
        }
    }
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("the simulation writes JSON")
}
