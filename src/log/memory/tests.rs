//! That each fault happens, that what always holds does, and that the seed decides everything.

use super::*;
use crate::core::time::Timestamp;
use crate::log::{Ack, AppendError, Committed, Delivery, GroupEvent, NewRecord};
use std::collections::BTreeSet;

pub(super) const ME: ProcessId = ProcessId(1);
pub(super) const OTHER: ProcessId = ProcessId(2);

pub(super) fn log(seed: u64, faults: Faults) -> MemoryLog {
    let log = MemoryLog::new(Clock::at(Timestamp::from_millis(1_000)), seed);
    for topic in [Topic::Journal, Topic::Events, Topic::Requests] {
        let spec = TopicSpec { topic, partitions: 2, settings: vec![] };
        log.process(ProcessId(0)).create_topics(&[spec]).expect("created");
    }
    log.set_faults(faults);
    log
}

pub(super) fn record(topic: &Topic, partition: u32, number: u64) -> NewRecord {
    let value = Some(number.to_string().into());
    NewRecord { topic: topic.clone(), partition: Some(partition), key: None, value, headers: vec![] }
}

pub(super) fn numbers(log: &MemoryLog, topic: &Topic, partition: u32) -> Vec<u64> {
    let number = |record: Record| {
        let value = record.value.expect("a value");
        std::str::from_utf8(&value).expect("text").parse().expect("a number")
    };
    log.records(topic, partition).into_iter().map(number).collect()
}

/// Appends `count` numbers to each partition, moving time on meanwhile; the ends that came, up to a fatal one.
pub(super) fn append(log: &MemoryLog, purpose: Purpose, topic: &Topic, count: u64) -> Vec<Ack> {
    let mut appender = log.process(ME).appender(purpose).expect("an appender");
    let mut acks = Vec::new();
    'all: for number in 0..count {
        for partition in 0..2 {
            while let Err(error) = appender.append(record(topic, partition, number), number * 2 + u64::from(partition))
            {
                match error {
                    AppendError::Full => {}
                    AppendError::Refused(_) => break,
                    AppendError::Unconfirmed(_) | AppendError::Fatal(_) => break 'all,
                }
            }
        }
        log.advance(Duration::from_millis(10));
        appender.poll(&mut acks);
    }
    while appender.in_flight() > 0 {
        log.advance(Duration::from_millis(100));
        appender.poll(&mut acks);
    }
    acks
}

pub(super) fn only(set: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults {
        land_delay: Duration::from_secs(1),
        ack_delay: Duration::from_secs(1),
        delivery_delay: Duration::from_secs(1),
        ..Faults::default()
    };
    set(&mut faults);
    faults
}

/// Some of everything: appends, readers, members, a zombie, a crash, a lost suffix.
fn some_run(seed: u64) -> MemoryLog {
    let log = log(seed, Faults::all());
    let mut reader = log.process(OTHER).reader().expect("a reader");
    let mut members = [ME, OTHER].map(|process| {
        log.process(process).group("engine", &[Topic::Requests], Membership::AssignOnly).expect("joined")
    });
    let mut read = Vec::new();
    for round in 0..20 {
        append(&log, Purpose::Journal, &Topic::Journal, 30);
        append(&log, Purpose::Events, &Topic::Events, 30);
        let mut pending = log.process(ProcessId(3)).appender(Purpose::Effects).expect("an appender");
        for number in 0..10 {
            let _ = pending.append(record(&Topic::Requests, 0, number), number);
        }
        match round % 4 {
            0 => log.drop_process(ProcessId(3)),
            1 => log.freeze(ProcessId(3)),
            2 => log.thaw(ProcessId(3)),
            _ => log.land_some(),
        }
        drop(pending);
        if round % 5 == 0 {
            // Not every offset that is asked for has been written.
            reader.assign(&Topic::Journal, 0, round).expect("assigned");
        }
        for _ in 0..20 {
            log.advance(Duration::from_millis(200));
            reader.poll(Duration::ZERO, &mut read).expect("reading goes on");
            for member in &mut members {
                member.poll(Duration::ZERO, &mut Vec::new()).expect("the group goes on");
                let committed = Committed { offset: round, metadata: String::new() };
                let _ = member.commit(&Topic::Requests, 0, &committed, true);
            }
            let _ = log.process(ME).ends(&Topic::Journal, 0);
        }
        log.lose_suffix(&Topic::Journal, 0, 3);
        log.stampede(&Topic::Requests, 0);
    }
    log
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..5 {
        let (one, again) = (some_run(seed), some_run(seed));
        assert_eq!(one.trace(), again.trace(), "seed {seed}");
        for topic in [Topic::Journal, Topic::Events, Topic::Requests] {
            for partition in 0..2 {
                assert_eq!(one.records(&topic, partition), again.records(&topic, partition), "seed {seed}");
            }
        }
    }
    assert_ne!(some_run(1).trace(), some_run(2).trace(), "another seed gives another run");
}

#[test]
fn every_fault_happens() {
    let mut counts = BTreeMap::new();
    for seed in 0..20 {
        for (what, count) in some_run(seed).counts() {
            *counts.entry(what).or_insert(0) += count;
        }
    }
    use What::*;
    for what in [
        Landed,
        LandedAgain,
        LandedAfterError,
        LandedAfterDeath,
        HeldUnderWay,
        AckLate,
        AckLost,
        Unlanded,
        ErrorWhileUnderWay,
        Vanished,
        TwinUnderWay,
        Refused,
        Fatal,
        Full,
        DeliveryHeld,
        Stampede,
        GroupLied,
        Given,
        Revoked,
        CommitRefused,
        Unreachable,
        Lost,
        SuffixLost,
        Frozen,
        Thawed,
        Dropped,
    ] {
        assert!(counts.contains_key(&what), "{what:?} never happened in {counts:?}");
    }
}

#[test]
fn without_faults_everything_lands_in_order_and_is_acknowledged_at_once() {
    let log = log(1, Faults::default());
    let mut appender = log.process(ME).appender(Purpose::Journal).expect("an appender");
    for number in 0..10 {
        appender.append(record(&Topic::Journal, 0, number), number).expect("taken");
    }
    assert_eq!((numbers(&log, &Topic::Journal, 0), appender.in_flight()), (vec![], 10));
    let mut acks = Vec::new();
    appender.poll(&mut acks);
    let places: Vec<_> = acks.into_iter().map(|ack| (ack.token, ack.result)).collect();
    assert_eq!(places, (0..10).map(|n| (n, Ok((0, n)))).collect::<Vec<_>>());
    assert_eq!(numbers(&log, &Topic::Journal, 0), (0..10).collect::<Vec<_>>());
}

#[test]
fn late_records_land_in_order() {
    for seed in 0..20 {
        let log = log(seed, only(|f| (f.land_late, f.ack_late, f.full) = (0.3, 0.3, 0.1)));
        let acks = append(&log, Purpose::Journal, &Topic::Journal, 50);
        assert_eq!(acks.len(), 100, "seed {seed}");
        for partition in 0..2 {
            assert_eq!(numbers(&log, &Topic::Journal, partition), (0..50).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}

#[test]
fn a_confirmed_record_stands_where_its_acknowledgement_says() {
    for seed in 0..50 {
        let log = log(seed, Faults::all());
        for ack in append(&log, Purpose::Effects, &Topic::Journal, 50) {
            if let Ok((partition, offset)) = ack.result {
                let found = &log.records(&Topic::Journal, partition)[offset as usize];
                assert_eq!(found.value, record(&Topic::Journal, 0, ack.token / 2).value, "seed {seed}");
            }
        }
    }
}

#[test]
fn every_append_ends_exactly_once() {
    for seed in 0..50 {
        // One that is refused at once has no other end.
        let log = log(seed, Faults { refused: 0.0, ..Faults::all() });
        let acks = append(&log, Purpose::Journal, &Topic::Journal, 50);
        let tokens: BTreeSet<u64> = acks.iter().map(|ack| ack.token).collect();
        assert_eq!(tokens, (0..acks.len() as u64).collect(), "seed {seed}");
        assert_eq!(tokens.len(), acks.len(), "seed {seed}: a token came twice");
    }
}

#[test]
fn a_repetition_stands_behind_its_first() {
    let log = log(3, only(|f| (f.twice_at_once, f.twice_behind, f.land_late) = (0.2, 0.2, 0.2)));
    append(&log, Purpose::Journal, &Topic::Journal, 100);
    let read = numbers(&log, &Topic::Journal, 0);
    assert!(read.len() > 100, "some landed twice");
    let mut firsts = read.clone();
    let mut seen = BTreeSet::new();
    firsts.retain(|number| seen.insert(*number));
    assert_eq!(firsts, (0..100).collect::<Vec<_>>(), "{read:?}");
    assert!(read.windows(2).any(|pair| pair[0] == pair[1]), "at once");
    assert!(read.windows(2).any(|pair| pair[0] > pair[1]), "behind others");
}

#[test]
fn of_a_gapless_appender_nothing_lands_after_an_error() {
    let mut errors = 0;
    for seed in 0..100 {
        let log = log(seed, Faults::all());
        let acks = append(&log, Purpose::Events, &Topic::Events, 50);
        log.settle();
        errors += u32::from(acks.iter().any(|ack| ack.result.is_err()));
        for partition in 0..2 {
            let mut firsts = numbers(&log, &Topic::Events, partition);
            let mut seen = BTreeSet::new();
            firsts.retain(|number| seen.insert(*number));
            assert_eq!(firsts, (0..firsts.len() as u64).collect::<Vec<_>>(), "seed {seed}: a gap");
            let failed = acks.iter().filter(|ack| ack.result.is_err() && ack.token % 2 == u64::from(partition));
            let first_failed = failed.map(|ack| ack.token / 2).min().unwrap_or(50);
            assert!(firsts.len() as u64 <= first_failed + 1, "seed {seed}: landed behind the error");
        }
    }
    assert!(errors > 20, "only {errors} of 100 runs had an error");
}

#[test]
fn other_appenders_go_on_after_an_error() {
    let log = log(5, only(|f| (f.never_lands, f.lands_after_error) = (0.1, 0.1)));
    append(&log, Purpose::Effects, &Topic::Journal, 100);
    log.settle();
    let read = numbers(&log, &Topic::Journal, 0);
    assert!(read.len() < 100, "some never landed");
    assert!(read.windows(2).any(|pair| pair[0] > pair[1]), "some landed behind later ones: {read:?}");
    assert!(read.contains(&99) || read.contains(&98), "and the appender went on");
}

#[test]
fn what_a_dead_owner_had_under_way_may_land_under_the_next() {
    let (mut none, mut some) = (0, 0);
    for seed in 0..40 {
        let log = log(seed, only(|f| (f.land_late, f.orphans) = (1.0, true)));
        let mut dying = log.process(ME).appender(Purpose::Journal).expect("an appender");
        for number in 0..5 {
            dying.append(record(&Topic::Journal, 0, number), number).expect("taken");
        }
        log.drop_process(ME);
        let gone = dying.append(record(&Topic::Journal, 0, 99), 99);
        assert!(matches!(gone, Err(AppendError::Fatal(_))), "a dead process appends nothing: {gone:?}");
        log.advance(Duration::from_secs(60));
        let read = numbers(&log, &Topic::Journal, 0);
        assert_eq!(read, (0..read.len() as u64).collect::<Vec<_>>(), "seed {seed}: a beginning, in order");
        none += u32::from(read.is_empty());
        some += u32::from(!read.is_empty());
    }
    assert!(none > 0 && some > 0, "{none} runs without, {some} with late records");
}

#[test]
fn a_zombies_records_land_after_it_was_thawed() {
    let log = log(1, Faults::default());
    let (mine, theirs) = (log.process(ME), log.process(OTHER));
    let mut zombie = mine.appender(Purpose::Journal).expect("an appender");
    let mut heir = theirs.appender(Purpose::Journal).expect("an appender");
    let mut reader = mine.reader().expect("a reader");
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    zombie.append(record(&Topic::Journal, 0, 1), 1).expect("taken");
    log.freeze(ME);
    heir.append(record(&Topic::Journal, 0, 2), 2).expect("taken");
    log.advance(Duration::from_secs(60));
    let (mut acks, mut out) = (Vec::new(), Vec::new());
    zombie.poll(&mut acks);
    reader.poll(Duration::ZERO, &mut out).expect("it stands still");
    assert!(acks.is_empty() && out.is_empty(), "nothing reaches a frozen process");
    assert!(mine.ends(&Topic::Journal, 0).is_err() && theirs.ends(&Topic::Journal, 0).is_ok());
    assert_eq!(numbers(&log, &Topic::Journal, 0), [2]);
    log.thaw(ME);
    zombie.poll(&mut acks);
    assert_eq!(acks.len(), 1);
    assert_eq!(numbers(&log, &Topic::Journal, 0), [2, 1]);
}

#[test]
fn a_zombie_of_a_group_cannot_commit_and_is_told_that_it_has_lost() {
    let log = log(1, Faults::default());
    let mut members = [ME, OTHER]
        .map(|p| log.process(p).group("engine", &[Topic::Requests], Membership::AssignOnly).expect("joined"));
    let committed = Committed { offset: 4, metadata: "four".to_owned() };
    let mut out = Vec::new();
    members[0].poll(Duration::ZERO, &mut out).expect("polled");
    assert!(matches!(&out[..], [GroupEvent::Given { partition: 0, .. }]), "{out:?}");
    members[0].commit(&Topic::Requests, 0, &committed, true).expect("it holds the partition");
    log.freeze(ME);
    for _ in 0..3 {
        log.advance(Duration::from_secs(4));
        out.clear();
        members[1].poll(Duration::ZERO, &mut out).expect("polled");
    }
    let given = GroupEvent::Given { topic: Topic::Requests, partition: 0, committed: Some(committed.clone()) };
    assert_eq!(out, [given], "the other has it now");
    log.thaw(ME);
    members[0].commit(&Topic::Requests, 0, &committed, true).expect_err("its session has timed out");
    out.clear();
    members[0].poll(Duration::ZERO, &mut out).expect("polled");
    assert_eq!(out, [GroupEvent::Revoked { topic: Topic::Requests, partition: 0 }]);
}

#[test]
fn a_lying_group_gives_a_partition_to_several_at_once() {
    let log = log(7, only(|f| f.group_lies = 0.5));
    let mut members = [ME, OTHER]
        .map(|p| log.process(p).group("engine", &[Topic::Requests], Membership::AssignOnly).expect("joined"));
    let mut held = [BTreeSet::new(), BTreeSet::new()];
    let (mut both, mut nobody) = (false, false);
    for _ in 0..200 {
        for (member, held) in members.iter_mut().zip(&mut held) {
            let mut out = Vec::new();
            member.poll(Duration::ZERO, &mut out).expect("polled");
            for event in out {
                match event {
                    GroupEvent::Given { partition, .. } => assert!(held.insert(partition)),
                    GroupEvent::Revoked { partition, .. } => assert!(held.remove(&partition)),
                    GroupEvent::Record(_) => {}
                }
            }
        }
        both |= !held[0].is_disjoint(&held[1]);
        nobody |= held[0].union(&held[1]).count() < 2;
    }
    assert!(both && nobody, "a partition with two members: {both}, with none: {nobody}");
}

#[test]
fn a_reader_is_held_back_and_misses_nothing() {
    for seed in 0..20 {
        let log = log(seed, only(|f| (f.delivery_late, f.delivery_partial) = (0.3, 0.3)));
        append(&log, Purpose::Journal, &Topic::Journal, 50);
        let mut reader = log.process(OTHER).reader().expect("a reader");
        reader.assign(&Topic::Journal, 0, 0).expect("assigned");
        let (mut read, mut polls) = (Vec::new(), 0);
        while !matches!(read.last(), Some(Delivery::End { offset: 50, .. })) {
            log.advance(Duration::from_millis(50));
            reader.poll(Duration::ZERO, &mut read).expect("reading goes on");
            polls += 1;
            assert!(polls < 1_000, "seed {seed}: the end never came");
        }
        let offsets: Vec<u64> =
            read.iter().filter_map(|d| if let Delivery::Record(r) = d { Some(r.offset) } else { None }).collect();
        assert_eq!(offsets, (0..50).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(read.len(), 51, "seed {seed}: an end was said before what stood there at the start: {read:?}");
    }
}

#[test]
fn append_times_are_those_of_the_virtual_clock() {
    let clock = Clock::at(Timestamp::from_millis(5));
    let log = MemoryLog::new(clock.clone(), 1);
    let process = log.process(ME);
    let spec = TopicSpec { topic: Topic::Journal, partitions: 1, settings: vec![] };
    process.create_topics(&[spec]).expect("created");
    let mut appender = process.appender(Purpose::Journal).expect("an appender");
    for number in 0..3 {
        appender.append(record(&Topic::Journal, 0, number), number).expect("taken");
        appender.poll(&mut Vec::new());
        clock.advance(Duration::from_millis(7));
    }
    let times: Vec<i64> = log.records(&Topic::Journal, 0).iter().map(|record| record.time.as_millis()).collect();
    assert_eq!(times, [5, 12, 19]);
}
