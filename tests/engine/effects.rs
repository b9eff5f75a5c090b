//! Effects of a claim that is over are left to the next one.

use super::town::{Town, id_in, one_node};
use bytes::Bytes;
use orchestrator::journal::record::{JournalRecord, Owner, PartitionTaken};
use orchestrator::log::{AppendError, Topic};
use orchestrator::wire::journal;

#[test]
fn an_effect_is_tried_until_it_lands_but_not_by_a_claim_that_is_over() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let id = id_in(0, "order");
    let effects = |town: &Town| town.board.lock().unwrap().effects;
    town.board.lock().unwrap().effects_fail = Some(AppendError::Unconfirmed("the test says so".to_owned()));
    town.request("job", &id);
    town.until("the dispatch is tried again and again", |town| effects(town) > 10);
    let taken = PartitionTaken {
        term: 100,
        owner: Owner([7; 16]),
        time: town.now(),
        group: String::new(),
        host: String::new(),
        version: String::new(),
        cluster: String::new(),
    };
    let value: Bytes = journal::encode(&JournalRecord::PartitionTaken(taken));
    town.append(Topic::Journal, Some(0), None, value, vec![]);
    town.until("the partition is lost", |town| town.owner(0).is_none());
    town.turn();
    let before = effects(&town);
    for _ in 0..5 {
        assert!(town.owner(0).is_none());
        town.turn();
    }
    assert_eq!(effects(&town), before);
    // The next claim performs it.
    town.board.lock().unwrap().effects_fail = None;
    town.until("the task is there", |town| town.task(&id).is_some());
    let task = town.task(&id).unwrap();
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&id));
}
