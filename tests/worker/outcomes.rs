//! What is reported of an attempt.

use crate::fake_log::FakeLog;
use crate::house::{Gate, Put, Running, ready, reports, said, task, until};
use bytes::Bytes;
use orchestrator::core::failure::{Failure, FailureClass};
use orchestrator::core::json::Json;
use orchestrator::core::usage::{Cost, Usage};
use orchestrator::log::Topic;
use orchestrator::wire::report::{self, Report, ReportOutcome};
use orchestrator::worker::builtin::{Echo, Fail, Sleep};
use orchestrator::worker::{Call, RunnerSettings, agent_fn};
use serde_json::{Value, json};
use std::time::Duration;

/// Runs one task and hands out what was said of it, up to its end.
fn ends_as(
    agent: impl orchestrator::worker::Agent,
    settings: RunnerSettings,
    input: &Value,
    timeout_ms: u64,
) -> String {
    let log = FakeLog::new(1);
    let running = Running::start(&log, agent, settings);
    let mut task = task("node", 1, input);
    task.timeout_ms = timeout_ms;
    log.put_task(0, &task);
    let end = || said(&log, "node").into_iter().find(|words| words != "started");
    until("the attempt is reported", || end().is_some());
    until("its record is done", || log.committed(0).is_some_and(|committed| committed.offset == 1));
    running.stop();
    end().unwrap()
}

#[test]
fn an_output_is_reported_where_the_task_says_with_key_and_trace() {
    let log = FakeLog::new(1);
    let running = Running::start(&log, Echo, RunnerSettings::default());
    log.put_task(0, &task("node", 1, &json!({ "cups": 2 })));
    until("it is reported", || !reports(&log).is_empty());
    running.stop();
    let records = log.records(&Topic::Results);
    assert_eq!(records.len(), 1, "a node below 20 ms is not said to have started");
    assert_eq!(records[0].partition, 2);
    assert_eq!(records[0].key.as_deref(), Some("order 7 / ☕".as_bytes()));
    assert_eq!(records[0].header("traceparent"), Some(&b"00-trace"[..]));
    assert_eq!(said(&log, "node"), ["completed {\"cups\":2}"]);
}

#[test]
fn whatever_an_agent_does_has_a_word() {
    let defaults = RunnerSettings::default;
    let fail = json!({ "class": "rate_limited", "code": "busy", "message": "later" });
    assert_eq!(ends_as(Fail, defaults(), &fail, 60_000), "failed rate_limited busy");
    assert_eq!(ends_as(Fail, defaults(), &json!({}), 60_000), "failed ? asked_to_fail");
    assert_eq!(ends_as(Fail, defaults(), &json!({ "after_ms": 1, "note": "" }), 60_000), "failed ? asked_to_fail");
    assert_eq!(ends_as(Fail, defaults(), &json!({ "class": "odd" }), 60_000), "failed non_retryable bad_input");
    assert_eq!(ends_as(Sleep, defaults(), &json!({ "ms": 1, "x": 1 }), 60_000), "completed {\"ms\":1,\"x\":1}");
    assert_eq!(ends_as(Sleep, defaults(), &json!({ "seconds": 0.001 }), 60_000), "completed {\"seconds\":0.001}");
    for input in [json!({}), json!({ "ms": 1, "seconds": 1 }), json!({ "seconds": -1 }), json!([1])] {
        assert_eq!(ends_as(Sleep, defaults(), &input, 60_000), "failed non_retryable bad_input", "{input}");
    }
    assert_eq!(ends_as(Sleep, defaults(), &json!({ "ms": 600_000 }), 5), "failed timeout timeout");
}

#[test]
fn the_largest_report_is_taken_and_one_byte_more_is_a_failure() {
    let size = |output: &str| {
        let outcome = ReportOutcome::Completed(Json::from_value(&json!(output)));
        let task = task("node", 1, &json!(null));
        report::encode(&Report { dispatch_id: task.dispatch_id, workflow_id: task.workflow_id, outcome, usage: None })
            .len()
    };
    let (fits, over) = ("x".repeat(500), "x".repeat(501));
    let settings = || RunnerSettings { max_report_bytes: size(&fits), ..RunnerSettings::default() };
    assert_eq!(ends_as(Echo, settings(), &json!(fits), 60_000), format!("completed \"{fits}\""));
    assert_eq!(ends_as(Echo, settings(), &json!(over), 60_000), "failed non_retryable output_too_large");
}

#[test]
fn what_was_used_is_reported_with_the_end_and_not_before() {
    let log = FakeLog::new(1);
    let agent = agent_fn(|call: Call| async move {
        call.meter.add(usage());
        tokio::time::sleep(Duration::from_millis(50)).await;
        call.meter.add(usage());
        Ok(json!(1))
    });
    let running =
        Running::start(&log, agent, RunnerSettings { started_after: Duration::ZERO, ..RunnerSettings::default() });
    log.put_task(0, &task("costly", 1, &json!(1)));
    until("it is reported", || said(&log, "costly").len() == 2);
    let mut twice = usage();
    twice += usage();
    assert_eq!(reports(&log).into_iter().map(|report| report.usage).collect::<Vec<_>>(), [None, Some(twice)]);
    drop(running);
}

fn usage() -> Usage {
    Usage { cost: Cost::new(0.25).unwrap(), input_tokens: 2, output_tokens: 1 }
}

#[test]
fn a_panic_is_a_failure_at_any_time() {
    let defaults = RunnerSettings::default;
    let at_once = agent_fn(|_| async { panic!("out of beans") });
    assert_eq!(ends_as(at_once, defaults(), &json!(1), 60_000), "failed retryable agent_panicked");
    let later = agent_fn(|_| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        panic!("out of beans")
    });
    assert_eq!(ends_as(later, defaults(), &json!(1), 60_000), "failed retryable agent_panicked");
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            panic!("on the way out")
        }
    }
    let when_dropped = agent_fn(|_| async {
        let _trap = Trap;
        std::future::pending().await
    });
    assert_eq!(ends_as(when_dropped, defaults(), &json!(1), 5), "failed timeout timeout");
}

#[test]
fn started_is_said_of_a_node_that_takes_its_time_and_once() {
    let log = FakeLog::new(1);
    let gate = Gate::default();
    let running = Running::start(&log, gate.clone(), RunnerSettings::default());
    log.put_task(0, &task("slow", 1, &json!(1)));
    until("it is said to have started", || said(&log, "slow") == ["started"]);
    gate.open_all();
    until("it is reported", || said(&log, "slow").len() > 1);
    running.stop();
    assert_eq!(said(&log, "slow"), ["started", "completed {\"node\":\"slow\"}"]);
}

#[test]
fn a_deadline_drops_the_work() {
    let log = FakeLog::new(1);
    let gate = Gate::default();
    let running = Running::start(&log, gate.clone(), RunnerSettings::default());
    let mut task = task("node", 1, &json!(1));
    task.timeout_ms = 1;
    log.put_task(0, &task);
    until("its time is over", || said(&log, "node").contains(&"failed timeout timeout".to_owned()));
    assert_eq!(gate.dropped(), 1);
    running.stop();
}

#[test]
fn what_is_no_task_of_ours_is_skipped_and_done() {
    let log = FakeLog::new(1);
    let running = Running::start(&log, Echo, RunnerSettings::default());
    for rubbish in [None, Some(""), Some("{"), Some("{}"), Some("\u{0}\u{1}"), Some("[1]")] {
        log.put(ready(), 0, rubbish.map(Bytes::from), Vec::new());
    }
    log.put(ready(), 0, Some(Bytes::from("[".repeat(100_000))), Vec::new());
    log.put(ready(), 0, Some(Bytes::from_static(&[0xff, 0xfe])), Vec::new());
    let mut elsewhere = task("elsewhere", 1, &json!(1));
    elsewhere.reply_topic = "other.results".to_owned();
    log.put_task(0, &elsewhere);
    let mut stranger = task("stranger", 1, &json!(1));
    stranger.agent_name = crate::house::name("other");
    log.put_task(0, &stranger);
    let mut nowhere = task("nowhere", 1, &json!(1));
    nowhere.reply_partition = 999;
    log.put_task(0, &nowhere);
    let last = log.put_task(0, &task("good", 1, &json!("here")));
    until("the last is reported", || said(&log, "good") == ["completed \"here\""]);
    until("all are done", || log.committed(0).is_some_and(|committed| committed.offset == last + 1));
    running.stop();
    assert_eq!(reports(&log).len(), 1);
}

#[test]
fn a_repeated_dispatch_is_not_run_again() {
    let log = FakeLog::new(2);
    let gate = Gate::default();
    let running = Running::start(&log, gate.clone(), RunnerSettings::default());
    log.put_task(0, &task("a", 1, &json!(1)));
    until("it is under way", || gate.runs("a") == 1);
    // While it is under way: in the same partition, and in another.
    log.put_task(0, &task("a", 1, &json!(1)));
    log.put_task(1, &task("a", 1, &json!(1)));
    log.put_task(1, &task("b", 1, &json!(1)));
    until("what comes after it is under way", || gate.runs("b") == 1);
    gate.open_all();
    let end = "completed {\"node\":\"a\"}".to_owned();
    let ends = || said(&log, "a").into_iter().filter(|words| *words == end).count();
    until("all three records are done", || {
        log.committed(0).is_some_and(|c| c.offset == 2) && log.committed(1).is_some_and(|c| c.offset == 2)
    });
    assert_eq!(ends(), 1);
    // After its end: the same report once more.
    log.put_task(0, &task("a", 1, &json!(1)));
    until("its report is sent again", || ends() == 2);
    running.stop();
    assert_eq!(gate.runs("a"), 1);
}

#[test]
fn an_attempt_below_one_that_was_seen_is_reported_and_not_run() {
    let log = FakeLog::new(1);
    let running = Running::start(&log, Echo, RunnerSettings::default());
    log.put_task(0, &task("a", 2, &json!("second")));
    log.put_task(0, &task("a", 1, &json!("first")));
    log.put_task(0, &task("a", 3, &json!("third")));
    until("all are done", || log.committed(0).is_some_and(|committed| committed.offset == 3));
    running.stop();
    let mut said = said(&log, "a");
    said.sort();
    assert_eq!(said, ["completed \"second\"", "completed \"third\"", "failed retryable superseded"]);
}

#[test]
fn an_agent_that_blocks_does_not_keep_its_neighbours_waiting() {
    // Eight attempts that each block a thread: they meet only if at least two run beside each other.
    let log = FakeLog::new(1);
    let meeting = std::sync::Arc::new(std::sync::Barrier::new(2));
    let agent = agent_fn(move |_| {
        let meeting = meeting.clone();
        async move {
            // The first of all is tried on the polling thread; it must not meet anyone there.
            std::thread::sleep(Duration::from_millis(2));
            tokio::task::yield_now().await;
            meeting.wait();
            Err(Failure::new(FailureClass::Cancelled, "met", "they met").into())
        }
    });
    let running = Running::start(&log, agent, RunnerSettings::default());
    for node in 0..8 {
        log.put_task(0, &task(&format!("n{node}"), 1, &json!(1)));
    }
    until("all have met", || reports(&log).len() >= 8);
    running.stop();
}
