//! Readers.

use super::*;
use orchestrator::log::LogError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// A transaction of a client's own.
fn transaction(fixture: &Fixture, topic: &Topic, values: &[&str], commit: bool) {
    let id = format!("tx{:x}", rand::random::<u64>());
    let producer: BaseProducer = fixture.raw_config().set("transactional.id", id).create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("initialised");
    producer.begin_transaction().expect("begun");
    for value in values {
        let name = fixture.name(topic);
        producer.send(BaseRecord::<(), str>::to(&name).partition(0).payload(value)).expect("queued");
    }
    until("the transaction's records have landed", || {
        producer.poll(Duration::ZERO);
        producer.in_flight_count() == 0
    });
    match commit {
        true => producer.commit_transaction(PATIENCE).expect("committed"),
        false => producer.abort_transaction(PATIENCE).expect("aborted"),
    }
}

#[test]
fn an_empty_partition_ends_at_zero() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Signals, 1)) else { return };
    let mut reader = fixture.reader();
    reader.assign(&Topic::Signals, 0, 0).expect("assigned");
    assert_eq!(read_to_end(&mut *reader, &Topic::Signals, 0, 0).len(), 1);
}

#[test]
fn the_end_comes_after_the_last_record_and_again_after_the_next() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Signals, 1)) else { return };
    fixture.write(&Topic::Signals, 0, numbers(0..3));
    let mut reader = fixture.reader();
    reader.assign(&Topic::Signals, 0, 0).expect("assigned");
    let all = read_to_end(&mut *reader, &Topic::Signals, 0, 3);
    assert_eq!(values_of(&Topic::Signals, &all), ["0", "1", "2"]);
    assert!(matches!(all.last(), Some(Delivery::End { .. })));
    fixture.write(&Topic::Signals, 0, ["later".to_owned()]);
    let all = read_to_end(&mut *reader, &Topic::Signals, 0, 4);
    assert_eq!(values_of(&Topic::Signals, &all), ["later"]);
}

#[test]
fn the_end_lies_behind_a_transactions_marker() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 1)) else { return };
    transaction(&fixture, &Topic::Requests, &["a", "b"], true);
    let mut reader = fixture.reader();
    reader.assign(&Topic::Requests, 0, 0).expect("assigned");
    let all = read_to_end(&mut *reader, &Topic::Requests, 0, 3);
    assert_eq!(values_of(&Topic::Requests, &all), ["a", "b"]);
    assert_eq!(fixture.log.ends(&Topic::Requests, 0).expect("ends").high, 3);
}

#[test]
fn records_of_an_aborted_transaction_are_never_seen() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 1)) else { return };
    transaction(&fixture, &Topic::Requests, &["kept"], true);
    transaction(&fixture, &Topic::Requests, &["gone", "gone too"], false);
    let mut reader = fixture.reader();
    reader.assign(&Topic::Requests, 0, 0).expect("assigned");
    let all = read_to_end(&mut *reader, &Topic::Requests, 0, 5);
    assert_eq!(values_of(&Topic::Requests, &all), ["kept"]);
}

#[test]
fn reading_begins_at_the_offset_that_was_asked_for() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Journal, 1)) else { return };
    fixture.write(&Topic::Journal, 0, numbers(0..10));
    let mut reader = fixture.reader();
    reader.assign(&Topic::Journal, 0, 7).expect("assigned");
    let all = read_to_end(&mut *reader, &Topic::Journal, 0, 10);
    assert_eq!(values_of(&Topic::Journal, &all), ["7", "8", "9"]);
}

#[test]
fn an_assignment_replaces_the_one_before_wherever_it_had_come() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Journal, 1)) else { return };
    fixture.write(&Topic::Journal, 0, numbers(0..2_000));
    let mut reader = fixture.reader();
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut state = seed;
    for round in 0..200_u32 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let offset = (state >> 33) % 2_000;
        reader.assign(&Topic::Journal, 0, offset).expect("assigned");
        if round % 3 == 0 {
            continue;
        }
        let all = read_until("something comes", &mut *reader, |all| !all.is_empty());
        let Delivery::Record(first) = &all[0] else { panic!("expected a record: {:?}", all[0]) };
        assert_eq!(first.offset, offset, "round {round}: a record of an earlier assignment was handed out");
    }
}

#[test]
fn nothing_of_a_partition_is_handed_out_after_it_was_unassigned() {
    let Some(fixture) = Fixture::new() else { return };
    let fixture = fixture.topic(&Topic::Journal, 1).topic(&Topic::Signals, 1);
    fixture.write(&Topic::Journal, 0, numbers(0..20_000));
    let mut reader = fixture.reader();
    reader.assign(&Topic::Signals, 0, 0).expect("assigned");
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    read_until("the journal is being read", &mut *reader, |all| !values_of(&Topic::Journal, all).is_empty());
    reader.unassign(&Topic::Journal, 0).expect("unassigned");
    reader.unassign(&Topic::Journal, 0).expect("twice is no fault");
    let all = read_marker(&fixture, &mut *reader, &Topic::Signals);
    assert_eq!(values_of(&Topic::Journal, &all), Vec::<String>::new());
}

#[test]
fn a_pause_holds_back_and_loses_nothing() {
    let Some(fixture) = Fixture::new() else { return };
    let fixture = fixture.topic(&Topic::Requests, 1).topic(&Topic::Signals, 1);
    fixture.write(&Topic::Requests, 0, numbers(0..20_000));
    let mut reader = fixture.reader();
    reader.assign(&Topic::Signals, 0, 0).expect("assigned");
    reader.assign(&Topic::Requests, 0, 0).expect("assigned");
    let mut seen = Vec::new();
    for _ in 0..5 {
        let all = read_until("requests come", &mut *reader, |all| !values_of(&Topic::Requests, all).is_empty());
        seen.extend(values_of(&Topic::Requests, &all));
        reader.pause(&Topic::Requests, 0).expect("paused");
        reader.pause(&Topic::Requests, 0).expect("twice is no fault");
        let all = read_marker(&fixture, &mut *reader, &Topic::Signals);
        assert_eq!(values_of(&Topic::Requests, &all), Vec::<String>::new());
        reader.resume(&Topic::Requests, 0).expect("resumed");
    }
    let rest = read_to_end(&mut *reader, &Topic::Requests, 0, 20_000);
    seen.extend(values_of(&Topic::Requests, &rest));
    assert_eq!(seen, numbers(0..20_000).collect::<Vec<_>>());
}

#[test]
fn an_end_that_was_reached_is_told_again_after_a_pause() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 1)) else { return };
    fixture.write(&Topic::Requests, 0, numbers(0..2));
    let mut reader = fixture.reader();
    reader.assign(&Topic::Requests, 0, 0).expect("assigned");
    for _ in 0..3 {
        read_to_end(&mut *reader, &Topic::Requests, 0, 2);
        reader.pause(&Topic::Requests, 0).expect("paused");
        reader.resume(&Topic::Requests, 0).expect("resumed");
    }
}

#[test]
fn only_what_is_assigned_can_be_paused() {
    let Some(fixture) = Fixture::new() else { return };
    let mut reader = fixture.reader();
    assert!(matches!(reader.pause(&Topic::Requests, 0), Err(LogError::Refused(_))));
    assert!(matches!(reader.resume(&Topic::Requests, 0), Err(LogError::Refused(_))));
}

#[test]
fn deleted_records_are_reported_as_lost_and_reading_goes_on_behind_them() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Results, 1)) else { return };
    fixture.write(&Topic::Results, 0, numbers(0..10));
    fixture.delete_below(&Topic::Results, 0, 6);
    let mut reader = fixture.reader();
    reader.assign(&Topic::Results, 0, 2).expect("assigned");
    let all = read_to_end(&mut *reader, &Topic::Results, 0, 10);
    let lost = Delivery::Lost { topic: Topic::Results, partition: 0, wanted: 2, low: 6, high: 10 };
    assert_eq!(all[0], lost);
    assert_eq!(values_of(&Topic::Results, &all), ["6", "7", "8", "9"]);
}

#[test]
fn an_offset_beyond_the_end_is_reported_as_lost() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Results, 1)) else { return };
    fixture.write(&Topic::Results, 0, numbers(0..3));
    for wanted in [4, u64::MAX] {
        let mut reader = fixture.reader();
        reader.assign(&Topic::Results, 0, wanted).expect("assigned");
        let all = read_to_end(&mut *reader, &Topic::Results, 0, 3);
        assert_eq!(all[0], Delivery::Lost { topic: Topic::Results, partition: 0, wanted, low: 0, high: 3 });
        assert_eq!(values_of(&Topic::Results, &all), ["0", "1", "2"]);
    }
}

#[test]
fn the_end_itself_is_a_place_to_begin() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Results, 1)) else { return };
    fixture.write(&Topic::Results, 0, numbers(0..3));
    let mut reader = fixture.reader();
    reader.assign(&Topic::Results, 0, 3).expect("assigned");
    assert_eq!(read_to_end(&mut *reader, &Topic::Results, 0, 3).len(), 1);
}

#[test]
fn a_loss_that_is_found_while_paused_is_told_after_the_pause() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 1)) else { return };
    fixture.write(&Topic::Requests, 0, numbers(0..4));
    let mut reader = fixture.reader();
    reader.assign(&Topic::Requests, 0, 0).expect("assigned");
    read_to_end(&mut *reader, &Topic::Requests, 0, 4);
    reader.pause(&Topic::Requests, 0).expect("paused");
    fixture.write(&Topic::Requests, 0, numbers(4..9));
    fixture.delete_below(&Topic::Requests, 0, 7);
    reader.resume(&Topic::Requests, 0).expect("resumed");
    let all = read_to_end(&mut *reader, &Topic::Requests, 0, 9);
    assert_eq!(all[0], Delivery::Lost { topic: Topic::Requests, partition: 0, wanted: 4, low: 7, high: 9 });
    assert_eq!(values_of(&Topic::Requests, &all), ["7", "8"]);
}

#[test]
fn a_topic_that_does_not_exist_is_an_error_that_names_it() {
    let Some(fixture) = Fixture::with(&[("topic.metadata.propagation.max.ms", "200")]) else { return };
    let mut reader = fixture.reader();
    reader.assign(&Topic::Requests, 0, 0).expect("nothing is asked yet");
    let (began, mut out) = (Instant::now(), Vec::new());
    let error = loop {
        assert!(began.elapsed() < PATIENCE, "waited in vain; came: {out:?}");
        if let Err(error) = reader.poll(Duration::from_millis(100), &mut out) {
            break error;
        }
    };
    assert!(
        matches!(&error, LogError::UnknownTopic(name) if name.contains(&fixture.name(&Topic::Requests))),
        "{error}"
    );
    assert_eq!(out, []);
}

#[test]
fn one_poll_waits_for_all_partitions() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Results, 4)) else { return };
    let mut reader = fixture.reader();
    for partition in 0..4 {
        reader.assign(&Topic::Results, partition, 0).expect("assigned");
    }
    for partition in 0..4 {
        let offset = fixture.write(&Topic::Results, partition, [partition.to_string()])[0];
        let has = |d: &Delivery| matches!(d, Delivery::Record(r) if r.partition == partition && r.offset == offset);
        read_until("the record comes", &mut *reader, |all| all.iter().any(has));
    }
}
