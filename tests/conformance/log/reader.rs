//! Reading.

use super::Subject;
use super::kit::{WAIT, append, create, numbered, read_until, ready, record, texts, until, values, write};
use orchestrator::log::{Delivery, Purpose, Topic};
use std::collections::BTreeMap;
use std::time::Duration;

pub fn the_end_is_said_after_the_last_record_and_again_after_new_ones(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Results, 1);
    let mut reader = log.reader().expect("a reader");
    reader.assign(&Topic::Results, 0, 0).expect("assigned");
    assert_eq!(read_until(subject, &mut *reader, &Topic::Results, 0, 0), [], "the end of an empty partition");
    for round in 0..5 {
        let high = write(subject, &*log, &numbered(&Topic::Results, 0, round * 10..round * 10 + 10))[9].1 + 1;
        let read = read_until(subject, &mut *reader, &Topic::Results, 0, high);
        assert_eq!(values(&read), texts(round * 10..round * 10 + 10));
    }
}

pub fn reading_begins_where_it_is_told_to(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Journal, 1);
    let places = write(subject, &*log, &numbered(&Topic::Journal, 0, 0..50));
    let mut reader = log.reader().expect("a reader");
    reader.assign(&Topic::Journal, 0, places[20].1).expect("assigned");
    let high = places[49].1 + 1;
    assert_eq!(values(&read_until(subject, &mut *reader, &Topic::Journal, 0, high)), texts(20..50));
    reader.assign(&Topic::Journal, 0, high).expect("assigned");
    assert_eq!(read_until(subject, &mut *reader, &Topic::Journal, 0, high), [], "at the end there is only the end");
}

pub fn a_partition_assigned_again_is_read_again(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Journal, 1);
    let places = write(subject, &*log, &numbered(&Topic::Journal, 0, 0..30));
    let high = places[29].1 + 1;
    let mut reader = log.reader().expect("a reader");
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    assert_eq!(read_until(subject, &mut *reader, &Topic::Journal, 0, high).len(), 30);
    reader.assign(&Topic::Journal, 0, places[10].1).expect("assigned again, back");
    assert_eq!(values(&read_until(subject, &mut *reader, &Topic::Journal, 0, high)), texts(10..30));
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    reader.assign(&Topic::Journal, 0, places[25].1).expect("assigned again before anything was read");
    assert_eq!(values(&read_until(subject, &mut *reader, &Topic::Journal, 0, high)), texts(25..30));
}

pub fn an_unassigned_partition_is_silent(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Results, 2);
    let mut reader = log.reader().expect("a reader");
    write(subject, &*log, &numbered(&Topic::Results, 0, 0..10));
    reader.assign(&Topic::Results, 0, 0).expect("assigned");
    reader.poll(WAIT, &mut Vec::new()).expect("some of it is read");
    reader.unassign(&Topic::Results, 0).expect("unassigned");
    reader.assign(&Topic::Results, 1, 0).expect("assigned");
    let both: Vec<_> =
        (0..10).flat_map(|n| [0, 1].map(|partition| record(&Topic::Results, partition, n.to_string()))).collect();
    let high = write(subject, &*log, &both)[19].1 + 1;
    // Fails on anything that is not of partition 1.
    assert_eq!(values(&read_until(subject, &mut *reader, &Topic::Results, 1, high)), texts(0..10));
}

pub fn a_partition_held_back_loses_nothing(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Requests, 2);
    let mut reader = log.reader().expect("a reader");
    let mut appender = log.appender(Purpose::Client).expect("an appender");
    for partition in 0..2 {
        reader.assign(&Topic::Requests, partition, 0).expect("assigned");
    }
    let mut read: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut wait_for = |reader: &mut dyn orchestrator::log::Reader, partition: u32, count: usize| {
        until(subject, &format!("{count} records of partition {partition} are read"), || {
            let mut out = Vec::new();
            reader.poll(WAIT, &mut out).expect("reading goes on");
            for delivery in out {
                if let Delivery::Record(record) = delivery {
                    read.entry(record.partition).or_default().extend(values(&[record]));
                }
            }
            (read.get(&partition).map_or(0, Vec::len) >= count).then_some(())
        });
        read.clone()
    };
    append(subject, &mut *appender, &numbered(&Topic::Requests, 0, 0..5));
    wait_for(&mut *reader, 0, 5);
    reader.pause(&Topic::Requests, 0).expect("held back");
    append(subject, &mut *appender, &numbered(&Topic::Requests, 0, 5..10));
    append(subject, &mut *appender, &numbered(&Topic::Requests, 1, 0..5));
    let seen = wait_for(&mut *reader, 1, 5);
    assert_eq!(seen[&0], texts(0..5), "nothing of a partition that is held back");
    reader.resume(&Topic::Requests, 0).expect("goes on");
    append(subject, &mut *appender, &numbered(&Topic::Requests, 0, 10..12));
    let seen = wait_for(&mut *reader, 0, 12);
    assert_eq!((&seen[&0], &seen[&1]), (&texts(0..12), &texts(0..5)));
}

pub fn partitions_are_read_side_by_side(subject: &impl Subject) {
    let log = subject.open();
    let topics = [Topic::Requests, Topic::Results, ready("barista")];
    let mut reader = log.reader().expect("a reader");
    let mut wanted: BTreeMap<(Topic, u32), Vec<String>> = BTreeMap::new();
    let mut records = Vec::new();
    for topic in &topics {
        create(&*log, topic, 4);
        for partition in 0..4 {
            reader.assign(topic, partition, 0).expect("assigned");
            records.extend(numbered(topic, partition, 0..300));
            wanted.insert((topic.clone(), partition), texts(0..300));
        }
    }
    write(subject, &*log, &records);
    let mut read: BTreeMap<(Topic, u32), Vec<String>> = BTreeMap::new();
    until(subject, "everything is read", || {
        let mut out = Vec::new();
        reader.poll(WAIT, &mut out).expect("reading goes on");
        for delivery in out {
            if let Delivery::Record(record) = delivery {
                read.entry((record.topic.clone(), record.partition)).or_default().extend(values(&[record]));
            }
        }
        (read.values().map(Vec::len).sum::<usize>() >= records.len()).then_some(())
    });
    assert_eq!(read, wanted);
}

pub fn what_another_process_writes_is_read(subject: &impl Subject) {
    let (one, other) = (subject.open(), subject.open());
    create(&*one, &Topic::Signals, 1);
    let mut reader = other.reader().expect("a reader");
    reader.assign(&Topic::Signals, 0, 0).expect("assigned");
    let mut appender = one.appender(Purpose::Client).expect("an appender");
    for n in 0..30 {
        let high = append(subject, &mut *appender, &numbered(&Topic::Signals, 0, n..n + 1))[0].1 + 1;
        assert_eq!(values(&read_until(subject, &mut *reader, &Topic::Signals, 0, high)), texts(n..n + 1));
    }
}

pub fn an_offset_that_is_not_there_is_lost(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Journal, 1);
    write(subject, &*log, &numbered(&Topic::Journal, 0, 0..3));
    let ends = log.ends(&Topic::Journal, 0).expect("the ends");
    let mut reader = log.reader().expect("a reader");
    reader.assign(&Topic::Journal, 0, 1_000).expect("assigned");
    let mut all = Vec::new();
    until(subject, "the records that are there are read", || {
        reader.poll(WAIT, &mut all).expect("reading goes on");
        matches!(all.last(), Some(Delivery::End { .. })).then_some(())
    });
    let (low, high) = (ends.low, ends.high);
    assert_eq!(all[0], Delivery::Lost { topic: Topic::Journal, partition: 0, wanted: 1_000, low, high });
    let records = all.iter().filter(|delivery| matches!(delivery, Delivery::Record(_))).count();
    assert_eq!((records, all.len()), (3, 5), "lost, three records, the end: {all:?}");
}

pub fn large_records_come_one_after_another(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Journal, 1);
    let large: Vec<_> = (0..6_u8).map(|n| record(&Topic::Journal, 0, vec![n; 3 << 20])).collect();
    let mut expected = Vec::new();
    for record in &large {
        expected.push(record.value.clone());
    }
    let high = write(subject, &*log, &large)[5].1 + 1;
    let mut reader = log.reader().expect("a reader");
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    let read: Vec<_> =
        read_until(subject, &mut *reader, &Topic::Journal, 0, high).into_iter().map(|record| record.value).collect();
    assert!(read == expected, "six records of 3 MB in order");
}

pub fn a_poll_with_nothing_to_say_returns(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Journal, 1);
    let mut reader = log.reader().expect("a reader");
    let mut out = Vec::new();
    reader.poll(Duration::ZERO, &mut out).expect("nothing is assigned");
    assert_eq!(out, []);
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    read_until(subject, &mut *reader, &Topic::Journal, 0, 0);
    reader.poll(WAIT, &mut out).expect("nothing is new");
    assert_eq!(out, [], "the end is said once");
}
