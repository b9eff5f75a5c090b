//! Topics and their ends.

use super::Subject;
use super::kit::{create, numbered, ready, values, write};
use orchestrator::log::{Ends, Topic, TopicSpec};

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
