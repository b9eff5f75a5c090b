//! What is committed, what is run again, and how much is taken.

use crate::fake_log::FakeLog;
use crate::house::{Gate, Put, Running, ready, reports, said, task, until};
use orchestrator::worker::RunnerSettings;
use orchestrator::worker::builtin::Echo;
use serde_json::json;

fn node(number: usize) -> String {
    format!("n{number}")
}

fn put_nodes(log: &FakeLog, count: usize) {
    (0..count).for_each(|number| {
        log.put_task(0, &task(&node(number), 1, &json!(number)));
    });
}

#[test]
fn what_is_done_above_what_is_not_is_remembered_over_a_restart() {
    let log = FakeLog::new(1);
    let gate = Gate::default();
    let running = Running::start(&log, gate.clone(), RunnerSettings::default());
    put_nodes(&log, 5);
    until("all are under way", || gate.begun() == 5);
    [1, 2, 4].into_iter().for_each(|number| gate.open(&node(number)));
    until("what is done is committed", || {
        log.committed(0).is_some_and(|committed| (committed.offset, committed.metadata.as_str()) == (0, "1:1,2,1,1"))
    });
    drop(running);
    // Another process comes after a crash of the first: it has the commit and nothing else.
    let (again, second) = (Gate::default(), FakeLog::new(1));
    put_nodes(&second, 5);
    second.commit(0, 0, "1:1,2,1,1");
    again.open_all();
    let running = Running::start(&second, again.clone(), RunnerSettings::default());
    until("all is done", || second.committed(0).is_some_and(|committed| committed.offset == 5));
    running.stop();
    let runs: Vec<usize> = (0..5).map(|number| again.runs(&node(number))).collect();
    assert_eq!(runs, [1, 0, 0, 1, 0]);
}

#[test]
fn a_topic_made_anew_is_run_from_its_start() {
    let log = FakeLog::new(1);
    log.commit(0, 1_000, "1:1,5");
    let running = Running::start(&log, Echo, RunnerSettings::default());
    // The log gives what is there, from 0, though 1,000 was committed.
    until("the member has joined", || log.members().0 == 1);
    log.revoke(&ready(), 0);
    until("it has given the partition up", || log.commits().iter().any(|(_, _, waited)| *waited));
    log.commit(0, 0, "rubbish");
    log.give(&ready(), 0);
    put_nodes(&log, 3);
    until("all is done", || log.committed(0).is_some_and(|committed| committed.offset == 3));
    running.stop();
    assert_eq!(reports(&log).len(), 3);
}

#[test]
fn no_more_run_at_once_than_allowed_and_partitions_are_held_back_meanwhile() {
    let log = FakeLog::new(1);
    let gate = Gate::default();
    let settings = RunnerSettings { concurrency: 3, ..RunnerSettings::default() };
    let running = Running::start(&log, gate.clone(), settings);
    put_nodes(&log, 40);
    until("the partition is held back", || log.pauses().1 == 1);
    until("every place is taken", || gate.begun() >= 3);
    assert_eq!(gate.begun(), 3);
    // One place is free, one attempt gets it.
    gate.open("n0");
    until("the next is under way", || gate.begun() == 4);
    assert_eq!(said(&log, "n0").last().unwrap(), "completed {\"node\":\"n0\"}");
    gate.open_all();
    until("all is done", || log.committed(0).is_some_and(|committed| committed.offset == 40));
    running.stop();
    assert!((0..40).all(|number| gate.runs(&node(number)) == 1));
}

#[test]
fn stop_finishes_what_runs_and_leaves_what_waits() {
    let log = FakeLog::new(1);
    let gate = Gate::default();
    let settings = RunnerSettings { concurrency: 4, ..RunnerSettings::default() };
    let running = Running::start(&log, gate.clone(), settings);
    put_nodes(&log, 5);
    until("four are under way and one waits", || gate.begun() == 4);
    running.ask_to_stop();
    until("it holds back what it does not take", || log.pauses().1 == 1);
    assert!(!running.has_ended());
    gate.open_all();
    running.stop();
    assert_eq!(gate.begun(), 4);
    let (_, committed, waited) = log.commits().pop().unwrap();
    assert_eq!((committed.offset, waited), (4, true));
    assert_eq!(log.members(), (1, 1));
}

#[test]
fn stop_does_not_wait_for_ever() {
    let log = FakeLog::new(1);
    let gate = Gate::default();
    let settings = RunnerSettings { stop_timeout: std::time::Duration::from_millis(50), ..RunnerSettings::default() };
    let running = Running::start(&log, gate.clone(), settings);
    put_nodes(&log, 1);
    until("it is under way", || gate.begun() == 1);
    running.stop();
    assert_eq!(gate.dropped(), 1);
    assert_eq!(log.committed(0).map(|committed| committed.offset), Some(0), "it will be run again");
    assert!(said(&log, "n0").iter().all(|words| words == "started"));
}

#[test]
fn what_runs_is_reported_when_its_partition_has_gone_and_what_waits_is_left() {
    let log = FakeLog::new(1);
    let gate = Gate::default();
    let settings = RunnerSettings { concurrency: 1, ..RunnerSettings::default() };
    let running = Running::start(&log, gate.clone(), settings);
    put_nodes(&log, 3);
    until("one is under way and the others wait", || gate.begun() == 1 && log.pauses().1 == 1);
    log.revoke(&ready(), 0);
    until("it is given up with a last commit", || log.commits().iter().any(|(_, _, waited)| *waited));
    gate.open_all();
    until("its result is reported", || said(&log, "n0").contains(&"completed {\"node\":\"n0\"}".to_owned()));
    let commits = log.commits().len();
    // Given back: the first is recognised and its report sent again, the others are run.
    log.give(&ready(), 0);
    until("all is done", || log.committed(0).is_some_and(|committed| committed.offset == 3));
    running.stop();
    assert!((0..3).all(|number| gate.runs(&node(number)) == 1));
    assert!(log.commits().len() > commits);
}
