//! Topics and their ends.

use super::Subject;
use super::kit::{create, numbered, read_all, ready, until, values, write};
use orchestrator::core::time::Timestamp;
use orchestrator::log::{Ends, Topic, TopicSpec};
use std::collections::BTreeSet;

pub fn ends_are_those_of_now(subject: &impl Subject) {
    let (log, other) = (subject.open(), subject.open());
    create(&*log, &Topic::Journal, 2);
    assert_eq!(log.ends(&Topic::Journal, 0).expect("the ends"), Ends { low: 0, high: 0 });
    let places = write(subject, &*log, &numbered(&Topic::Journal, 0, 0..25));
    let ends = Ends { low: 0, high: places[24].1 + 1 };
    assert_eq!(log.ends(&Topic::Journal, 0).expect("the ends"), ends);
    assert_eq!(other.ends(&Topic::Journal, 0).expect("the ends"), ends);
    assert_eq!(log.ends(&Topic::Journal, 1).expect("the ends"), Ends { low: 0, high: 0 });
    assert!(log.ends(&Topic::Journal, 2).is_err(), "there is no third partition");
    assert!(log.ends(&ready("nobody"), 0).is_err(), "there is no such topic");
}

pub fn an_offset_is_found_by_the_time_of_its_record(subject: &impl Subject) {
    let (log, other) = (subject.open(), subject.open());
    create(&*log, &Topic::Events, 2);
    let mut number = 0;
    // Until there are some that no millisecond has in common, however fast the log is.
    until(subject, "records of some milliseconds stand in the log", || {
        write(subject, &*log, &numbered(&Topic::Events, 1, number..number + 3));
        number += 3;
        let records = read_all(subject, &*log, &Topic::Events, 1);
        let times: BTreeSet<i64> = records.iter().map(|record| record.time.as_millis()).collect();
        (times.len() >= 5).then_some(())
    });
    let records = read_all(subject, &*log, &Topic::Events, 1);
    for (handle, record) in [&log, &other].into_iter().cycle().zip(&records) {
        let first = records.iter().find(|other| other.time.as_millis() >= record.time.as_millis()).expect("itself");
        let found = handle.offset_at(&Topic::Events, 1, record.time).expect("an offset");
        assert_eq!(found, first.offset, "at {:?}", record.time);
    }
    let before = Timestamp(records[0].time.0 - 3_600_000_000);
    for time in [before, Timestamp(0), Timestamp(-1), Timestamp(i64::MIN)] {
        assert_eq!(log.offset_at(&Topic::Events, 1, time).expect("an offset"), records[0].offset, "at {time:?}");
    }
}

pub fn a_time_without_records_is_the_end(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Events, 2);
    assert_eq!(log.offset_at(&Topic::Events, 0, Timestamp(0)).expect("an offset"), 0, "an empty partition");
    let places = write(subject, &*log, &numbered(&Topic::Events, 0, 0..7));
    let after = Timestamp(read_all(subject, &*log, &Topic::Events, 0)[6].time.0 + 3_600_000_000);
    for time in [after, Timestamp(i64::MAX)] {
        assert_eq!(log.offset_at(&Topic::Events, 0, time).expect("an offset"), places[6].1 + 1, "at {time:?}");
    }
    assert!(log.offset_at(&Topic::Events, 2, after).is_err(), "there is no third partition");
    assert!(log.offset_at(&ready("nobody"), 0, after).is_err(), "there is no such topic");
}

pub fn an_unknown_topic_has_no_partitions(subject: &impl Subject) {
    let (log, other) = (subject.open(), subject.open());
    assert_eq!(log.partitions(&ready("barista")).expect("an answer"), None);
    create(&*other, &ready("barista"), 6);
    assert_eq!(log.partitions(&ready("barista")).expect("an answer"), Some(6));
    assert_eq!(log.partitions(&ready("bar")).expect("an answer"), None);
    assert!(log.topic_settings(&ready("bar")).is_err());
}

pub fn creating_a_topic_again_changes_nothing(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Requests, 4);
    write(subject, &*log, &numbered(&Topic::Requests, 3, 0..5));
    create(&*log, &Topic::Requests, 4);
    create(&*subject.open(), &Topic::Requests, 9);
    assert_eq!(log.partitions(&Topic::Requests).expect("an answer"), Some(4));
    assert_eq!(values(&super::kit::read_all(subject, &*log, &Topic::Requests, 3)).len(), 5);
    let none = TopicSpec { topic: Topic::Results, partitions: 0, settings: vec![] };
    assert!(log.create_topics(&[none]).is_err(), "a topic without partitions is refused");
}

pub fn a_topic_keeps_its_settings(subject: &impl Subject) {
    let log = subject.open();
    let settings = [("retention.ms", "604800000"), ("cleanup.policy", "delete"), ("max.message.bytes", "8388608")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let spec = TopicSpec { topic: Topic::Results, partitions: 1, settings: settings.to_vec() };
    log.create_topics(&[spec]).expect("created");
    for handle in [log, subject.open()] {
        let found = handle.topic_settings(&Topic::Results).expect("an answer");
        for setting in &settings {
            assert!(found.contains(setting), "{setting:?} is not among {found:?}");
        }
    }
}

pub fn two_handles_name_the_same_cluster(subject: &impl Subject) {
    let (one, other) = (subject.open(), subject.open());
    assert!(!one.cluster().is_empty());
    assert_eq!(one.cluster(), other.cluster());
    assert!(one.brokers().expect("an answer") >= 1);
}
