//! Heartbeats: what becomes of an attempt whose agent says that it goes on.

use crate::fake_log::{FakeLog, Mood};
use crate::house::{Put, Running, name, reports, said, task, until};
use orchestrator::core::failure::ReportedFailure;
use orchestrator::wire::report::ReportOutcome;
use orchestrator::wire::task::Task;
use orchestrator::worker::{Agent, Call, ExecAgent, RunnerSettings};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Of attempts in this process: reports are a third of it apart.
const TIMEOUT: Duration = Duration::from_millis(600);
/// So many reports come only to an attempt that has outlived its first timeout.
const ENOUGH: usize = 4;
/// How often an agent beats before it looks up.
const AT_ONCE: usize = 1_000;

/// Beats without a pause, for as long as it is told to.
#[derive(Clone, Default)]
struct Beater(Arc<State>);

#[derive(Default)]
struct State {
    /// Beats no more, and goes on.
    silent: AtomicBool,
    /// Ends with an output.
    done: AtomicBool,
    /// It has ended by itself.
    has_ended: AtomicBool,
    /// It was dropped.
    dropped: AtomicBool,
    /// Ends once it has run so long.
    for_long: Option<Duration>,
}

struct Watched<'a>(&'a State);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::SeqCst);
    }
}

impl Agent for Beater {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        let _watched = Watched(&self.0);
        let begun = Instant::now();
        let is = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        let long = || self.0.for_long.is_some_and(|long| begun.elapsed() >= long);
        while !is(&self.0.done) && !long() {
            if !is(&self.0.silent) {
                (0..AT_ONCE).for_each(|_| call.heartbeat.beat());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.0.has_ended.store(true, Ordering::SeqCst);
        Ok(json!("done"))
    }
}

/// A task that asks for heartbeats.
fn asking(timeout: Duration) -> Task {
    let timeout_ms = timeout.as_millis().try_into().unwrap();
    Task { heartbeat: true, timeout_ms, ..task("node", 1, &json!(1)) }
}

fn heartbeats(log: &FakeLog) -> usize {
    said(log, "node").iter().filter(|words| *words == "heartbeat").count()
}

/// What was said besides heartbeats.
fn else_said(log: &FakeLog) -> Vec<String> {
    said(log, "node").into_iter().filter(|words| words != "heartbeat").collect()
}

#[test]
fn an_attempt_outlives_its_timeout_while_it_beats_and_says_so_a_few_times() {
    let (log, agent) = (FakeLog::new(1), Beater::default());
    let running = Running::start(&log, agent.clone(), RunnerSettings::default());
    let begun = Instant::now();
    log.put_task(0, &asking(TIMEOUT));
    until("it has beaten for longer than its timeout", || heartbeats(&log) >= ENOUGH);
    agent.0.done.store(true, Ordering::SeqCst);
    until("it is reported", || else_said(&log).len() == 2);
    let most = begun.elapsed().as_millis() / (TIMEOUT / 3).as_millis();
    running.stop();
    assert_eq!(else_said(&log), ["started", "completed \"done\""]);
    assert!(heartbeats(&log) as u128 <= most, "{} heartbeats where {most} are due", heartbeats(&log));
}

#[test]
fn an_attempt_that_stops_beating_times_out() {
    let (log, agent) = (FakeLog::new(1), Beater::default());
    let running = Running::start(&log, agent.clone(), RunnerSettings::default());
    log.put_task(0, &asking(TIMEOUT));
    until("it has beaten for longer than its timeout", || heartbeats(&log) >= ENOUGH);
    agent.0.silent.store(true, Ordering::SeqCst);
    until("its time is over", || else_said(&log) == ["started", "failed timeout timeout"]);
    assert!(agent.0.dropped.load(Ordering::SeqCst) && !agent.0.has_ended.load(Ordering::SeqCst));
    running.stop();
    let Some(ReportOutcome::Failed(failure)) = reports(&log).pop().map(|report| report.outcome) else {
        panic!("it did not fail")
    };
    assert_eq!(failure.message, "no result within 600 ms of its last heartbeat");
}

#[test]
fn what_nobody_asks_for_is_not_sent_and_extends_nothing() {
    let (log, agent) = (FakeLog::new(1), Beater::default());
    let running = Running::start(&log, agent, RunnerSettings::default());
    log.put_task(0, &Task { heartbeat: false, ..asking(TIMEOUT) });
    until("its time is over", || else_said(&log).contains(&"failed timeout timeout".to_owned()));
    running.stop();
    assert_eq!(heartbeats(&log), 0);
}

#[test]
fn an_attempt_that_does_not_beat_is_as_any_other() {
    let (log, agent) = (FakeLog::new(1), Beater::default());
    agent.0.silent.store(true, Ordering::SeqCst);
    let running = Running::start(&log, agent, RunnerSettings::default());
    log.put_task(0, &asking(Duration::from_millis(5)));
    until("its time is over", || else_said(&log).contains(&"failed timeout timeout".to_owned()));
    running.stop();
    assert_eq!(heartbeats(&log), 0);
}

#[test]
fn heartbeats_that_the_log_does_not_take_fail_nothing_and_do_not_pile_up() {
    let log = FakeLog::new(1);
    let agent = Beater(Arc::new(State { for_long: Some(TIMEOUT * 3), ..State::default() }));
    let running = Running::start(&log, agent.clone(), RunnerSettings::default());
    until("its reports have a way to the log", || log.appenders() > 0);
    log.set_mood(Mood::Full);
    log.put_task(0, &asking(TIMEOUT));
    until("it has outlived its timeout", || agent.0.has_ended.load(Ordering::SeqCst));
    assert!(reports(&log).is_empty());
    log.set_mood(Mood::Well);
    until("it is reported", || else_said(&log).len() == 2);
    running.stop();
    assert_eq!(said(&log, "node"), ["started", "heartbeat", "completed \"done\""]);
}

#[test]
fn a_program_beats_by_lines_on_stderr() {
    let log = FakeLog::new(1);
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let script = format!(
        "while ! [ -e {} ]; do echo heartbeat >&2; echo grinding >&2; sleep 0.05; done; echo '\"done\"'",
        go.display()
    );
    let agent = ExecAgent::new(name("agent"), PathBuf::from("/bin/sh"), ["-c", script.as_str()].map(Into::into));
    let running = Running::start(&log, agent, RunnerSettings::default());
    // Long enough for a shell on a machine that does other things too.
    log.put_task(0, &asking(Duration::from_secs(2)));
    until("it has beaten for longer than its timeout", || heartbeats(&log) >= ENOUGH);
    std::fs::write(&go, "").unwrap();
    until("it is reported", || else_said(&log) == ["started", "completed \"done\""]);
    running.stop();
}
