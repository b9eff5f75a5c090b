//! Positions, fencing, metrics, lists.

use super::fixture::batch_of;
use super::histories::{BEGIN, History, completed, failed, run_id, scheduled, workflow_completed, workflow_failed};

use orchestrator::core::breaker::{BreakerState, BreakerStatus};
use orchestrator::core::id::{AgentName, NodeId, WorkflowId};
use orchestrator::core::json::Json;
use orchestrator::core::status::Status;
use orchestrator::core::time::Timestamp;
use orchestrator::core::usage::{Cost, Usage};
use orchestrator::journal::record::{Below, EffectsThrough, InputPosition};
use orchestrator::store::query::Filter;
use orchestrator::store::row::{ErrorRow, MetricRow, Operation, OperationRow, ProjectionBatch};
use orchestrator::store::{JournalMark, Position, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;

pub fn position(next_offset: u64) -> Position {
    Position {
        next_offset,
        mark: Some(JournalMark { offset: next_offset - 1, term: 3, owner: [9; 16], number: Some(next_offset) }),
        inputs: vec![
            InputPosition {
                topic: "requests".into(),
                next: 7,
                below: Some(Below { offset: 6, time: Timestamp(BEGIN) }),
            },
            InputPosition { topic: "results".into(), next: 0, below: None },
        ],
        effects_through: Some(EffectsThrough { step: 4, offset: 5 }),
        partition_sequence: 2,
        partition_chain: [5; 16],
        time: Timestamp(BEGIN + 1),
        generation: 0,
        breakers: BTreeMap::from([(
            AgentName::new("shop").unwrap(),
            BreakerState {
                status: BreakerStatus::Open,
                since: Timestamp(BEGIN),
                until: Some(Timestamp(BEGIN + 2)),
                calls: 50,
                failures: 47,
            },
        )]),
    }
}

pub fn empty(partition: u32, expected: Option<Position>, next: Position) -> ProjectionBatch {
    ProjectionBatch {
        partition,
        expected,
        next,
        runs: vec![],
        carried: vec![],
        results: vec![],
        operations: vec![],
        errors: vec![],
        letters: vec![],
        handled: vec![],
        metrics: vec![],
        offsets: vec![],
        workflow_offsets: vec![],
    }
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn answered(number: u64, workflow_id: &str, after_us: u64) -> History {
    let mut history = History::started(number, workflow_id, &json("{}"));
    history.then(after_us, workflow_completed(&history.run, json("42")));
    history
}

pub fn tables_are_made_twice_without_harm(store: Arc<dyn Store>) {
    store.commit(&empty(0, None, position(5))).unwrap();
    store.migrate().unwrap();
    assert_eq!(store.position(0).unwrap(), Some(position(5)));
}

pub fn a_partition_that_was_never_projected_has_no_position(store: Arc<dyn Store>) {
    assert_eq!(store.position(3).unwrap(), None);
    assert_eq!(store.snapshot(3, Timestamp(0), 10).unwrap(), None);
    assert_eq!(store.query().positions().unwrap(), vec![]);
}

pub fn a_position_reads_back_as_written(store: Arc<dyn Store>) {
    let bare = Position { mark: None, inputs: vec![], effects_through: None, ..position(1) };
    store.commit(&empty(2, None, bare.clone())).unwrap();
    assert_eq!(store.position(2).unwrap(), Some(bare.clone()));
    let taking = JournalMark { number: None, ..position(2).mark.unwrap() };
    let taken = Position { mark: Some(taking), ..position(2) };
    store.commit(&empty(2, Some(bare), taken.clone())).unwrap();
    store.commit(&empty(2, Some(taken), position(9))).unwrap();
    assert_eq!(store.position(2).unwrap(), Some(position(9)));
    assert_eq!(store.query().positions().unwrap(), vec![(2, position(9))]);
    assert_eq!(store.snapshot(2, Timestamp(0), 10).unwrap().unwrap().position, position(9));
}

pub fn a_second_projector_is_fenced_and_writes_nothing(store: Arc<dyn Store>) {
    let late = |expected: Option<Position>| ProjectionBatch {
        expected,
        next: position(20),
        ..batch_of(0, &[answered(1, "late", 5)])
    };
    store.commit(&empty(0, None, position(5))).unwrap();
    store.commit(&empty(0, Some(position(5)), position(8))).unwrap();
    let of_another_term = |found: Position| {
        let mark = JournalMark { term: 2, ..found.mark.unwrap() };
        Position { mark: Some(mark), ..found }
    };
    for (expected, offset) in
        [(None, 0), (Some(position(5)), 5), (Some(position(30)), 30), (Some(of_another_term(position(8))), 8)]
    {
        match store.commit(&late(expected)).unwrap_err() {
            StoreError::Fenced { partition: 0, expected, found: 8 } => assert_eq!(expected, offset),
            other => panic!("expected to be fenced, found {other}"),
        }
    }
    assert_eq!(store.position(0).unwrap(), Some(position(8)));
    assert_eq!(store.query().runs(&Filter { limit: 10, ..Filter::default() }).unwrap(), vec![]);
    store.commit(&late(Some(position(8)))).unwrap();
    assert_eq!(store.query().runs(&Filter { limit: 10, ..Filter::default() }).unwrap().len(), 1);
}

pub fn partitions_do_not_fence_each_other(store: Arc<dyn Store>) {
    store.commit(&empty(0, None, position(5))).unwrap();
    store.commit(&empty(1, None, position(6))).unwrap();
    store.commit(&empty(0, Some(position(5)), position(7))).unwrap();
    assert_eq!(store.query().positions().unwrap(), vec![(0, position(7)), (1, position(6))]);
}

pub fn metrics_of_an_agent_and_minute_add_up(store: Arc<dyn Store>) {
    let metric = |agent: &str, minute: i64, calls: u64| MetricRow {
        agent_name: AgentName::new(agent).unwrap(),
        minute: Timestamp(BEGIN + minute * 60_000_000),
        calls,
        failures: 1,
        duration_us: 1_000,
        buckets: std::array::from_fn(|index| calls + index as u64),
        usage: Usage { cost: Cost::from_nanos(calls), input_tokens: 10 * calls, output_tokens: 7 },
    };
    let batch = |expected, next, metrics| ProjectionBatch { metrics, ..empty(0, expected, next) };
    store.commit(&batch(None, position(5), vec![metric("a", 0, 1), metric("b", 0, 2)])).unwrap();
    store.commit(&batch(Some(position(5)), position(6), vec![metric("a", 0, 10), metric("a", 1, 3)])).unwrap();
    let mut sum = metric("a", 0, 1);
    sum.add(&metric("a", 0, 10));
    assert_eq!((sum.calls, sum.failures, sum.buckets[12]), (11, 2, 35));
    let all = vec![(0, sum), (0, metric("a", 1, 3)), (0, metric("b", 0, 2))];
    assert_eq!(store.query().metrics(Timestamp(BEGIN)).unwrap(), all);
    assert_eq!(store.query().metrics(Timestamp(BEGIN + 1)).unwrap(), vec![(0, metric("a", 1, 3))]);
}

pub fn what_concerns_no_run_is_found_under_its_partition(store: Arc<dyn Store>) {
    let operation = |sequence, operation| OperationRow {
        subject: "partition-4".into(),
        sequence,
        workflow_id: WorkflowId::new("w").unwrap(),
        time: Timestamp(BEGIN),
        operation,
    };
    let error = ErrorRow {
        subject: "partition-4".into(),
        sequence: 3,
        event: "InputRefused",
        workflow_id: None,
        node_id: None,
        agent_name: None,
        attempt: None,
        class: None,
        code: "malformed".into(),
        message: "expected JSON or Avro".into(),
        details: Some(json(r#"{"pointer":"/total"}"#)),
        fingerprint: "0123456789abcdef".into(),
        time: Timestamp(BEGIN),
    };
    let rejected = Operation::InputRejected { reason: "duplicate".into(), message: "it was accepted before".into() };
    let operations = vec![operation(1, rejected), operation(2, Operation::InputForwarded { to_partition: 2 })];
    let batch =
        ProjectionBatch { operations: operations.clone(), errors: vec![error.clone()], ..empty(4, None, position(5)) };
    store.commit(&batch).unwrap();
    assert_eq!(store.query().partition_operations(4, 0..=u64::MAX).unwrap(), operations);
    assert_eq!(store.query().partition_errors(4, 0..=u64::MAX).unwrap(), vec![error]);
    assert_eq!(store.query().partition_operations(0, 0..=u64::MAX).unwrap(), vec![]);
}

pub fn only_the_newest_of_the_window_are_remembered(store: Arc<dyn Store>) {
    // Run n starts at n and ends at 1,000 × n after the beginning.
    let histories: Vec<_> = (1..=20).map(|n| answered(n, &format!("w{n}"), 999 * n)).collect();
    store.commit(&batch_of(0, &histories)).unwrap();
    store.commit(&batch_of(1, &[answered(99, "elsewhere", 1)])).unwrap();
    let remembered = |since: i64, most: usize| -> Vec<u64> {
        let snapshot = store.snapshot(0, Timestamp(BEGIN + since), most).unwrap().unwrap();
        assert_eq!(snapshot.runs, vec![]);
        let number = |id: &str| u64::from_str_radix(id, 16).unwrap();
        snapshot.ended.iter().map(|run| number(run.run_id.as_str())).collect()
    };
    assert_eq!(remembered(0, 100), (1..=20).collect::<Vec<_>>());
    assert_eq!(remembered(15_000, 100), (15..=20).collect::<Vec<_>>());
    assert_eq!(remembered(15_001, 100), (16..=20).collect::<Vec<_>>());
    assert_eq!(remembered(0, 3), vec![18, 19, 20]);
    assert_eq!(remembered(0, 0), Vec::<u64>::new());
    assert_eq!(remembered(i64::MAX - BEGIN, 100), Vec::<u64>::new());
    let snapshot = store.snapshot(0, Timestamp(BEGIN + 20_000), 100).unwrap().unwrap();
    let newest = &histories[19].run;
    assert_eq!(snapshot.ended[0].workflow_id, newest.workflow_id);
    assert_eq!(snapshot.ended[0].payload_hash, newest.payload_hash);
    assert_eq!(snapshot.ended[0].origin, newest.origin);
    assert_eq!(Some(snapshot.ended[0].ended_at), newest.ended_at);
}

pub fn runs_are_listed_newest_first(store: Arc<dyn Store>) {
    let mut open = History::started(1, "open", &json("{}"));
    let node = NodeId::new("n").unwrap();
    open.then(1, scheduled(node.clone(), 0, 1, &json("1")));
    open.then(1, scheduled(NodeId::new("m").unwrap(), 0, 1, &json("1")));
    open.then(1, completed(node, 1, &json("2")));
    let mut broken = History::started(2, "broken", &json("{}"));
    broken.then(1, workflow_failed(&broken.run, "it took too long"));
    store.commit(&batch_of(0, &[open, broken, answered(3, "done", 1)])).unwrap();
    let list = |filter: Filter| -> Vec<String> {
        let runs = store.query().runs(&filter).unwrap();
        runs.iter().map(|run| format!("{} {} {:?}", run.workflow_id, run.status, run.nodes)).collect()
    };
    let all = Filter { limit: 10, ..Filter::default() };
    let lines = ["done completed (0, 0, 0)", "broken failed (0, 0, 0)", "open initializing (1, 0, 1)"];
    assert_eq!(list(all.clone()), lines);
    assert_eq!(list(Filter { limit: 2, ..all.clone() }), lines[..2]);
    assert_eq!(list(Filter { status: Some(Status::Failed), ..all.clone() }), lines[1..2]);
    assert_eq!(list(Filter { definition: Some("shop".into()), ..all.clone() }), lines);
    assert_eq!(list(Filter { definition: Some("bakery".into()), ..all }), Vec::<String>::new());
}

pub fn the_newest_run_of_a_workflow_is_found(store: Arc<dyn Store>) {
    let histories = [answered(1, "again", 1), answered(2, "again", 2), answered(3, "other", 1)];
    store.commit(&batch_of(6, &histories)).unwrap();
    let workflow = WorkflowId::new("again").unwrap();
    let find = |run: Option<u64>| store.query().run(&workflow, run.map(run_id).as_ref()).unwrap();
    assert_eq!(find(None), Some((6, histories[1].run.clone())));
    assert_eq!(find(Some(1)), Some((6, histories[0].run.clone())));
    assert_eq!(find(Some(3)), None);
    assert_eq!(store.query().run(&WorkflowId::new("never").unwrap(), None).unwrap(), None);
}

pub fn hostile_texts_do_no_harm(store: Arc<dyn Store>) {
    let node = |name: &str| NodeId::new(name).unwrap();
    for (number, text) in [
        "'; DROP TABLE orchestrator_workflow_states; --",
        "{a,b,\"c\"} \\ NULL $1 ? :x",
        "a\0b",
        "\u{202e}\u{feff}\u{10ffff}\u{fffd}",
        "\\u0000 \u{1} \u{7f}",
    ]
    .into_iter()
    .enumerate()
    {
        let text_json = Json::from_value(&serde_json::json!({ text: [text] }));
        let workflow = text.replace(char::is_control, "") + "☕";
        let number = number as u64;
        let mut history = History::started(number, &workflow, &text_json);
        history.then(1, scheduled(node("a"), 0, 1, &text_json));
        history.then(1, scheduled(node("b"), 0, 1, &text_json));
        history.then(1, completed(node("a"), 1, &text_json));
        history.then(1, failed(node("b"), 1, text));
        let partition = number as u32;
        store.commit(&batch_of(partition, std::slice::from_ref(&history))).unwrap();
        let snapshot = store.snapshot(partition, Timestamp(0), 10).unwrap().unwrap();
        assert_eq!(snapshot.runs[0].run, history.run, "{text:?}");

        history.then(1, workflow_failed(&history.run, text));
        let last = history.events.last().unwrap();
        let mut folding =
            orchestrator::projector::folding::Folding::new(partition, Some(snapshot), super::histories::chain);
        folding.step(11, &super::fixture::step(2), &super::histories::decoded(std::slice::from_ref(last))).unwrap();
        store.commit(&folding.take_batch().unwrap()).unwrap();
        let (_, found) = store.query().run(&history.run.workflow_id, None).unwrap().unwrap();
        assert_eq!(found, history.run, "{text:?}");
        let errors = store.query().errors(&history.run.run_id).unwrap();
        let shown = text.replace('\0', "\u{fffd}");
        assert!(errors.iter().all(|error| error.message.replace('\0', "\u{fffd}") == shown), "{errors:?}");
        assert_eq!(errors.len(), 2);
    }
}
