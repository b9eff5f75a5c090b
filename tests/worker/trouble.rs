//! A log that is away, slow or broken.

use crate::fake_log::{FakeLog, Mood};
use crate::house::{Put, Running, said, task, until};
use orchestrator::worker::RunnerSettings;
use orchestrator::worker::builtin::Echo;
use serde_json::json;
use std::time::Duration;

#[test]
fn a_report_is_appended_again_until_it_is_confirmed() {
    for mood in [Mood::Silent, Mood::Full, Mood::Unconfirmed, Mood::Fatal, Mood::Refusing] {
        let log = FakeLog::new(1);
        log.set_mood(mood);
        let running = Running::start(&log, Echo, RunnerSettings::default());
        let nodes: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
        for node in &nodes {
            log.put_task(0, &task(node, 1, &json!(node)));
        }
        until("the records are taken", || log.committed(0).is_some());
        assert_eq!(log.committed(0).map(|committed| committed.offset), Some(0), "{mood:?}: nothing is done");
        log.set_mood(Mood::Well);
        until("all are done", || log.committed(0).is_some_and(|committed| committed.offset == 20));
        running.stop();
        for node in &nodes {
            assert_eq!(said(&log, node), [format!("completed \"{node}\"")], "{mood:?}");
        }
        assert_eq!(log.appenders() > 1, mood == Mood::Fatal, "{mood:?}");
    }
}

#[test]
fn a_report_that_is_refused_while_others_are_taken_becomes_a_failure() {
    let log = FakeLog::new(1);
    log.set_mood(Mood::RefusingOver(600));
    let settings = RunnerSettings { refused_for: Duration::ZERO, ..RunnerSettings::default() };
    let running = Running::start(&log, Echo, settings);
    log.put_task(0, &task("large", 1, &json!("x".repeat(1_000))));
    log.put_task(0, &task("small", 1, &json!(1)));
    until("both are done", || log.committed(0).is_some_and(|committed| committed.offset == 2));
    running.stop();
    assert_eq!(said(&log, "large"), ["failed non_retryable report_refused"]);
    assert_eq!(said(&log, "small"), ["completed 1"]);
}

#[test]
fn a_log_that_is_away_at_the_start_is_waited_for() {
    let log = FakeLog::new(1);
    log.set_away(true);
    log.put_task(0, &task("node", 1, &json!(1)));
    let running = Running::start(&log, Echo, RunnerSettings::default());
    std::thread::yield_now();
    assert_eq!(log.members().0, 0);
    log.set_away(false);
    until("it is run", || said(&log, "node") == ["completed 1"]);
    running.stop();
}

#[test]
fn stop_is_heard_while_the_log_is_away() {
    let log = FakeLog::new(1);
    log.set_away(true);
    let running = Running::start(&log, Echo, RunnerSettings::default());
    running.stop();
}

#[test]
fn nothing_more_is_taken_while_too_many_reports_are_not_confirmed() {
    let log = FakeLog::new(1);
    log.set_mood(Mood::Silent);
    let settings = RunnerSettings { max_unconfirmed_reports: 5, ..RunnerSettings::default() };
    let running = Running::start(&log, Echo, settings);
    for number in 0..100 {
        log.put_task(0, &task(&format!("n{number}"), 1, &json!(number)));
    }
    until("the partition is held back", || log.pauses().1 == 1);
    log.set_mood(Mood::Well);
    until("all are done", || log.committed(0).is_some_and(|committed| committed.offset == 100));
    running.stop();
}

#[test]
fn what_an_agent_waits_for_can_be_asked() {
    let log = FakeLog::new(1);
    log.set_away(true);
    log.set_undecided(true);
    let running = Running::start(&log, Echo, RunnerSettings::default());
    let waits_for = |words: &str| running.standing.waiting().is_some_and(|waiting| waiting.contains(words));
    until("it says that the log is away", || waits_for("away"));
    log.set_away(false);
    until("it says that its group is silent", || waits_for("agent: the group has not said yet"));
    log.set_undecided(false);
    until("it takes tasks", || running.standing.waiting().is_none());
    running.stop();
}
