//! Topics and the cluster.

use super::*;
use orchestrator::log::{Ends, LogError};

#[test]
fn a_topic_that_is_made_twice_stays_as_it_was() {
    let Some(fixture) = Fixture::new() else { return };
    assert_eq!(fixture.log.partitions(&Topic::Journal).expect("an answer"), None);
    let fixture = fixture.topic_with(&Topic::Journal, 3, &[("retention.ms", "-1")]);
    fixture.write(&Topic::Journal, 2, numbers(0..1));
    let fixture = fixture.topic_with(&Topic::Journal, 5, &[("retention.ms", "1000")]);
    assert_eq!(fixture.log.partitions(&Topic::Journal).expect("an answer"), Some(3));
    assert_eq!(fixture.log.ends(&Topic::Journal, 2).expect("ends"), Ends { low: 0, high: 1 });
    let settings = fixture.log.topic_settings(&Topic::Journal).expect("settings");
    assert!(settings.contains(&("retention.ms".into(), "-1".into())), "{settings:?}");
}

#[test]
fn a_topic_can_be_used_as_soon_as_it_is_made() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Definitions, 1).topic(&Topic::Requests, 4)) else {
        return;
    };
    for partition in 0..4 {
        assert_eq!(fixture.log.ends(&Topic::Requests, partition).expect("ends"), Ends { low: 0, high: 0 });
    }
    assert_eq!(fixture.write(&Topic::Requests, 3, numbers(0..2)), [0, 1]);
}

#[test]
fn a_setting_that_kafka_does_not_know_is_refused_and_named() {
    let Some(fixture) = Fixture::new() else { return };
    let settings = vec![("no.such.setting".into(), "1".into())];
    let refused = fixture.log.create_topics(&[TopicSpec { topic: Topic::Journal, partitions: 1, settings }]);
    assert!(matches!(&refused, Err(LogError::Refused(reason)) if reason.contains("journal")), "{refused:?}");
}

#[test]
fn the_ends_move_with_what_is_written_and_deleted() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Results, 1)) else { return };
    fixture.write(&Topic::Results, 0, numbers(0..5));
    assert_eq!(fixture.log.ends(&Topic::Results, 0).expect("ends"), Ends { low: 0, high: 5 });
    fixture.delete_below(&Topic::Results, 0, 3);
    assert_eq!(fixture.log.ends(&Topic::Results, 0).expect("ends"), Ends { low: 3, high: 5 });
}

#[test]
fn what_is_not_there_is_named() {
    let Some(fixture) = Fixture::new() else { return };
    let ends = fixture.log.ends(&Topic::Results, 0);
    assert!(matches!(&ends, Err(LogError::UnknownTopic(name)) if *name == fixture.name(&Topic::Results)), "{ends:?}");
    let settings = fixture.log.topic_settings(&Topic::Results);
    assert!(matches!(&settings, Err(LogError::UnknownTopic(_))), "{settings:?}");
}

#[test]
fn the_cluster_says_who_it_is() {
    let Some(fixture) = Fixture::new() else { return };
    assert!(fixture.log.brokers().expect("an answer") >= 1);
    let cluster = fixture.log.cluster();
    assert!(!cluster.is_empty() && cluster != fixture.settings.brokers, "{cluster}");
    assert_eq!(cluster, fixture.log.cluster());
}
