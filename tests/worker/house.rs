//! A runner on a fake log: how tests put tasks in, wait for reports and stop it.

use crate::fake_log::FakeLog;
use bytes::Bytes;
use orchestrator::core::failure::ReportedFailure;
use orchestrator::core::id::{AgentName, DispatchId};
use orchestrator::core::json::Json;
use orchestrator::log::{Log, Topic};
use orchestrator::wire::report::{self, Report, ReportOutcome};
use orchestrator::wire::task::{self, Task};
use orchestrator::worker::runner::RunnerError;
use orchestrator::worker::{Agent, Agents, Call, Heartbeat, Runner, RunnerSettings, Standing};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a condition may take to come true: long enough for a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is true.
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(comes_true(PATIENCE, condition), "waited {PATIENCE:?} in vain until {what}");
}

fn comes_true(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

pub fn name(text: &str) -> AgentName {
    AgentName::new(text).unwrap()
}

pub fn ready() -> Topic {
    Topic::Ready(name("agent"))
}

pub fn dispatch_id(node: &str, attempt: u32) -> DispatchId {
    format!("0123456789abcdef0123456789abcdef/{node}/{attempt}").parse().unwrap()
}

/// A task for `agent`, as an engine writes it.
pub fn task(node: &str, attempt: u32, input: &Value) -> Task {
    Task {
        dispatch_id: dispatch_id(node, attempt),
        workflow_id: "order 7 / ☕".parse().unwrap(),
        agent_name: name("agent"),
        input: Json::from_value(input),
        timeout_ms: 60_000,
        heartbeat: false,
        reply_topic: "orchestrator.results".to_owned(),
        reply_partition: 2,
    }
}

/// A call, as a runner makes it.
pub fn call(input: Value) -> Call {
    Call {
        dispatch_id: dispatch_id("node", 1),
        workflow_id: "order 7 / ☕".parse().unwrap(),
        input,
        timeout: Duration::from_secs(60),
        heartbeat: Heartbeat::default(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        meter: Default::default(),
    }
}

/// Puts tasks in.
pub trait Put {
    fn put_task(&self, partition: u32, task: &Task) -> u64;
}

impl Put for FakeLog {
    fn put_task(&self, partition: u32, task: &Task) -> u64 {
        let headers = vec![("traceparent".into(), Bytes::from_static(b"00-trace"))];
        self.put(ready(), partition, Some(task::encode(task)), headers)
    }
}

/// All reports so far.
pub fn reports(log: &FakeLog) -> Vec<Report> {
    let records = log.records(&Topic::Results);
    let read =
        |record: &orchestrator::log::Record| report::decode(record.key.as_deref(), record.value.as_deref(), 2 << 20);
    records.iter().map(|record| read(record).unwrap()).collect()
}

/// All reports of one node, as words: `started`, `completed <output>`, `failed <class> <code>`.
pub fn said(log: &FakeLog, node: &str) -> Vec<String> {
    let of_node = |report: &Report| report.dispatch_id.node_id.as_str() == node;
    reports(log).into_iter().filter(of_node).map(|report| words(&report.outcome)).collect()
}

fn words(outcome: &ReportOutcome) -> String {
    match outcome {
        ReportOutcome::Started => "started".to_owned(),
        ReportOutcome::Heartbeat => "heartbeat".to_owned(),
        ReportOutcome::Completed(output) => format!("completed {}", output.as_str()),
        ReportOutcome::Failed(failure) => {
            format!("failed {} {}", failure.class.map_or("?", |class| class.as_str()), failure.code)
        }
    }
}

/// A runner on a thread of its own.
pub struct Running {
    pub standing: Arc<Standing>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), RunnerError>>>,
}

impl Running {
    pub fn start(log: &FakeLog, agent: impl Agent, settings: RunnerSettings) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let runner =
            Runner::new(Arc::new(log.clone()) as Arc<dyn Log>, Agents::new().with(name("agent"), agent), settings);
        let (flag, standing) = (stop.clone(), runner.standing());
        let thread = std::thread::spawn(move || runner.run(&flag));
        Self { standing, stop, thread: Some(thread) }
    }

    /// Asks it to stop, without waiting.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(mut self) {
        self.ask_to_stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// An agent whose attempts wait until they are let go, node by node.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar, tokio::sync::Notify)>);

#[derive(Default)]
struct GateState {
    runs: HashMap<String, usize>,
    dropped: usize,
    open: Vec<String>,
    all_open: bool,
}

impl Gate {
    /// Lets one node end.
    pub fn open(&self, node: &str) {
        self.0.0.lock().unwrap().open.push(node.to_owned());
        self.0.2.notify_waiters();
    }

    /// Lets all nodes end.
    pub fn open_all(&self) {
        self.0.0.lock().unwrap().all_open = true;
        self.0.2.notify_waiters();
    }

    /// How often a node was begun.
    pub fn runs(&self, node: &str) -> usize {
        self.0.0.lock().unwrap().runs.get(node).copied().unwrap_or(0)
    }

    /// How many attempts were begun in all.
    pub fn begun(&self) -> usize {
        self.0.0.lock().unwrap().runs.values().sum()
    }

    /// How many attempts were dropped before their end.
    pub fn dropped(&self) -> usize {
        self.0.0.lock().unwrap().dropped
    }

    fn is_open(&self, node: &str) -> bool {
        let state = self.0.0.lock().unwrap();
        state.all_open || state.open.iter().any(|open| open == node)
    }
}

/// Notes an attempt that is dropped before its end.
struct Watched<'a>(&'a Gate, bool);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.0.0.lock().unwrap().dropped += 1;
        }
    }
}

impl Agent for Gate {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        let node = call.dispatch_id.node_id.as_str();
        *self.0.0.lock().unwrap().runs.entry(node.to_owned()).or_default() += 1;
        let mut watched = Watched(self, false);
        loop {
            let opened = self.0.2.notified();
            let mut opened = std::pin::pin!(opened);
            opened.as_mut().enable();
            if self.is_open(node) {
                watched.1 = true;
                return Ok(json!({ "node": node }));
            }
            opened.await;
        }
    }
}
