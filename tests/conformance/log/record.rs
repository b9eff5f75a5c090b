//! Appending.

use super::Subject;
use super::kit::{append, create, numbered, read_all, ready, record, refusal, texts, values, write};
use bytes::Bytes;
use orchestrator::core::partition::partition_of;
use orchestrator::log::{AppendError, MAX_RECORD_BYTES, NewRecord, Purpose, Topic};

pub fn records_of_one_partition_stay_in_order(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Journal, 2);
    for purpose in [Purpose::Journal, Purpose::Effects, Purpose::Events, Purpose::Client] {
        let topic = ready(&format!("{purpose:?}"));
        create(&*log, &topic, 2);
        let mut appender = log.appender(purpose).expect("an appender");
        let mixed: Vec<NewRecord> = (0..2_000).map(|n| record(&topic, (n % 2) as u32, (n / 2).to_string())).collect();
        append(subject, &mut *appender, &mixed);
        for partition in 0..2 {
            let read = read_all(subject, &*log, &topic, partition);
            assert_eq!(values(&read), texts(0..1_000), "{topic}[{partition}]");
            let offsets: Vec<u64> = read.iter().map(|record| record.offset).collect();
            assert!(offsets.is_sorted_by(|a, b| a < b), "offsets rise");
            assert!(read.is_sorted_by_key(|record| record.time), "append times never fall");
        }
    }
}

pub fn an_acknowledgement_says_where_the_record_stands(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Results, 3);
    let records: Vec<NewRecord> = (0..90).map(|n| record(&Topic::Results, n % 3, format!("r{n}"))).collect();
    let places = write(subject, &*log, &records);
    let stored: Vec<_> = (0..3).map(|partition| read_all(subject, &*log, &Topic::Results, partition)).collect();
    for (record, (partition, offset)) in records.iter().zip(places) {
        let found = stored[partition as usize].iter().find(|stored| stored.offset == offset);
        assert_eq!(record.partition, Some(partition));
        assert_eq!(found.expect("a record stands there").value, record.value);
    }
}

pub fn a_key_decides_the_partition_as_in_the_java_client(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Requests, 7);
    let keys: Vec<Bytes> = (0..100).map(|n| Bytes::from(format!("workflow-{n}-ü"))).chain([Bytes::new()]).collect();
    let keyed = |key: &Bytes| NewRecord {
        topic: Topic::Requests,
        partition: None,
        key: Some(key.clone()),
        value: Some(key.clone()),
        headers: vec![],
    };
    let places = write(subject, &*log, &keys.iter().map(keyed).collect::<Vec<_>>());
    for (key, (partition, _)) in keys.iter().zip(&places).filter(|(key, _)| !key.is_empty()) {
        assert_eq!(*partition, partition_of(key, 7), "{key:?}");
    }
    let spread: std::collections::BTreeSet<u32> = places.iter().map(|(partition, _)| *partition).collect();
    assert_eq!(spread.len(), 7, "a hundred keys reach all seven partitions");
}

pub fn a_record_without_key_and_partition_goes_somewhere(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Requests, 4);
    let keyless = NewRecord { partition: None, ..record(&Topic::Requests, 0, "request") };
    for (partition, offset) in write(subject, &*log, &vec![keyless; 20]) {
        let read = read_all(subject, &*log, &Topic::Requests, partition);
        assert!(read.iter().any(|record| record.offset == offset && record.key.is_none()));
    }
}

pub fn what_is_in_a_record_comes_back(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Events, 1);
    let binary = Bytes::from((0..=255).collect::<Vec<u8>>());
    let header = |name: &'static str, value: &Bytes| (name.into(), value.clone());
    let records = [
        (None, None, vec![]),
        (Some(Bytes::from("key")), None, vec![]),
        (None, Some(Bytes::new()), vec![]),
        (Some(binary.clone()), Some(binary.clone()), vec![header("ce_id", &binary)]),
        (
            None,
            Some(Bytes::from("x")),
            vec![header("b", &Bytes::from("1")), header("a", &Bytes::new()), header("b", &Bytes::from("2"))],
        ),
    ];
    let new = records.clone().map(|(key, value, headers)| NewRecord {
        topic: Topic::Events,
        partition: Some(0),
        key,
        value,
        headers,
    });
    write(subject, &*log, &new);
    let read = read_all(subject, &*log, &Topic::Events, 0);
    let read: Vec<_> = read.into_iter().map(|record| (record.key, record.value, record.headers)).collect();
    assert_eq!(read, records);
}

pub fn a_record_over_the_limit_is_refused_and_the_next_is_taken(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Results, 1);
    let mut appender = log.appender(Purpose::Effects).expect("an appender");
    let refused = refusal(subject, &mut *appender, &record(&Topic::Results, 0, vec![7; MAX_RECORD_BYTES + 1]));
    assert!(matches!(refused, AppendError::Refused(_)), "{refused:?}");
    let large = vec![8; MAX_RECORD_BYTES - 1_024];
    append(subject, &mut *appender, &[record(&Topic::Results, 0, large.clone())]);
    let read = read_all(subject, &*log, &Topic::Results, 0);
    assert_eq!(read.len(), 1);
    assert!(read[0].value.as_deref() == Some(&large), "the large record came back unchanged");
}

pub fn an_unknown_topic_is_refused(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Results, 1);
    let mut appender = log.appender(Purpose::Effects).expect("an appender");
    let refused = refusal(subject, &mut *appender, &record(&ready("nobody"), 0, "x"));
    assert!(matches!(refused, AppendError::Refused(_)), "{refused:?}");
    append(subject, &mut *appender, &numbered(&Topic::Results, 0, 0..1));
}

pub fn a_partition_that_is_not_there_is_refused(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Results, 2);
    let mut appender = log.appender(Purpose::Effects).expect("an appender");
    let refused = refusal(subject, &mut *appender, &record(&Topic::Results, 2, "x"));
    assert!(matches!(refused, AppendError::Refused(_)), "{refused:?}");
    append(subject, &mut *appender, &numbered(&Topic::Results, 1, 0..1));
}

pub fn what_was_acknowledged_outlives_its_appender(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Journal, 1);
    let mut appender = log.appender(Purpose::Journal).expect("an appender");
    append(subject, &mut *appender, &numbered(&Topic::Journal, 0, 0..10));
    drop(appender);
    assert_eq!(values(&read_all(subject, &*log, &Topic::Journal, 0)), texts(0..10));
    drop(log);
    assert_eq!(values(&read_all(subject, &*subject.open(), &Topic::Journal, 0)), texts(0..10));
}

pub fn appenders_of_two_processes_share_a_partition(subject: &impl Subject) {
    let (one, other) = (subject.open(), subject.open());
    create(&*one, &Topic::Results, 1);
    let mut mine = one.appender(Purpose::Client).expect("an appender");
    let mut theirs = other.appender(Purpose::Client).expect("an appender");
    let mut places = Vec::new();
    for n in 0..20 {
        places.extend(append(subject, &mut *mine, &[record(&Topic::Results, 0, format!("mine {n}"))]));
        places.extend(append(subject, &mut *theirs, &[record(&Topic::Results, 0, format!("theirs {n}"))]));
    }
    assert!(places.is_sorted_by(|a, b| a < b), "each stands behind what was acknowledged before");
    let expected: Vec<String> = (0..20).flat_map(|n| [format!("mine {n}"), format!("theirs {n}")]).collect();
    assert_eq!(values(&read_all(subject, &*one, &Topic::Results, 0)), expected);
}
