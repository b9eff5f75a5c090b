//! An input that may have ended the process is tried with care, and buried once the process has ended four times.

use super::town::{Town, id_in, one_node};
use bytes::Bytes;
use orchestrator::core::command::Origin;
use orchestrator::core::event::{PartitionEvent, Trying};
use orchestrator::journal::record::{Cause, JournalRecord, Owner, PartitionTaken, Step, Transition};
use orchestrator::log::Topic;
use orchestrator::wire::event::{PartitionRecorded, encode_partition};
use orchestrator::wire::{chain, headers, journal, request};
use std::time::Duration;

/// So often an input is tried before it is buried.
const TRIES: usize = 4;

/// The steps that say what is about to be tried, and the marks, of partition 0.
fn steps(town: &Town) -> Vec<Step> {
    let step = |record| if let JournalRecord::Step(step) = record { Some(step) } else { None };
    town.journal(0).into_iter().filter_map(step).collect()
}

#[test]
fn a_mark_does_not_hide_how_often_an_input_was_tried() {
    let mut town = Town::new(&[]);
    let id = id_in(0, "poison");
    // A taking that bears no fruit, as if the first input had ended the process.
    town.start_and_own();
    town.kill();
    town.request("nobody-knows", &id);
    for times in 1..=TRIES {
        town.start_and_own();
        town.until("it is tried", |town| steps(town).len() == times);
        // The store has all of it, so that recovery begins as late as it may.
        town.project();
        town.kill();
    }
    town.start_and_own();
    town.until("it is buried", |town| !town.dead_letters().is_empty());
    assert_eq!(town.dead_letters()[0]["reason"], "engine_fault");
    assert_eq!(steps(&town).len(), TRIES + 1);
}

/// Given an input that has to wait for the definitions, when owners end while it does, then it has not been tried, and
/// what was tried before is not forgotten.
#[test]
fn an_input_that_waits_is_not_tried() {
    let mut town = Town::new(&[one_node("job")]);
    let id = id_in(0, "order");
    town.start_and_own();
    town.kill();
    town.request("job", &id);
    town.start_and_own();
    town.until("it is tried", |town| steps(town).len() == 1);
    town.project();
    town.kill();
    for _ in 0..=TRIES {
        let taken = town.takings(0);
        town.start();
        town.until("it is taken", |town| town.takings(0) > taken && town.owner(0).is_some());
        town.board.lock().unwrap().unanswered = Some(Topic::Definitions);
        town.turns_for(Duration::from_secs(5));
        assert_eq!(steps(&town).len(), 1, "something was recorded while the input waited");
        town.kill();
        town.board.lock().unwrap().unanswered = None;
    }
    town.start_and_own();
    town.until("the run has begun", |town| town.events(&id).contains(&"WorkflowStarted"));
    assert!(town.dead_letters().is_empty());
}

/// An owner takes partition 0, tries an input, and is gone.
fn try_in_vain(town: &mut Town, origin: &Origin, times: u64) {
    let last = steps(town).pop().unwrap();
    let (term, owner, time) = (100 + times, Owner([7; 16]), town.now());
    let text = String::new;
    let taken = PartitionTaken { term, owner, time, group: text(), host: text(), version: text(), cluster: text() };
    let event = PartitionEvent::Trying(Trying { origin: origin.clone(), times: times as u32 });
    let trying = encode_partition(&PartitionRecorded { partition: 0, sequence: times, time, event });
    let transition = Transition {
        cause: Cause::Input(origin.clone()),
        chain: chain::START,
        traceparent: None,
        events: vec![trying],
        input: None,
    };
    let step = Step { term, owner, number: last.number + 1, time, transitions: vec![transition], ..last };
    for record in [JournalRecord::PartitionTaken(taken), JournalRecord::Step(step)] {
        town.append(Topic::Journal, Some(0), None, journal::encode(&record), vec![]);
    }
}

#[test]
fn a_result_that_is_buried_fails_its_attempt() {
    let mut town = Town::new(&[one_node("job")]);
    let id = id_in(0, "order");
    town.start_and_own();
    let task = town.begin("job", &id);
    town.kill();
    town.complete(&task);
    let result = town.records(&Topic::Results).pop().unwrap();
    let origin = Origin { topic: "results".into(), partition: 0, offset: result.offset, time: result.time };
    for times in 1..=TRIES as u64 {
        try_in_vain(&mut town, &origin, times);
    }
    town.start_and_own();
    town.until("the run is answered", |town| town.is_answered(&id));
    assert_eq!(town.dead_letters()[0]["reason"], "engine_fault");
    assert!(town.events(&id).contains(&"NodeFailed"));
}

/// Given a request that was sent on to its partition, and owners that ended while they decided it, when it is buried,
/// then the refusal names the place that its sender knows.
#[test]
fn a_forwarded_request_that_is_buried_is_refused_under_its_first_origin() {
    let mut town = Town::new(&[one_node("job")]);
    let (before, id) = (id_in(0, "before"), id_in(0, "order"));
    town.start_and_own();
    town.begin("job", &before);
    town.kill();
    let first = Origin { topic: "requests".into(), partition: 1, offset: 5, time: town.now() };
    let body = Bytes::from(format!(r#"{{"definition":"job","workflow_id":"{id}"}}"#));
    let header = (headers::ORIGIN.into(), Bytes::from(request::write_origin(&first)));
    town.append(Topic::Requests, Some(0), Some(Bytes::from(id.clone())), body, vec![header]);
    let here = town.log.records(&Topic::Requests, 0).pop().unwrap();
    let place = Origin { topic: "requests".into(), partition: 0, offset: here.offset, time: here.time };
    for times in 1..=TRIES as u64 {
        try_in_vain(&mut town, &place, times);
    }
    town.start_and_own();
    town.until("it is answered", |town| town.responses(&id) == ["engine_fault"]);
    let letter = &town.dead_letters()[0];
    assert_eq!((&letter["origin"]["partition"], &letter["origin"]["offset"]), (&1.into(), &5.into()));
}
