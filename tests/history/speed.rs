//! How long `history` and `replay` of one run take on a large journal in Kafka.

use crate::histories::{History, completed, run_id, scheduled, workflow_completed};
use bytes::Bytes;
use orchestrator::core::event::{Event, NodeStarted};
use orchestrator::core::id::NodeId;
use orchestrator::core::json::Json;
use orchestrator::core::time::Timestamp;
use orchestrator::journal::record::{Cause, JournalRecord, Owner, PartitionTaken, Step, Transition};
use orchestrator::log::kafka::{KafkaLog, KafkaSettings};
use orchestrator::log::plan::topic_plan;
use orchestrator::log::{AppendError, Log, NewRecord, Purpose, Topic};
use orchestrator::store::row::{OffsetsRow, ProjectionBatch, RunRow};
use orchestrator::store::{JournalMark, Position};
use orchestrator::wire::{chain, event, journal};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

const OWNER: Owner = Owner([7; 16]);

fn step(number: u64, body: Bytes) -> JournalRecord {
    let events = vec![body];
    let transition = Transition { cause: Cause::Timer, chain: chain::START, traceparent: None, events, input: None };
    JournalRecord::Step(Step {
        term: 1,
        owner: OWNER,
        number,
        time: Timestamp(0),
        positions: vec![],
        effects_through: None,
        transitions: vec![transition],
    })
}

fn taken() -> JournalRecord {
    let text = String::new;
    JournalRecord::PartitionTaken(PartitionTaken {
        term: 1,
        owner: OWNER,
        time: Timestamp(0),
        group: text(),
        host: text(),
        version: text(),
        cluster: text(),
    })
}

/// Appends journal records as fast as they are taken.
fn append_all(log: &dyn Log, records: impl Iterator<Item = JournalRecord>) {
    let mut appender = log.appender(Purpose::Journal).unwrap();
    let mut acks = Vec::new();
    for (token, record) in records.enumerate() {
        let value = Some(journal::encode(&record));
        let record = NewRecord { topic: Topic::Journal, partition: Some(0), key: None, value, headers: vec![] };
        while let Err(error) = appender.append(record.clone(), token as u64) {
            assert_eq!(error, AppendError::Full);
            appender.poll(&mut acks);
        }
        appender.poll(&mut acks);
    }
    while appender.in_flight() > 0 {
        appender.poll(&mut acks);
    }
    assert!(acks.iter().all(|ack| ack.result.is_ok()));
}

/// A run of 50 events.
fn asked_for() -> History {
    let mut history = History::started(1, "asked for", &Json::null());
    for number in 0..16 {
        let node = NodeId::new(&format!("node-{number}")).unwrap();
        history.then(1, scheduled(node.clone(), number, 1, &Json::null()));
        history.then(1, Event::NodeStarted(NodeStarted { node_id: node.clone(), attempt: 1, local: false }));
        history.then(1, completed(node, 1, &Json::null()));
    }
    history.then(1, workflow_completed(&history.run, Json::null()));
    assert_eq!(history.events.len(), 50);
    history
}

fn store_knows(url: &str, history: &History, offsets: Vec<u64>, last: u64) {
    let store = orchestrator::store::open(url).unwrap();
    store.migrate().unwrap();
    let next = Position {
        next_offset: last + 1,
        mark: Some(JournalMark { offset: last, term: 1, owner: OWNER.0, number: Some(last) }),
        inputs: vec![],
        effects_through: None,
        partition_sequence: 0,
        partition_chain: chain::START,
        time: Timestamp(0),
        breakers: BTreeMap::new(),
        generation: 0,
    };
    let batch = ProjectionBatch {
        partition: 0,
        expected: None,
        next,
        runs: vec![RunRow { run: history.run.clone(), chain: chain::START }],
        carried: vec![],
        results: vec![],
        operations: vec![],
        errors: vec![],
        letters: vec![],
        handled: vec![],
        metrics: vec![],
        offsets: vec![OffsetsRow { run_id: run_id(1), offsets }],
        workflow_offsets: vec![],
    };
    store.commit(&batch).unwrap();
}

/// `HISTORY_STEPS` steps (200,000 where it does not say), among which the run's 50 events stand `HISTORY_SPREAD` steps
/// apart. Prints how long the commands take; ORCHESTRATOR_TEST_KAFKA names the broker.
#[test]
#[ignore = "measures, and needs a Kafka"]
fn a_run_of_fifty_events_among_many() {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |text| text.parse().unwrap());
    let steps = number("HISTORY_STEPS", 200_000);
    let brokers = std::env::var("ORCHESTRATOR_TEST_KAFKA").unwrap();
    let namespace = format!("speed-{}", rand::random::<u32>());
    let log = KafkaLog::connect(KafkaSettings {
        brokers: brokers.clone(),
        namespace: namespace.clone(),
        client_id: "speed".to_owned(),
        journal_timeout: Duration::from_secs(60),
        properties: BTreeMap::new(),
    })
    .unwrap();
    log.create_topics(&topic_plan(1, 1)).unwrap();
    let history = asked_for();
    let filler = event::encode(&History::started(2, "other", &Json::null()).events[0]);
    let begun = Instant::now();
    let mut written = 0;
    for spread in [1, 300, number("HISTORY_SPREAD", 3_000)] {
        let place =
            |n: u64| (n >= steps / 4 && (n - steps / 4).is_multiple_of(spread)).then(|| (n - steps / 4) / spread);
        let body = |n: u64| {
            let event = place(n).and_then(|at| history.events.get(usize::try_from(at).unwrap()));
            event.map_or_else(|| filler.clone(), event::encode)
        };
        let base = written;
        let taking = (base == 0).then(taken);
        let first = base + u64::from(base == 0);
        append_all(&log, taking.into_iter().chain((0..steps).map(|n| step(first + n, body(n)))));
        written = log.ends(&Topic::Journal, 0).unwrap().high;
        let offsets: Vec<u64> = (0..50).map(|i| first + steps / 4 + i * spread).collect();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        store_knows(&url, &history, offsets, written - 1);
        println!("{written} steps after {:?}; events {spread} apart", begun.elapsed());
        for line in [&["history", "asked for"][..], &["replay", "asked for"], &["replay", "asked for", "--to", "25"]] {
            let took: Vec<u128> = (0..5).map(|_| run(line, &brokers, &namespace, &url).as_millis()).collect();
            println!("  {line:?}: {took:?} ms");
        }
    }
}

fn run(line: &[&str], brokers: &str, namespace: &str, store: &str) -> Duration {
    let program = std::env::var("HISTORY_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_orchestrator").to_owned());
    let begun = Instant::now();
    let mut command = Command::new(program);
    command.args(line).args(["--log-url", &format!("kafka://{brokers}"), "--namespace", namespace]);
    command.args(["--state-storage", "sqlite", "--store-url", store]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    begun.elapsed()
}
