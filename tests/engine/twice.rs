//! The same request, again.

use super::town::{Town, id_in, one_node};
use orchestrator::core::event::PartitionEvent;
use orchestrator::log::{Record, Topic};

/// The record that was forwarded, as it landed.
fn forwarded(town: &Town) -> Record {
    town.log.records(&Topic::Requests, 0).into_iter().next().unwrap()
}

fn land_again(town: &mut Town, record: &Record) {
    let Record { key, value, headers, .. } = record.clone();
    town.append(Topic::Requests, Some(0), key, value.unwrap(), headers);
}

fn rejections(town: &Town, reason: &str) -> usize {
    let events = town.partition_events().into_iter();
    events.filter(|event| matches!(event, PartitionEvent::InputRejected(rejected) if rejected.reason == reason)).count()
}

#[test]
fn a_forwarded_request_that_lands_twice_is_answered_once() {
    let mut town = Town::new(&[one_node("job")]);
    let id = id_in(0, "lost");
    town.start_and_own();
    town.request_in(1, "job", &id);
    town.until("it is sent home, and begins", |town| town.task(&id).is_some());
    let record = forwarded(&town);
    land_again(&mut town, &record);
    town.until("it is recognised while its run goes on", |town| rejections(town, "already_accepted") == 1);
    let task = town.task(&id).unwrap();
    town.complete(&task);
    town.until("its run is answered", |town| town.is_answered(&id));
    land_again(&mut town, &record);
    town.until("it is recognised after the end", |town| rejections(town, "already_accepted") == 2);
    town.project();
    town.kill();
    town.start_and_own();
    land_again(&mut town, &record);
    town.until("it is recognised by an owner who was told by the store", |town| {
        rejections(town, "already_accepted") > 2
    });
    assert_eq!(town.responses(&id), ["answer"]);
    // Who asks again is told.
    town.request("job", &id);
    town.until("the other request is a duplicate", |town| rejections(town, "duplicate") == 1);
    town.until("and refused", |town| town.responses(&id).len() == 2);
    assert_eq!(town.responses(&id), ["answer", "duplicate"]);
}
