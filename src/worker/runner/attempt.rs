//! One attempt, from the task to its report.

use super::super::agent::Call;
use super::super::attempts::Begin;
use super::super::heartbeat::Heartbeat;
use super::super::meter::Meter;
use super::guarded::Guarded;
use super::local::Inbox;
use super::outbox::Entry;
use super::pulse::Pulse;
use super::worker::{Job, Worker};
use super::{lock, report};
use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use crate::core::id::DispatchId;
use crate::core::time::millis;
use crate::local::LocalReport;
use crate::log::NewRecord;
use crate::wire;
use crate::wire::report::{Report, ReportOutcome};
use crate::wire::task::Task;
use bytes::Bytes;
use serde_json::Value;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Longest `traceparent` that is passed on, in bytes: 55 by W3C Trace Context level 1, room for later versions.
const MAX_TRACEPARENT_BYTES: usize = 256;

/// How much of a failure's message is logged, in characters: a line to be read. The report holds all of it.
const LOGGED_CHARS: usize = 400;

/// An attempt under way.
struct Attempt {
    worker: Arc<Worker>,
    task: Task,
    traceparent: Option<Bytes>,
    begun: Instant,
    pulse: Pulse,
    meter: Meter,
    work: Guarded,
    /// The engine of this process, where that has asked for the attempt.
    engine: Option<Arc<Inbox>>,
}

/// Runs a job that has a place, and whatever gets the place after it. Work that ends at once is done when this
/// returns; any other goes on as a task.
pub(super) fn start(worker: &Arc<Worker>, job: Job) {
    let mut next = Some(job);
    while let Some(job) = next {
        if let Some(mut attempt) = Attempt::begin(worker, job) {
            let inline = worker.inline();
            let polled = if inline { attempt.poll_here() } else { Poll::Pending };
            let Poll::Ready(result) = polled else {
                worker.shared.runtime.spawn(work_off(attempt, inline));
                return;
            };
            attempt.end(result);
        }
        next = worker.desk.next();
    }
}

/// Runs a job that has a place, for the engine of this process and on its thread: there work is tried that is known to end
/// at once, any other goes on as a task.
pub(super) fn start_local(worker: &Arc<Worker>, job: Job) {
    let runtime = &worker.shared.runtime;
    if let Some(mut attempt) = Attempt::begin(worker, job) {
        let inline = worker.inline_for_engine();
        let polled = if inline { attempt.poll_here() } else { Poll::Pending };
        let Poll::Ready(result) = polled else {
            runtime.spawn(work_off(attempt, inline));
            return;
        };
        attempt.end(result);
    }
    if let Some(job) = worker.desk.next() {
        let worker = worker.clone();
        runtime.spawn(async move { start(&worker, job) });
    }
}

/// Runs an attempt to its end, and then whatever gets its place.
async fn work_off(attempt: Attempt, mut polled: bool) {
    let worker = attempt.worker.clone();
    let mut attempt = Some(attempt);
    loop {
        if let Some(attempt) = attempt {
            attempt.run(polled).await;
            worker.shared.outbox.pump();
        }
        let Some(job) = worker.desk.next() else { return };
        (attempt, polled) = (Attempt::begin(&worker, job), false);
    }
}

impl Attempt {
    /// Begins an attempt; none: there is nothing to run, and the record is or will be done.
    fn begin(worker: &Arc<Worker>, job: Job) -> Option<Self> {
        let Job { task, traceparent, place, .. } = job;
        let shared = &worker.shared;
        let engine = place.engine();
        let begin = lock(&shared.attempts).begin(&task.dispatch_id, place);
        match begin {
            Begin::Run => {}
            Begin::UnderWay => {
                tracing::debug!(dispatch_id = %task.dispatch_id, "dispatched again while it is under way");
                return None;
            }
            Begin::Remembered(report, place) => {
                tracing::debug!(dispatch_id = %task.dispatch_id, "dispatched again: its report is sent again");
                shared.report_end(of_task(&task, traceparent, report), vec![place]);
                return None;
            }
            Begin::Superseded(newest, place) => {
                tracing::info!(dispatch_id = %task.dispatch_id, newest, "not run: a newer attempt has been seen");
                let report = report::superseded(&task, newest);
                shared.report_end(of_task(&task, traceparent, report), vec![place]);
                return None;
            }
        }
        let begun = Instant::now();
        let pulse = Pulse::new(task.heartbeat, Duration::from_millis(task.timeout_ms), begun);
        let meter = Meter::default();
        let call = call(&task, traceparent.as_ref(), pulse.heartbeat(), meter.clone());
        let agent = worker.agent.clone();
        let work = Guarded::begin(move || agent.begin(call));
        Some(Self { worker: worker.clone(), task, traceparent, begun, pulse, meter, work, engine })
    }

    /// Polls the work once on this thread. A task that goes on with it polls again, with a waker of its own.
    fn poll_here(&mut self) -> Poll<Result<Value, ReportedFailure>> {
        let runtime = self.worker.shared.runtime.clone();
        let _entered = runtime.enter();
        self.first_poll(&mut Context::from_waker(Waker::noop()))
    }

    fn first_poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Value, ReportedFailure>> {
        let polled = Pin::new(&mut self.work).poll(context);
        self.worker.note_first_poll(polled.is_ready(), self.begun.elapsed());
        polled
    }

    /// Runs the work to its end and reports it.
    async fn run(mut self, polled: bool) {
        let first = if polled { Poll::Pending } else { poll_fn(|context| Poll::Ready(self.first_poll(context))).await };
        let result = match first {
            Poll::Ready(result) => result,
            Poll::Pending => self.wait().await,
        };
        self.end(result);
    }

    /// Waits for the work, says in between that it has started and goes on, and drops it at the deadline. That begins
    /// anew with each heartbeat that is reported, as it does for the engine, but also where the log is away: it is not
    /// the agent's fault.
    async fn wait(&mut self) -> Result<Value, ReportedFailure> {
        let timeout = Duration::from_millis(self.task.timeout_ms);
        let gone = self.begun.elapsed();
        let mut deadline = pin!(tokio::time::sleep(timeout.saturating_sub(gone)));
        let started_after = self.worker.shared.settings.started_after;
        let mut started = pin!(tokio::time::sleep(started_after.saturating_sub(gone)));
        let mut said = false;
        loop {
            tokio::select! {
                biased;
                result = &mut self.work => return result,
                // Before the deadline: where the whole process stood still, both have come.
                () = self.pulse.due() => {
                    let now = Instant::now();
                    deadline.as_mut().reset((now + timeout).into());
                    if let Some(held) = self.pulse.take(now) {
                        self.say(ReportOutcome::Heartbeat, |record| Entry::holding(record, held));
                    }
                }
                () = deadline.as_mut() => {
                    self.work.discard();
                    return Err(self.too_late().into());
                }
                () = started.as_mut(), if !said => {
                    said = true;
                    self.say(ReportOutcome::Started, |record| Entry::new(record, Vec::new()));
                }
            }
        }
    }

    /// Says something of an attempt that goes on.
    fn say(&self, outcome: ReportOutcome, entry: impl FnOnce(NewRecord) -> Entry) {
        let report = of_task(&self.task, self.traceparent.clone(), wire::report::encode(&self.report(outcome)));
        let report = match &self.engine {
            Some(engine) => engine.deliver(report),
            None => Some(report),
        };
        if let Some(report) = report {
            self.worker.shared.outbox.send(entry(report::record(report)));
            self.worker.shared.outbox.pump();
        }
    }

    fn too_late(&self) -> Failure {
        let timeout_ms = self.task.timeout_ms;
        let message = if self.pulse.was_felt() {
            format!("no result within {timeout_ms} ms of its last heartbeat")
        } else {
            format!("the attempt took longer than {timeout_ms} ms")
        };
        Failure::new(FailureClass::Timeout, "timeout", message)
    }

    /// Reports how the attempt ended.
    fn end(self, result: Result<Value, ReportedFailure>) {
        let shared = &self.worker.shared;
        let (mut said, max_bytes) = (self.report(report::outcome(result)), shared.settings.max_report_bytes);
        let mut report = wire::report::encode(&said);
        if report.len() > max_bytes {
            said.outcome = report::too_large(said.outcome, report.len(), max_bytes);
            report = wire::report::encode(&said);
        }
        if let ReportOutcome::Failed(failure) = &said.outcome {
            self.say_failed(failure);
        }
        let places = lock(&shared.attempts).end(&self.task.dispatch_id, &report);
        shared.report_end(of_task(&self.task, self.traceparent, report), places);
    }

    fn say_failed(&self, failure: &ReportedFailure) {
        let DispatchId { run_id, node_id, attempt } = &self.task.dispatch_id;
        let took_ms = millis(self.begun.elapsed());
        tracing::warn!(agent = %self.worker.name, workflow_id = %self.task.workflow_id, %run_id, %node_id, attempt, took_ms,
            class = failure.class.map(FailureClass::as_str), code = failure.code, "an attempt failed: {}", brief(&failure.message));
    }

    fn report(&self, outcome: ReportOutcome) -> Report {
        let (dispatch_id, workflow_id) = (self.task.dispatch_id.clone(), self.task.workflow_id.clone());
        let has_ended = matches!(outcome, ReportOutcome::Completed(_) | ReportOutcome::Failed(_));
        let usage = has_ended.then(|| self.meter.total()).flatten();
        Report { dispatch_id, workflow_id, outcome, usage }
    }
}

/// A report of a task's attempt.
fn of_task(task: &Task, traceparent: Option<Bytes>, report: Bytes) -> LocalReport {
    LocalReport {
        dispatch_id: task.dispatch_id.clone(),
        workflow_id: task.workflow_id.clone(),
        partition: task.reply_partition,
        value: Some(report),
        traceparent,
    }
}

/// A message as a part of one line.
fn brief(message: &str) -> String {
    let mut chars = message.chars();
    let mut line: String = chars.by_ref().take(LOGGED_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

fn call(task: &Task, traceparent: Option<&Bytes>, heartbeat: Heartbeat, meter: Meter) -> Call {
    let legal = |text: &&str| text.len() <= MAX_TRACEPARENT_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    let traceparent = traceparent.and_then(|bytes| std::str::from_utf8(bytes).ok()).filter(legal);
    Call {
        dispatch_id: task.dispatch_id.clone(),
        workflow_id: task.workflow_id.clone(),
        input: task.input.value(),
        timeout: Duration::from_millis(task.timeout_ms),
        heartbeat,
        meter,
        traceparent: traceparent.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(brief("Traceback:\n  no beans"), "Traceback:   no beans");
        let long = brief(&"ä".repeat(10_000));
        assert!(long.chars().count() == LOGGED_CHARS + 1 && long.ends_with('…'), "{long}");
    }
}
