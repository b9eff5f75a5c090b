//! The agents of a worker: what they say of a task, and when.

use super::worker::one_in;
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::DispatchId;
use crate::core::json::Json;
use crate::wire::report::{Report, ReportOutcome};
use crate::wire::task::Task;
use crate::worker::settings::STARTED_AFTER;
use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;

/// What stands in every answer to a task that may never have been handed out.
pub const LIE: &str = "\"lie\"";

/// Something that an agent says, rubbish included.
#[derive(Clone, Debug)]
pub struct Said {
    /// How long after it took the task.
    pub after: Duration,
    /// The key.
    pub key: Bytes,
    /// The report, or bytes that are none.
    pub report: Result<Report, Bytes>,
    /// Whether it ends the attempt.
    pub ends: bool,
}

/// All agents of one worker.
pub struct Agents {
    /// Makes every answer another one.
    answers: u64,
    /// Tasks that nobody will answer while things are bad.
    ignored: Vec<Task>,
}

impl Agents {
    /// The agents of the worker with this number.
    pub fn new(number: u64) -> Self {
        Self { answers: number * 100_000, ignored: Vec::new() }
    }

    /// Whether nothing is left undone.
    pub fn is_at_rest(&self) -> bool {
        self.ignored.is_empty()
    }

    /// What is said of the tasks that were ignored, now that things are good.
    pub fn relent(&mut self, rng: &mut StdRng) -> Vec<(Task, Vec<Said>)> {
        let tasks = std::mem::take(&mut self.ignored);
        let answer = |task: Task| {
            let all = self.answer(&task, true, rng);
            (task, all)
        };
        tasks.into_iter().map(answer).collect()
    }

    /// What is said of a task by an agent whose runner looks after it: nothing is ignored for ever.
    pub fn work_here(&mut self, task: &Task, honest: bool, rng: &mut StdRng) -> Vec<Said> {
        if honest || !one_in(rng, 20) { self.answer(task, honest, rng) } else { Vec::new() }
    }

    /// What is said of a task.
    pub fn work(&mut self, task: &Task, honest: bool, rng: &mut StdRng) -> Vec<Said> {
        if honest || !one_in(rng, 20) {
            return self.answer(task, honest, rng);
        }
        self.ignored.push(task.clone());
        if one_in(rng, 2) { vec![said(task, Duration::ZERO, ReportOutcome::Started)] } else { Vec::new() }
    }

    fn answer(&mut self, task: &Task, honest: bool, rng: &mut StdRng) -> Vec<Said> {
        let longest = if honest { 20 } else { 6_000 };
        let delay = |rng: &mut StdRng| Duration::from_millis(rng.random_range(0..longest));
        let mut all = Vec::new();
        if rng.random_bool(0.8) {
            all.push(said(task, Duration::ZERO, ReportOutcome::Started));
        }
        if one_in(rng, 5) {
            all.push(said(task, delay(rng), ReportOutcome::Heartbeat));
        }
        let times = if !honest && one_in(rng, 5) { 2 } else { 1 };
        for _ in 0..times {
            let outcome = self.outcome(task, honest, rng);
            all.push(Said { ends: true, ..said(task, delay(rng), outcome) });
        }
        if !honest && one_in(rng, 10) {
            all.push(self.lie(task, delay(rng), rng));
        }
        all
    }

    fn outcome(&mut self, task: &Task, honest: bool, rng: &mut StdRng) -> ReportOutcome {
        self.answers += 1;
        if !honest && rng.random_bool(0.2) {
            return failed(rng);
        }
        if task.agent_name.as_str() != "planner" {
            return ReportOutcome::Completed(json(&format!("{{\"answer\":{}}}", self.answers)));
        }
        if !honest && one_in(rng, 10) {
            return ReportOutcome::Completed(json("{\"nodes\":\"none that anybody could run\"}"));
        }
        let node = |i: u32| format!("{{\"node_id\":\"p{}-{i}\",\"agent_name\":\"adder\"}}", self.answers);
        let nodes: Vec<String> = (0..rng.random_range(0..4)).map(node).collect();
        ReportOutcome::Completed(json(&format!("{{\"nodes\":[{}]}}", nodes.join(","))))
    }

    /// A report of what nobody asked for, or bytes that are none.
    fn lie(&mut self, task: &Task, after: Duration, rng: &mut StdRng) -> Said {
        self.answers += 1;
        let outcome = ReportOutcome::Completed(json(&format!("{{{LIE}:{}}}", self.answers)));
        let told = said(task, after, outcome);
        let of = |dispatch_id: DispatchId, told: Said| {
            let report = told.report.map(|report| Report { dispatch_id, ..report });
            Said { report, ..told }
        };
        // An invented plan would be refused, and nobody could tell a lie from a refusal.
        match rng.random_range(0..if task.agent_name.as_str() == "planner" { 2 } else { 4 }) {
            0 => Said { report: Err(Bytes::from_static(b"{\"type\":\"completed\"")), ..told },
            1 => Said { key: Bytes::from_static(b"somebody-else"), ..told },
            2 => of(DispatchId { attempt: task.dispatch_id.attempt + 1, ..task.dispatch_id.clone() }, told),
            _ => {
                let attempt = task.dispatch_id.attempt.saturating_sub(1).max(1);
                of(DispatchId { attempt, ..task.dispatch_id.clone() }, told)
            }
        }
    }
}

/// What a runner says of an attempt that the engine of its process has handed over, where its agent would say this: that it
/// has begun, once it takes longer than a moment, and nothing but its failure once its time is up. Most end at once.
pub fn of_a_runner(mut all: Vec<Said>, task: &Task, rng: &mut StdRng) -> Vec<Said> {
    let timeout = Duration::from_millis(task.timeout_ms);
    if rng.random_bool(0.4) {
        all.iter_mut().filter(|said| said.ends).for_each(|said| said.after = Duration::ZERO);
    }
    let end = all.iter().filter(|said| said.ends).map(|said| said.after).min().unwrap_or(Duration::MAX);
    let is_it = |said: &Said, what: &ReportOutcome| said.report.as_ref().is_ok_and(|report| report.outcome == *what);
    all.retain(|said| !is_it(said, &ReportOutcome::Started));
    all.retain(|said| {
        !is_it(said, &ReportOutcome::Heartbeat) || (STARTED_AFTER..end.min(timeout)).contains(&said.after)
    });
    if end > STARTED_AFTER {
        all.push(said(task, STARTED_AFTER, ReportOutcome::Started));
    }
    if end > timeout {
        // What the agent would have said is never heard.
        all.retain(|said| !said.ends);
        let failure = Failure::new(FailureClass::Timeout, "slow", "the attempt took too long");
        all.push(Said { ends: true, ..said(task, timeout, ReportOutcome::Failed(failure.into())) });
    }
    all
}

fn failed(rng: &mut StdRng) -> ReportOutcome {
    let (class, code) = match rng.random_range(0..6) {
        0 => (FailureClass::NonRetryable, "broken"),
        1 => (FailureClass::RateLimited, "busy"),
        2 => (FailureClass::Timeout, "slow"),
        _ => (FailureClass::Retryable, "tired"),
    };
    ReportOutcome::Failed(Failure::new(class, code, "the worker is tired").into())
}

fn said(task: &Task, after: Duration, outcome: ReportOutcome) -> Said {
    let (dispatch_id, workflow_id) = (task.dispatch_id.clone(), task.workflow_id.clone());
    let key = Bytes::from(workflow_id.to_string());
    let report = Report { dispatch_id, workflow_id, outcome, usage: None };
    Said { after, key, report: Ok(report), ends: false }
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("the simulation writes JSON")
}
