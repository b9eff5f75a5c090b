//! Faults of the engine's own code: one partition's are not the others', and they do not spin.

use super::lines::Lines;
use super::town::{Town, id_in, one_node};
use super::wires::{Board, Wired};
use orchestrator::core::time::Timestamp;
use orchestrator::engine::EngineSettings;
use orchestrator::engine::thread::{EngineStatus, ThreadParts, spawn};
use orchestrator::local::NoLocalAgents;
use orchestrator::log::Log;
use orchestrator::log::Topic;
use orchestrator::log::memory::{Clock, MemoryLog, ProcessId};
use orchestrator::log::plan::topic_plan;
use orchestrator::wire::report::ReportOutcome;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn a_panic_outside_of_an_input_stops_its_partition_alone_and_it_recovers() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let (here, there) = (id_in(0, "here"), id_in(1, "there"));
    let task = town.begin("job", &here);
    town.report(&task, ReportOutcome::Started);
    town.until("the node runs", |town| town.events(&here).contains(&"NodeStarted"));
    // Its deadline passes, and whoever looks for its result panics.
    town.board.lock().unwrap().panics = Some((Topic::Results, 0));
    town.until("the deadline has led to a panic", |town| town.board.lock().unwrap().panicked > 0);
    assert!(town.owner(0).is_none());
    let task = town.begin("job", &there);
    town.complete(&task);
    town.until("the other partition goes on", |town| town.is_answered(&there));
    // It is tried again and again, less and less often.
    town.turns_for(Duration::from_secs(1_800));
    let panicked = town.board.lock().unwrap().panicked;
    assert!((10..60).contains(&panicked), "{panicked} panics in half an hour");
    assert_eq!(town.takings(1), 1);
    town.board.lock().unwrap().panics = None;
    town.until("the deadline fires", |town| town.is_answered(&here));
    assert_eq!(town.responses(&here), ["answer"]);
}

#[test]
fn a_run_that_cannot_be_decided_is_named_and_set_aside_and_the_others_go_on() {
    let mut town = Town::new(&[one_node("job")]);
    let (guilty, bystander) = (id_in(0, "guilty"), id_in(0, "bystander"));
    // The end of this run is logged, and that panics: after its events have been applied, by a deadline.
    let words = ["a run has failed".to_owned(), guilty.clone()];
    let lines = Lines { panic_at: Some(words), ..Lines::default() };
    lines.during(|| {
        town.start_and_own();
        let task = town.begin("job", &guilty);
        town.report(&task, ReportOutcome::Started);
        town.until("the node runs", |town| town.events(&guilty).contains(&"NodeStarted"));
        town.until("the run is set aside", |_| !lines.with(&["is set aside", &guilty]).is_empty());
        let faults = lines.with(&["a fault of the engine", "partition=0", &guilty]);
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert_eq!(town.takings(0), 4);
        let task = town.begin("job", &bystander);
        town.complete(&task);
        town.until("the other run is answered", |town| town.is_answered(&bystander));
        town.turns_for(Duration::from_secs(60));
        assert!(town.is_unfinished(&guilty), "a run that is set aside waits");
        assert_eq!(town.takings(0), 4);
    });
    // Another process can.
    town.kill();
    town.start_and_own();
    town.until("the run fails by its deadline", |town| town.is_answered(&guilty));
}

#[test]
fn a_panic_of_the_whole_engine_does_not_end_its_thread() {
    let log = MemoryLog::new(Clock::at(Timestamp::from_millis(1)), 1);
    log.process(ProcessId(0)).create_topics(&topic_plan(2, 1)).unwrap();
    let board = Board::default();
    board.lock().unwrap().joins_that_panic = 1;
    let (stop, status) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(EngineStatus::default())));
    let thread = spawn(ThreadParts {
        log: Arc::new(Wired { process: log.process(ProcessId(1)), board: board.clone() }),
        local: Arc::new(NoLocalAgents),
        store: None,
        settings: EngineSettings { partitions: 2, ..EngineSettings::default() },
        stop: stop.clone(),
        status: status.clone(),
    })
    .unwrap();
    while status.lock().unwrap().owned != [0, 1] {
        assert!(!thread.is_finished(), "the engine's thread has ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(board.lock().unwrap().joins_that_panic, 0);
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}
