//! Runs and their rows, as recovery and people find them.

use super::fixture::{batch_of, step};
use super::histories::{
    Choice, History, chain, chain_over, choices, completed, decoded, scheduled, workflow_completed,
};
use orchestrator::core::event::{Event, NodeStarted};
use orchestrator::core::id::{NodeId, RunId, WorkflowId};
use orchestrator::core::json::Json;
use orchestrator::core::status::NodeStatus;
use orchestrator::core::time::Timestamp;
use orchestrator::projector::folding::Folding;
use orchestrator::store::query::RunRows;
use orchestrator::store::row::Operation;
use orchestrator::store::{Store, StoreError, StoredRun};
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// Projects histories in two batches, cut somewhere in each of them, as a projector does that crashes in between.
fn project_in_two(store: &dyn Store, partition: u32, histories: &[History], cut: usize) -> Result<(), StoreError> {
    let mut folding = Folding::new(partition, None, chain);
    for (number, part) in [false, true].into_iter().enumerate() {
        let number = number as u64;
        let mut events = Vec::new();
        for history in histories {
            let at = cut % (history.events.len() + 1);
            events.extend(decoded(if part { &history.events[at..] } else { &history.events[..at] }));
        }
        folding.step(number, &step(number + 1), &events).unwrap();
        store.commit(&folding.take_batch().unwrap())?;
        folding = Folding::new(partition, store.snapshot(partition, Timestamp(i64::MAX), 0)?, chain);
    }
    Ok(())
}

pub fn recovery_finds_every_unfinished_run_as_it_was_folded(store: Arc<dyn Store>) {
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let partition = std::cell::Cell::new(0u32);
    let lists = proptest::collection::vec(choices(30), 1..5);
    let made = runner.run(&(lists, 0..40usize), |(lists, cut): (Vec<Vec<Choice>>, usize)| {
        let partition = partition.replace(partition.get() + 1);
        let number = |index: usize| u64::from(partition) * 100 + index as u64;
        let histories: Vec<History> =
            lists.iter().enumerate().map(|(index, choices)| History::made(number(index), choices)).collect();
        project_in_two(&*store, partition, &histories, cut).unwrap();
        let found = store.snapshot(partition, Timestamp(0), 100).unwrap().unwrap();
        let unfinished = histories.iter().filter(|history| history.run.ended_at.is_none());
        let expected: Vec<StoredRun> = unfinished
            .map(|history| StoredRun { run: history.run.clone(), chain: chain_over(&history.events) })
            .collect();
        assert_eq!(found.runs, expected);
        assert_eq!(found.ended.len(), histories.len() - expected.len());
        for history in &histories {
            let one = store.query().run(&history.run.workflow_id, Some(&history.run.run_id)).unwrap();
            assert_eq!(one, Some((partition, history.run.clone())));
        }
        hold_rows_of(&*store, &histories);
        Ok(())
    });
    made.unwrap();
}

/// What is asked of many runs at once is what is asked of each; one that is not there has no rows.
fn hold_rows_of(store: &dyn Store, histories: &[History]) {
    let query = store.query();
    let mut ids: Vec<_> = histories.iter().map(|h| (h.run.workflow_id.clone(), h.run.run_id.clone())).collect();
    ids.insert(0, (WorkflowId::new("nobody").unwrap(), RunId::new(&"f".repeat(32)).unwrap()));
    let found = query.rows_of(&ids).unwrap();
    assert_eq!(found.len(), ids.len());
    for ((workflow_id, run_id), rows) in ids.iter().zip(found) {
        let expected = RunRows {
            stored: query.stored(workflow_id, Some(run_id)).unwrap(),
            results: query.results(run_id).unwrap(),
            operations: query.operations(run_id).unwrap(),
            errors: query.errors(run_id).unwrap(),
            offsets: query.offsets(run_id).unwrap(),
            unreadable: vec![],
        };
        assert_eq!(rows, expected);
    }
}

pub fn rows_of_a_run_read_back(store: Arc<dyn Store>) {
    let output = Json::parse(r#"{"total": 1.50, "total": 2}"#).unwrap();
    let mut history = History::started(1, "w", &Json::null());
    history.then(10, scheduled(node("a"), 1, 1, &Json::null()));
    history.then(5, Event::NodeStarted(NodeStarted { node_id: node("a"), attempt: 1, local: false }));
    history.then(7_000, completed(node("a"), 1, &output));
    history.then(1, scheduled(node("b"), 0, 1, &Json::null()));
    history.then(1, super::histories::failed(node("b"), 1, "no such order"));
    let batch = batch_of(0, std::slice::from_ref(&history));
    store.commit(&batch).unwrap();

    let run_id = &history.run.run_id;
    let results = store.query().results(run_id).unwrap();
    assert_eq!(results, batch.results);
    let first = &results[0];
    assert_eq!((first.sequence, first.attempt, first.status), (4, 1, NodeStatus::Completed));
    assert_eq!(first.output, Some(output), "JSON keeps its spelling");
    assert_eq!(first.ended_at.since(first.scheduled_at).as_micros(), 7_005);
    assert_eq!(first.started_at, Some(Timestamp(first.scheduled_at.0 + 5)));
    assert_eq!(results[1].failure.as_ref().unwrap().message, "no such order");

    let operations = store.query().operations(run_id).unwrap();
    assert_eq!(operations, batch.operations);
    assert!(matches!(operations[0].operation, Operation::AgentCall { duration_us: 7_005, .. }), "{operations:?}");
    assert_eq!(store.query().errors(run_id).unwrap(), batch.errors);
    assert_eq!(store.query().offsets(run_id).unwrap(), vec![10]);
    let metrics: Vec<_> = store.query().metrics(Timestamp(0)).unwrap().into_iter().map(|(_, row)| row).collect();
    assert_eq!(metrics, batch.metrics);
}

pub fn two_thousand_rows_fit_into_one_batch(store: Arc<dyn Store>) {
    let histories: Vec<History> = (0..2_000)
        .map(|number| {
            let mut history = History::started(number, &format!("w{number}"), &Json::null());
            history.then(1, scheduled(node("a"), number as u8, 1, &Json::null()));
            history.then(1, completed(node("a"), 1, &Json::null()));
            if number.is_multiple_of(2) {
                history.then(1, workflow_completed(&history.run, Json::null()));
            }
            history
        })
        .collect();
    store.commit(&batch_of(0, &histories)).unwrap();
    let found = store.snapshot(0, Timestamp(0), 5_000).unwrap().unwrap();
    assert_eq!((found.runs.len(), found.ended.len()), (1_000, 1_000));
    let expected = histories.iter().map(|history| &history.run).filter(|run| run.ended_at.is_none());
    assert!(found.runs.iter().map(|stored| &stored.run).eq(expected));
    let calls: u64 = store.query().metrics(Timestamp(0)).unwrap().iter().map(|(_, row)| row.calls).sum();
    assert_eq!(calls, 2_000);
}

pub fn payloads_of_a_megabyte_come_back_whole(store: Arc<dyn Store>) {
    let big = |c: &str| Json::from_value(&serde_json::Value::String(c.repeat(1 << 20)));
    let histories: Vec<History> = (0..20)
        .map(|number| {
            let mut history = History::started(number, "big", &big("i"));
            history.then(1, scheduled(node("a"), 0, 1, &big("a")));
            history.then(1, scheduled(node("b"), 0, 1, &big("b")));
            history.then(1, completed(node("a"), 1, &big("☕")));
            history
        })
        .collect();
    store.commit(&batch_of(0, &histories)).unwrap();
    let found = store.snapshot(0, Timestamp(0), 0).unwrap().unwrap();
    // `assert_eq` would print them.
    assert!(found.runs.iter().map(|stored| &stored.run).eq(histories.iter().map(|history| &history.run)));
}

pub fn a_run_of_ten_thousand_nodes_comes_back_whole(store: Arc<dyn Store>) {
    let mut folding = Folding::new(0, None, chain);
    let mut history = History::started(1, "wide", &Json::null());
    let output = Json::parse(r#"{"price": 3}"#).unwrap();
    let mut expected = Some(history.run.clone());
    let mut events = vec![history.events.remove(0)];
    for number in 0..10_000u32 {
        let node_id = node(&format!("n{number}"));
        for event in [scheduled(node_id.clone(), 0, 1, &Json::null()), completed(node_id, 1, &output)] {
            let (last, run) = (events.last().unwrap(), expected.as_ref().unwrap());
            let next = orchestrator::core::event::Recorded {
                workflow_id: run.workflow_id.clone(),
                run_id: run.run_id.clone(),
                sequence: last.sequence + 1,
                time: last.time,
                event,
            };
            orchestrator::core::apply::fold(&mut expected, &next).unwrap();
            events.push(next);
        }
    }
    events.pop();
    for (number, events) in events.chunks(4_000).enumerate() {
        let number = number as u64;
        folding.step(number, &step(number + 1), &decoded(events)).unwrap();
        let batch = folding.take_batch().unwrap();
        store.commit(&batch).unwrap();
        folding.committed(batch);
    }
    let found = store.snapshot(0, Timestamp(0), 0).unwrap().unwrap().runs.remove(0).run;
    assert_eq!((found.count(NodeStatus::has_output), found.count(NodeStatus::is_open)), (9_999, 1));
    let expected = expected.unwrap();
    assert!(found.nodes.iter().filter(|(_, node)| node.ended_at.is_some()).all(|(id, n)| n == &expected.nodes[id]));
}
