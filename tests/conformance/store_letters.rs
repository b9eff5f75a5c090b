//! Dead letters: found, grouped, worked off; errors by fault.

use super::cases::{empty, position};
use super::fixture::step;
use super::histories::{BEGIN, History, chain, decoded, failed, scheduled, workflow_failed};

use bytes::Bytes;
use orchestrator::core::command::Origin;
use orchestrator::core::event::{DeadLetterHandled, InputRefused, PartitionEvent};
use orchestrator::core::failure::FailureClass;
use orchestrator::core::id::{LetterId, NodeId, WorkflowId};
use orchestrator::core::json::Json;
use orchestrator::core::letter::LetterAction;
use orchestrator::core::time::Timestamp;
use orchestrator::projector::folding::{Decoded, Folding};
use orchestrator::store::Store;
use orchestrator::store::letter::{ErrorFilter, FoundLetter, HandledRow, LetterFilter, LetterKind, LetterState};
use orchestrator::store::row::ProjectionBatch;
use orchestrator::wire::dead_letter;
use orchestrator::wire::event::{PartitionRecorded, Published};
use std::sync::Arc;

fn all() -> LetterFilter {
    LetterFilter { limit: 100, ..LetterFilter::default() }
}

fn of_partition(partition: u32, sequence: u64, event: PartitionEvent) -> Decoded {
    let kept = dead_letter::keep(Some(&Bytes::from("order 7")), Some(&Bytes::from("{\"sum\": 1\0}")), &[]);
    let input = matches!(event, PartitionEvent::InputRefused(_)).then_some(kept);
    let time = Timestamp(BEGIN + sequence as i64);
    let recorded = PartitionRecorded { partition, sequence, time, event };
    Decoded { body: Bytes::from_static(b"body"), event: Published::Partition(recorded), input }
}

fn refused(partition: u32, message: &str) -> PartitionEvent {
    PartitionEvent::InputRefused(InputRefused {
        origin: Origin { topic: "requests".into(), partition, offset: 4, time: Timestamp(BEGIN) },
        reason: "contract".into(),
        message: message.into(),
        details: Some(Json::parse("{\"pointer\":\"/sum\"}").unwrap()),
        workflow_id: Some(WorkflowId::new("order 7").unwrap()),
    })
}

fn handled(letter_id: &LetterId, action: LetterAction) -> PartitionEvent {
    PartitionEvent::DeadLetterHandled(DeadLetterHandled {
        letter_id: letter_id.clone(),
        action,
        by: "ada ☕".into(),
        note: Some("'; --\0".into()),
        workflow_id: None,
        run_id: Some(super::histories::run_id(9)),
    })
}

fn batch(partition: u32, events: &[Decoded]) -> ProjectionBatch {
    let mut folding = Folding::new(partition, None, chain);
    folding.step(10, &step(1), events).unwrap();
    folding.take_batch().unwrap()
}

fn exhausted(number: u64, workflow_id: &str, message: &str) -> History {
    let mut history = History::started(number, workflow_id, &Json::null());
    let node = NodeId::new("pay").unwrap();
    history.then(1, scheduled(node.clone(), 0, 1, &Json::null()));
    history.then(number * 1_000, failed(node, 1, message));
    history.then(1, workflow_failed(&history.run, message));
    history
}

fn ids(found: &[FoundLetter]) -> Vec<String> {
    found.iter().map(|found| found.letter.letter_id.to_string()).collect()
}

pub fn dead_letters_are_found_as_they_stand_in_the_topic(store: Arc<dyn Store>) {
    let history = exhausted(1, "order 7", "no answer from 10.0.0.1");
    let events = [decoded(&history.events), vec![of_partition(0, 1, refused(0, "expected a total"))]].concat();
    let batch = batch(0, &events);
    store.commit(&batch).unwrap();
    let found = store.query().letters(&all()).unwrap();
    assert_eq!(found.len(), 2);
    for found in &found {
        assert_eq!((found.partition, found.state(), &found.handled), (0, LetterState::Open, &None));
        let row = batch.letters.iter().find(|row| row.letter.letter_id == found.letter.letter_id).unwrap();
        assert_eq!(row.letter, found.letter);
        let document = store.query().letter_document(&found.letter.letter_id).unwrap().unwrap();
        assert_eq!(document, row.document);
        let json: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(json["id"], found.letter.letter_id.as_str());
        assert_eq!(json["fingerprint"], found.letter.fingerprint.as_str());
    }
    let node = found.iter().find(|found| found.letter.kind == LetterKind::Node).unwrap();
    assert_eq!(node.letter.letter_id, LetterId::of_node(&history.run.run_id, 3));
    assert_eq!(node.letter.definition.as_ref().map(|name| name.as_str()), Some("shop"));
    let unknown = LetterId::of_input(9, 9);
    assert_eq!(store.query().letter_document(&unknown).unwrap(), None);
}

pub fn a_letter_is_handled_in_whichever_order_partitions_are_projected(store: Arc<dyn Store>) {
    let (early, late) = (LetterId::of_input(0, 1), LetterId::of_input(2, 1));
    let word = |sequence, of, action| of_partition(1, sequence, handled(of, action));
    store.commit(&batch(0, &[of_partition(0, 1, refused(0, "x"))])).unwrap();
    let events = [
        word(1, &early, LetterAction::Redrive),
        word(2, &early, LetterAction::Discard),
        word(3, &late, LetterAction::Edit),
    ];
    store.commit(&batch(1, &events)).unwrap();
    assert_eq!(ids(&store.query().letters(&all()).unwrap()), [early.to_string()]);
    store.commit(&batch(2, &[of_partition(2, 1, refused(2, "x"))])).unwrap();
    let found = store.query().letters(&all()).unwrap();
    let state = |id: &LetterId| found.iter().find(|found| found.letter.letter_id == *id).unwrap().state();
    assert_eq!((state(&early), state(&late)), (LetterState::Discarded, LetterState::Edited));
    let row = found.iter().find(|found| found.letter.letter_id == late).unwrap().handled.clone().unwrap();
    assert_eq!(row.by, "ada ☕");
    assert_eq!((row.at, row.run_id), (Timestamp(BEGIN + 3), Some(super::histories::run_id(9))));
    // An older word changes nothing.
    let row = HandledRow {
        letter_id: late.clone(),
        state: LetterState::Skipped,
        at: Timestamp(BEGIN),
        by: "b".into(),
        note: None,
        run_id: None,
    };
    store.commit(&ProjectionBatch { handled: vec![row], ..empty(5, None, position(5)) }).unwrap();
    let found = store.query().letters(&LetterFilter { id: Some(late.to_string()), ..all() }).unwrap();
    assert_eq!(found[0].state(), LetterState::Edited);
}

pub fn dead_letters_are_filtered_and_paged(store: Arc<dyn Store>) {
    let histories = [exhausted(1, "a", "no 1"), exhausted(2, "b", "no 2"), exhausted(3, "c", "other")];
    let mut events: Vec<Decoded> = histories.iter().flat_map(|history| decoded(&history.events)).collect();
    events.push(of_partition(0, 1, refused(0, "x")));
    let third = LetterId::of_node(&histories[2].run.run_id, 3);
    events.push(of_partition(0, 2, handled(&third, LetterAction::Discard)));
    store.commit(&batch(0, &events)).unwrap();
    let count = |filter: LetterFilter| store.query().letters(&filter).unwrap().len();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(count(all()), 4);
    assert_eq!(count(LetterFilter { state: Some(LetterState::Open), ..all() }), 3);
    assert_eq!(count(LetterFilter { kind: Some(LetterKind::Input), ..all() }), 1);
    assert_eq!(count(LetterFilter { agent: text("agent-0"), ..all() }), 3);
    assert_eq!(count(LetterFilter { agent: text("agent-1"), ..all() }), 0);
    assert_eq!(count(LetterFilter { class: Some(FailureClass::NonRetryable), ..all() }), 3);
    assert_eq!(count(LetterFilter { code: text("contract"), ..all() }), 1);
    assert_eq!(count(LetterFilter { workflow: text("b"), ..all() }), 1);
    assert_eq!(count(LetterFilter { definition: text("shop"), ..all() }), 3);
    assert_eq!(count(LetterFilter { since: histories[1].events[2].time, ..all() }), 2);
    let id = third.to_string();
    for prefix in [&id[..4], &id[..], ""] {
        let found = store.query().letters(&LetterFilter { id: text(prefix), ..all() }).unwrap();
        assert!(found.iter().all(|found| found.letter.letter_id.as_str().starts_with(prefix)), "{prefix}");
        assert!(ids(&found).contains(&id), "{prefix}");
    }
    assert_eq!(count(LetterFilter { id: text("'; drop"), ..all() }), 0);
    // Page by page the same letters.
    let whole = ids(&store.query().letters(&all()).unwrap());
    let (mut paged, mut below) = (Vec::new(), None);
    loop {
        let page = store.query().letters(&LetterFilter { below, limit: 1, ..LetterFilter::default() }).unwrap();
        let Some(last) = page.last() else { break };
        below = Some((last.letter.time, last.letter.letter_id.clone()));
        paged.extend(ids(&page));
    }
    assert_eq!(paged, whole);
    assert!(whole.windows(2).all(|pair| pair[0] != pair[1]));
}

pub fn letters_of_the_same_fault_are_one_group(store: Arc<dyn Store>) {
    let histories = [exhausted(1, "a", "no 1"), exhausted(2, "b", "no 2"), exhausted(3, "c", "other")];
    let mut events: Vec<Decoded> = histories.iter().flat_map(|history| decoded(&history.events)).collect();
    let first = LetterId::of_node(&histories[0].run.run_id, 3);
    events.push(of_partition(0, 1, handled(&first, LetterAction::Discard)));
    events.push(of_partition(0, 2, refused(0, "x")));
    store.commit(&batch(0, &events)).unwrap();
    let groups = store.query().letter_groups(&all()).unwrap();
    assert_eq!(groups.iter().map(|group| group.letters).sum::<u64>(), 4);
    let group = &groups[0];
    assert_eq!((group.letters, group.open, group.kind), (2, 1, LetterKind::Node));
    assert_eq!((group.code.as_str(), group.message.as_str()), ("agent_failed", "no 1"));
    assert_eq!(group.agent_name.as_ref().map(|name| name.as_str()), Some("agent-0"));
    assert_eq!((group.first_seen, group.last_seen), (histories[0].events[2].time, histories[1].events[2].time));
    let of_input = groups.iter().find(|group| group.kind == LetterKind::Input).unwrap();
    assert_eq!(of_input.topic.as_deref(), Some("requests"));
    let one = LetterFilter { group: Some(group.fingerprint[..6].to_owned()), ..all() };
    assert_eq!(store.query().letter_groups(&one).unwrap(), groups[..1]);
    assert_eq!(store.query().letter_groups(&LetterFilter { limit: 1, ..all() }).unwrap(), groups[..1]);
}

pub fn what_is_said_of_a_workflow_beside_its_runs_is_found(store: Arc<dyn Store>) {
    let order = WorkflowId::new("order 7").unwrap();
    let letter_id = LetterId::of_input(0, 1);
    let mut folding = Folding::new(0, None, chain);
    // Two of a step are found once; what names no workflow is found by none.
    let both = [of_partition(0, 1, refused(0, "a")), of_partition(0, 2, refused(0, "b"))];
    folding.step(10, &step(1), &both).unwrap();
    folding.step(11, &step(2), &[of_partition(0, 3, handled(&letter_id, LetterAction::Discard))]).unwrap();
    folding.step(12, &step(3), &[of_partition(0, 4, refused(0, "c"))]).unwrap();
    let first = folding.take_batch().unwrap();
    store.commit(&first).unwrap();
    folding.committed(first);
    folding.step(20, &step(4), &[of_partition(0, 5, refused(0, "d"))]).unwrap();
    store.commit(&folding.take_batch().unwrap()).unwrap();
    store.commit(&batch(1, &[of_partition(1, 1, refused(1, "e"))])).unwrap();
    let found = |partition, workflow_id| store.query().workflow_offsets(partition, workflow_id).unwrap();
    assert_eq!((found(0, &order), found(1, &order)), (vec![10, 12, 20], vec![10]));
    assert!(found(0, &WorkflowId::new("another").unwrap()).is_empty());
}

pub fn errors_of_the_same_fault_are_counted_against_the_period_before(store: Arc<dyn Store>) {
    let mut events = Vec::new();
    let histories: Vec<History> = (1..=5).map(|n| exhausted(n, &format!("w-{n}"), &format!("no {n}"))).collect();
    for history in &histories {
        events.extend(decoded(&history.events));
    }
    events.push(of_partition(0, 1, refused(0, "x")));
    store.commit(&batch(0, &events)).unwrap();
    let failed_at = |n: usize| histories[n].events[2].time;
    let filter = ErrorFilter { since: failed_at(3), before: failed_at(1), agent: None, definition: None, limit: 10 };
    let groups = store.query().error_groups(&filter).unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");
    let group = &groups[0];
    assert_eq!((group.errors, group.errors_before), (2, 2));
    assert_eq!((group.first_seen, group.last_seen), (failed_at(0), failed_at(4)));
    assert_eq!((group.event.as_str(), group.message.as_str()), ("NodeFailed", "no 2"));
    let workflows: Vec<&str> = group.workflows.iter().map(|id| id.as_str()).collect();
    assert_eq!(workflows, ["w-2", "w-5"]);
    let with = |agent: Option<&str>, definition: Option<&str>| {
        let (agent, definition) = (agent.map(str::to_owned), definition.map(str::to_owned));
        store.query().error_groups(&ErrorFilter { agent, definition, ..filter.clone() }).unwrap().len()
    };
    assert_eq!((with(Some("agent-0"), Some("shop")), with(Some("x"), None), with(None, Some("x"))), (1, 0, 0));
    // Since the beginning there is nothing before, and the refusal is another fault.
    let ever = ErrorFilter { since: Timestamp(0), before: Timestamp(0), ..filter };
    let groups = store.query().error_groups(&ever).unwrap();
    assert_eq!(groups.iter().map(|group| (group.errors, group.errors_before)).collect::<Vec<_>>(), [(5, 0), (1, 0)]);
}
