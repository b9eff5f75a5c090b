//! The projector: whatever happens between two polls, the rows equal the fold of the events that count.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "shared with the conformance suite")]
#[path = "support/histories.rs"]
mod histories;
#[path = "support/shelf.rs"]
mod shelf;

use histories::{BEGIN, History, chain_over, choices, completed, scheduled, workflow_completed};
use orchestrator::core::event::{Event, Recorded};
use orchestrator::core::id::NodeId;
use orchestrator::core::json::Json;
use orchestrator::core::time::Timestamp;
use orchestrator::log::{Log, Topic};
use orchestrator::projector::{Lags, Progress, Projector, ProjectorError, ProjectorThread, StoreAnswer, run_all};
use orchestrator::store::memory::MemoryStore;
use orchestrator::store::query::{Filter, Query};
use orchestrator::store::{Store, StoredRun};
use proptest::prelude::*;
use shelf::{CODEC, Fault, Shelf, step, taken};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

fn projector(log: &Shelf, store: &(impl Store + Clone + 'static)) -> Projector {
    Projector::with_codec(log, Arc::new(store.clone()), 0, CODEC).unwrap()
}

/// Polls until everything is in the store.
fn finish(projector: &mut Projector, log: &Shelf) -> Progress {
    let end = log.ends(&Topic::Journal, 0).unwrap().high;
    for _ in 0..10_000 {
        let progress = projector.poll(NOW).unwrap();
        if progress.caught_up && progress.next_offset == end {
            return progress;
        }
    }
    panic!("it does not catch up");
}

/// Writes histories into a journal, step by step, with void records of every kind between; where each run's events
/// stand.
fn write(log: &Shelf, histories: &[History], sizes: &[u8]) -> BTreeMap<String, Vec<u64>> {
    let (mut term, mut number, mut offsets) = (1, 0, BTreeMap::<String, Vec<u64>>::new());
    let mut rest: Vec<&[Recorded]> = histories.iter().map(|history| &*history.events).collect();
    let mut sizes = sizes.iter().cycle();
    log.write(0, step(1, 1, &[]));
    log.write(0, taken(1));
    while rest.iter().any(|events| !events.is_empty()) {
        let mut events = Vec::new();
        for history in &mut rest {
            let size = usize::from(1 + sizes.next().unwrap() % 5).min(history.len());
            let (now, later) = history.split_at(size);
            events.extend_from_slice(now);
            *history = later;
        }
        number += 1;
        let offset = log.write(0, step(term, number, &events));
        for event in events {
            let offsets = offsets.entry(event.run_id.to_string()).or_default();
            if offsets.last() != Some(&offset) {
                offsets.push(offset);
            }
        }
        match sizes.next().unwrap() {
            0..20 => drop(log.write(0, step(term, number, &[]))), // a twin
            20..40 => drop(log.write(0, step(term + 1, number + 1, &[]))), // not the owner
            40..60 => drop(log.write(0, step(term, number + 2, &[]))), // a gap
            60..80 => drop(log.write(0, taken(term))),
            80..90 => drop(log.append(0, "rubbish".into())),
            90..120 => {
                term += 3;
                log.write(0, taken(term));
                log.write(0, step(term - 3, number + 1, &[])); // a zombie
            }
            _ => {}
        }
    }
    offsets
}

/// The numbers of the events by which attempts ended that were under way: a node may also fail without one.
fn called(events: &[Recorded]) -> Vec<u64> {
    let (mut open, mut called) = (BTreeSet::new(), Vec::new());
    for recorded in events {
        let is_end = match &recorded.event {
            Event::NodeScheduled(event) => !open.insert(event.node_id.clone()),
            Event::NodeCompleted(event) => open.remove(&event.node_id),
            Event::NodeFailed(event) => open.remove(&event.node_id),
            _ => false,
        };
        called.extend(is_end.then_some(recorded.sequence));
    }
    called
}

/// The store holds exactly what the histories fold to.
fn check(store: &MemoryStore, histories: &[History], offsets: &BTreeMap<String, Vec<u64>>) {
    let snapshot = store.snapshot(0, Timestamp(0), usize::MAX).unwrap().unwrap();
    let unfinished = histories.iter().filter(|history| history.run.ended_at.is_none());
    let stored = |history: &History| StoredRun { run: history.run.clone(), chain: chain_over(&history.events) };
    assert_eq!(snapshot.runs, unfinished.map(stored).collect::<Vec<_>>());
    let (mut calls, mut failures) = (0, 0);
    for history in histories {
        let run_id = &history.run.run_id;
        assert_eq!(store.run(&history.run.workflow_id, Some(run_id)).unwrap(), Some((0, history.run.clone())));
        assert_eq!(store.offsets(run_id).unwrap(), offsets[run_id.as_str()]);
        let sequences = |wanted: fn(&Event) -> bool| -> Vec<u64> {
            let events = history.events.iter().filter(|recorded| wanted(&recorded.event));
            events.map(|recorded| recorded.sequence).collect()
        };
        let ended = sequences(|event| matches!(event, Event::NodeCompleted(_) | Event::NodeFailed(_)));
        let failed = sequences(|event| matches!(event, Event::NodeFailed(_)));
        let errors = sequences(|event| matches!(event, Event::NodeFailed(_) | Event::WorkflowFailed(_)));
        let transitions = sequences(|event| matches!(event, Event::StateTransitioned(_)));
        let called = called(&history.events);
        let operations: BTreeSet<u64> = called.iter().copied().chain(transitions).collect();
        calls += called.len();
        failures += failed.iter().filter(|sequence| called.contains(sequence)).count();
        let found: Vec<u64> = store.results(run_id).unwrap().iter().map(|row| row.sequence).collect();
        assert_eq!(found, ended);
        let found: Vec<u64> = store.errors(run_id).unwrap().iter().map(|row| row.sequence).collect();
        assert_eq!(found, errors);
        let found: Vec<u64> = store.operations(run_id).unwrap().iter().map(|row| row.sequence).collect();
        assert_eq!(found, operations.into_iter().collect::<Vec<_>>());
    }
    let metrics = store.metrics(Timestamp(0)).unwrap();
    assert_eq!(metrics.iter().map(|(_, row)| row.calls).sum::<u64>(), calls as u64);
    assert_eq!(metrics.iter().map(|(_, row)| row.failures).sum::<u64>(), failures as u64);
    assert_eq!(metrics.iter().flat_map(|(_, row)| row.buckets).sum::<u64>(), calls as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rows_equal_the_fold_whatever_happens_between_two_polls(
        lists in proptest::collection::vec(choices(25), 1..5),
        sizes in proptest::collection::vec(any::<u8>(), 1..40),
        at_once in 1..12usize,
        happenings in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let log = Shelf::new(at_once);
        let histories: Vec<History> = lists.iter().enumerate().map(|(n, list)| History::made(n as u64, list)).collect();
        let offsets = write(&log, &histories, &sizes);
        let store = MemoryStore::new();
        let (mut one, mut other) = (projector(&log, &store), projector(&log, &store));
        for happening in happenings {
            match happening {
                0..20 => one = projector(&log, &store), // it crashed
                20..40 => drop(other.poll(NOW).unwrap()),
                40..55 => store.set_away(true),
                55..80 => store.set_away(false),
                80..95 => store.lose_confirmations(1),
                95..110 => store.lose_newest(usize::from(happening % 4)),
                110..120 => store.sync(),
                _ => {
                    one.poll(NOW).unwrap();
                }
            }
        }
        store.set_away(false);
        store.lose_confirmations(0);
        finish(&mut one, &log);
        check(&store, &histories, &offsets);
    }
}

fn one_history(number: u64) -> History {
    let mut history = History::started(number, &format!("w{number}"), &Json::null());
    let node = NodeId::new("a").unwrap();
    history.then(1, scheduled(node.clone(), 0, 1, &Json::null()));
    history.then(1, completed(node, 1, &Json::null()));
    history
}

/// A journal of ten steps with one run each, projected.
fn projected() -> (Shelf, MemoryStore) {
    let (log, store) = (Shelf::new(100), MemoryStore::new());
    log.write(0, taken(1));
    for number in 1..=10 {
        log.write(0, step(1, number, &one_history(number).events));
    }
    let progress = finish(&mut projector(&log, &store), &log);
    assert_eq!((progress.next_offset, progress.void_records), (11, 0));
    (log, store)
}

fn runs(store: &MemoryStore) -> usize {
    store.runs(&Filter { limit: 10_000, ..Filter::default() }).unwrap().len()
}

#[test]
fn a_journal_that_is_not_the_one_that_was_projected_is_not_projected() {
    type Harm = fn(&Shelf);
    let shorter: Harm = |log| log.truncate(0, 7);
    let emptied: Harm = |log| log.truncate(0, 0);
    let cut_at_the_mark: Harm = |log| log.truncate(0, 10);
    let another: Harm = |log| {
        log.truncate(0, 10);
        for number in 10..=20 {
            log.write(0, step(2, number, &[]));
        }
    };
    let rubbish: Harm = |log| {
        log.truncate(0, 10);
        log.append(0, "rubbish".into());
        log.append(0, "rubbish".into());
    };
    for (name, harm) in [
        ("shorter", shorter),
        ("emptied", emptied),
        ("cut at the mark", cut_at_the_mark),
        ("another", another),
        ("rubbish", rubbish),
    ] {
        let (log, store) = projected();
        let before = store.position(0).unwrap();
        harm(&log);
        let mut projector = projector(&log, &store);
        for _ in 0..3 {
            match projector.poll(NOW) {
                Err(ProjectorError::JournalLost { partition: 0, from, .. }) => assert!(from <= 10, "{name}: {from}"),
                other => panic!("{name}: expected the loss to be noticed, found {other:?}"),
            }
        }
        assert_eq!(store.position(0).unwrap(), before, "{name}");
    }
}

#[test]
fn a_journal_that_lost_void_records_alone_is_not_projected_either() {
    let (log, store) = projected();
    log.write(0, taken(1));
    log.write(0, taken(1));
    assert_eq!(finish(&mut projector(&log, &store), &log).next_offset, 13);
    log.truncate(0, 12);
    match projector(&log, &store).poll(NOW) {
        Err(ProjectorError::JournalLost { from: 12, to: 13, .. }) => {}
        other => panic!("expected the loss to be noticed, found {other:?}"),
    }
}

#[test]
fn a_position_of_takings_and_void_records_alone_is_gone_on_from() {
    let (log, store) = (Shelf::new(100), MemoryStore::new());
    log.write(0, step(1, 1, &[]));
    assert_eq!(finish(&mut projector(&log, &store), &log).next_offset, 1);
    log.write(0, taken(1));
    log.write(0, taken(2));
    assert_eq!(finish(&mut projector(&log, &store), &log).next_offset, 3);
    log.write(0, step(1, 1, &one_history(1).events)); // by the owner that lost the partition
    log.write(0, step(2, 1, &one_history(2).events));
    let progress = finish(&mut projector(&log, &store), &log);
    assert_eq!((progress.next_offset, progress.void_records, runs(&store)), (5, 1, 1));
    assert_eq!(store.position(0).unwrap().unwrap().mark.unwrap().number, Some(1));
}

#[test]
fn while_the_store_is_away_nothing_is_lost_and_nothing_is_written_twice() {
    let (log, store) = projected();
    let mut projector = projector(&log, &store);
    finish(&mut projector, &log);
    store.set_away(true);
    for number in 11..=20 {
        log.write(0, step(1, number, &one_history(number).events));
        let progress = projector.poll(NOW).unwrap();
        assert_eq!((progress.store, progress.next_offset), (StoreAnswer::Away, 11));
    }
    store.set_away(false);
    assert_eq!(finish(&mut projector, &log).next_offset, 21);
    assert_eq!(runs(&store), 20);
}

#[test]
fn a_projector_starts_when_the_store_comes_up() {
    let (log, store) = projected();
    store.set_away(true);
    let mut projector = projector(&log, &store);
    assert_eq!(projector.poll(NOW).unwrap().store, StoreAnswer::Away);
    store.set_away(false);
    assert_eq!(finish(&mut projector, &log).next_offset, 11);
}

#[test]
fn a_second_projector_reads_the_state_of_the_first() {
    let (log, store) = projected();
    let (mut one, mut other) = (projector(&log, &store), projector(&log, &store));
    finish(&mut one, &log);
    finish(&mut other, &log);
    log.write(0, step(1, 11, &one_history(11).events));
    assert_eq!(finish(&mut one, &log).next_offset, 12);
    let progress = other.poll(NOW).unwrap();
    assert_eq!((progress.store, progress.caught_up), (StoreAnswer::Fenced, false));
    assert_eq!(finish(&mut other, &log).next_offset, 12);
    assert_eq!(runs(&store), 11);
}

#[test]
fn a_record_of_a_newer_version_stops_the_partition_after_what_was_before_it() {
    let (log, store) = projected();
    log.write(0, step(1, 11, &one_history(11).events));
    log.append(0, shelf::NEWER.into());
    let mut projector = projector(&log, &store);
    assert_eq!(projector.poll(NOW).unwrap().committed, 1);
    for _ in 0..2 {
        let fault = projector.poll(NOW).unwrap_err();
        assert!(matches!(fault, ProjectorError::Unreadable { offset: 12, .. }), "{fault}");
        assert!(fault.to_string().contains("a newer orchestrator is needed"), "{fault}");
    }
    assert_eq!(runs(&store), 11);
}

#[test]
fn a_broken_history_stops_the_partition_and_is_not_written() {
    let (log, store) = projected();
    let mut history = one_history(11);
    history.events.remove(1);
    log.write(0, step(1, 11, &history.events));
    let fault = projector(&log, &store).poll(NOW).unwrap_err();
    assert!(matches!(fault, ProjectorError::BrokenHistory { offset: 11, .. }), "{fault}");
    assert_eq!(runs(&store), 10);
}

#[test]
fn runs_that_have_ended_are_forgotten_and_stay_in_the_store() {
    let (log, store) = projected();
    let mut projector = projector(&log, &store);
    let mut history = one_history(11);
    history.then(1, workflow_completed(&history.run, Json::null()));
    log.write(0, step(1, 11, &history.events));
    finish(&mut projector, &log);
    let (_, run) = store.run(&history.run.workflow_id, None).unwrap().unwrap();
    assert_eq!(run, history.run);
    let snapshot = store.snapshot(0, Timestamp(BEGIN), 10).unwrap().unwrap();
    assert_eq!((snapshot.runs.len(), snapshot.ended.len()), (10, 1));
}

#[test]
fn a_thread_projects_all_partitions_and_one_that_is_lost_does_not_hold_up_the_others() {
    let (log, store) = projected();
    log.truncate(0, 4);
    for partition in [1, 2] {
        log.write(partition, taken(1));
        for number in 1..=50 {
            log.write(partition, step(1, number, &one_history(u64::from(partition) * 1_000 + number).events));
        }
    }
    let partitions = [0, 1, 2];
    let (stop, lags) = (AtomicBool::new(false), Lags::new(&partitions));
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| run_all(&log, &store, &partitions, CODEC, &stop, &lags));
        loop {
            let lags = lags.read(&log).unwrap();
            let read = lags.iter().all(|lag| lag.ours);
            if read && lags[0].stopped && lags[1].records() == 0 && lags[2].records() == 0 {
                break;
            }
            assert!(!thread.is_finished());
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap().unwrap();
    });
    assert_eq!(runs(&store), 110);
    assert_eq!(store.position(1).unwrap().unwrap().next_offset, 51);
}

#[test]
fn a_projector_that_fails_is_made_anew_and_says_so_until_it_works() {
    let (log, store, stop) = (Shelf::new(100), MemoryStore::new(), Arc::new(AtomicBool::new(false)));
    *log.faults.lock().unwrap() = vec![Fault::Panics, Fault::Refused];
    let thread = ProjectorThread::spawn(Arc::new(log.clone()), Arc::new(store), vec![0], stop.clone()).unwrap();
    until(|| thread.lags().waiting().is_some_and(|waits| waits.contains("made anew")));
    until(|| thread.lags().waiting().is_none());
    assert!(log.faults.lock().unwrap().is_empty());
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}

#[test]
fn what_another_projector_writes_is_not_counted_as_this_ones() {
    let (log, store) = projected();
    let (stop, lags) = (AtomicBool::new(false), Lags::new(&[0]));
    let ours = |lags: &Lags| lags.read(&log).unwrap()[0].ours;
    assert!(!ours(&lags), "the store has not been asked");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| run_all(&log, &store, &[0], CODEC, &stop, &lags));
        until(|| ours(&lags) && lags.read(&log).unwrap()[0].records() == 0);
        let mut other = projector(&log, &store);
        let mut number = 10;
        // Whoever commits first keeps the other one out; sooner or later that is the other one.
        until(|| {
            number += 1;
            log.write(0, step(1, number, &one_history(number).events));
            other.poll(NOW).unwrap();
            !ours(&lags)
        });
        until(|| ours(&lags) && lags.read(&log).unwrap()[0].records() == 0);
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap().unwrap();
    });
}

fn until(mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}
