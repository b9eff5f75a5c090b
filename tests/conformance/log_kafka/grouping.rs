//! Groups.

use super::*;
use orchestrator::log::{Committed, LogError, MAX_COMMIT_METADATA, Membership};

const GROUP: &str = "members";

fn join(fixture: &Fixture, membership: Membership) -> Box<dyn Group> {
    let group = format!("{}.{GROUP}", fixture.settings.namespace);
    fixture.log.group(&group, &[Topic::Requests], membership).expect("joined")
}

/// Which partitions are a member's after these events.
fn held(events: &[GroupEvent]) -> Vec<u32> {
    let mut held = Vec::new();
    for event in events {
        match event {
            GroupEvent::Given { partition, .. } => {
                assert!(!held.contains(partition), "{partition} was given twice: {events:?}");
                held.push(*partition);
            }
            GroupEvent::Revoked { partition, .. } => {
                assert!(held.contains(partition), "{partition} was revoked without having been given: {events:?}");
                held.retain(|p| p != partition);
            }
            GroupEvent::Record(record) => {
                assert!(held.contains(&record.partition), "a record of a partition that was not given: {record:?}");
            }
        }
    }
    held.sort_unstable();
    held
}

fn committed(offset: u64, metadata: &str) -> Committed {
    Committed { offset, metadata: metadata.into() }
}

/// What a member was given for a partition.
fn given(events: &[GroupEvent], wanted: u32) -> Option<Committed> {
    let of = |e: &GroupEvent| match e {
        GroupEvent::Given { partition, committed, .. } if *partition == wanted => Some(committed.clone()),
        _ => None,
    };
    events.iter().find_map(of).expect("the partition was given")
}

fn records(events: &[GroupEvent]) -> Vec<String> {
    let of = |e: &GroupEvent| match e {
        GroupEvent::Record(record) => Some(text(record)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn the_only_member_is_given_every_partition_and_no_records_it_did_not_ask_for() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 4)) else { return };
    fixture.write(&Topic::Requests, 0, numbers(0..100));
    let mut member = join(&fixture, Membership::AssignOnly);
    let all = member_until("all are given", &mut *member, |all| held(all) == [0, 1, 2, 3]);
    assert!((0..4).all(|partition| given(&all, partition).is_none()), "nothing was committed: {all:?}");
    let mut more = Vec::new();
    for _ in 0..10 {
        member.poll(Duration::from_millis(20), &mut more).expect("a poll");
    }
    assert_eq!(more, []);
}

#[test]
fn a_second_member_takes_its_share_and_gives_it_back_when_it_leaves() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 4)) else { return };
    let mut first = join(&fixture, Membership::AssignOnly);
    let mut of_first = member_until("all are given", &mut *first, |all| held(all).len() == 4);
    let mut second = join(&fixture, Membership::AssignOnly);
    let mut of_second = Vec::new();
    until("each has two", || {
        first.poll(Duration::from_millis(10), &mut of_first).expect("a poll");
        second.poll(Duration::from_millis(10), &mut of_second).expect("a poll");
        held(&of_first).len() == 2 && held(&of_second).len() == 2
    });
    let mut shares = [held(&of_first), held(&of_second)].concat();
    shares.sort_unstable();
    assert_eq!(shares, [0, 1, 2, 3], "no partition is anyone's twice");
    let revoked = of_first.iter().filter(|e| matches!(e, GroupEvent::Revoked { thrown_out: false, .. })).count();
    assert_eq!(revoked, 2, "what a member keeps is not taken from it: {of_first:?}");
    second.leave();
    assert!(matches!(second.poll(Duration::ZERO, &mut of_second), Err(LogError::Refused(_))));
    until("the first has all again", || {
        first.poll(Duration::from_millis(10), &mut of_first).expect("a poll");
        held(&of_first).len() == 4
    });
}

#[test]
fn a_commit_comes_back_with_its_metadata_to_the_next_member() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 2)) else { return };
    let words = "ü".repeat(MAX_COMMIT_METADATA / 2);
    let mut member = join(&fixture, Membership::AssignOnly);
    member_until("both are given", &mut *member, |all| held(all).len() == 2);
    member.commit(&Topic::Requests, 0, &committed(3, &words), true).expect("committed");
    member.commit(&Topic::Requests, 1, &committed(5, "first"), true).expect("committed");
    member.commit(&Topic::Requests, 1, &committed(6, ""), true).expect("committed");
    member.leave();
    let mut next = join(&fixture, Membership::AssignOnly);
    let all = member_until("both are given", &mut *next, |all| held(all).len() == 2);
    assert_eq!(given(&all, 0), Some(committed(3, &words)));
    assert_eq!(given(&all, 1), Some(committed(6, "")));
}

#[test]
fn a_commit_that_nobody_waits_for_lands_too() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 1)) else { return };
    let mut member = join(&fixture, Membership::AssignOnly);
    member_until("it is given", &mut *member, |all| held(all).len() == 1);
    member.commit(&Topic::Requests, 0, &committed(1, "async"), false).expect("queued");
    // A commit that is waited for goes behind it.
    member.commit(&Topic::Requests, 0, &committed(2, "sync"), true).expect("committed");
    member.leave();
    let mut next = join(&fixture, Membership::AssignOnly);
    let all = member_until("it is given", &mut *next, |all| held(all).len() == 1);
    assert_eq!(given(&all, 0), Some(committed(2, "sync")));
}

#[test]
fn a_commit_for_a_partition_that_is_not_the_members_is_refused() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 1)) else { return };
    let mut member = join(&fixture, Membership::AssignOnly);
    let refused = member.commit(&Topic::Requests, 0, &committed(1, ""), true);
    assert!(matches!(refused, Err(LogError::Refused(_))), "nothing was given yet: {refused:?}");
    member_until("it is given", &mut *member, |all| held(all).len() == 1);
    let long = "x".repeat(MAX_COMMIT_METADATA + 1);
    let refused = member.commit(&Topic::Requests, 0, &committed(1, &long), true);
    assert!(matches!(refused, Err(LogError::Refused(_))), "the metadata is too long: {refused:?}");
    assert!(matches!(member.commit(&Topic::Requests, 1, &committed(1, ""), true), Err(LogError::Refused(_))));
}

#[test]
fn a_member_that_was_thrown_out_cannot_commit() {
    let timeouts = [("session.timeout.ms", "6000"), ("max.poll.interval.ms", "6000")];
    let Some(fixture) = Fixture::with(&timeouts).map(|f| f.topic(&Topic::Requests, 1)) else { return };
    let mut zombie = join(&fixture, Membership::AssignOnly);
    member_until("it is given", &mut *zombie, |all| held(all).len() == 1);
    zombie.commit(&Topic::Requests, 0, &committed(1, "alive"), true).expect("committed");
    // The first one polls no more, and after a while the group gives its partition to the second.
    let mut heir = join(&fixture, Membership::AssignOnly);
    let all = member_until("the heir has it", &mut *heir, |all| held(all).len() == 1);
    assert_eq!(given(&all, 0), Some(committed(1, "alive")));
    let stale = zombie.commit(&Topic::Requests, 0, &committed(9, "dead"), true);
    assert!(matches!(stale, Err(LogError::Refused(_))), "{stale:?}");
    heir.commit(&Topic::Requests, 0, &committed(2, "heir"), true).expect("committed");
    let told = member_until("it is told", &mut *zombie, |all| !all.is_empty());
    assert!(matches!(told[0], GroupEvent::Revoked { partition: 0, thrown_out: true, .. }), "{told:?}");
    assert!(!zombie.is_settled(), "what is its is not known before it has joined again");
}

#[test]
fn a_member_that_fetches_begins_at_the_start_and_the_next_one_at_the_commit() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 1)) else { return };
    fixture.write(&Topic::Requests, 0, numbers(0..5));
    let mut member = join(&fixture, Membership::Fetch);
    let all = member_until("five have come", &mut *member, |all| records(all).len() >= 5);
    assert_eq!(records(&all), ["0", "1", "2", "3", "4"]);
    assert!(matches!(all[0], GroupEvent::Given { .. }), "it is given before its records come: {all:?}");
    member.commit(&Topic::Requests, 0, &committed(3, "3 and 4 again"), true).expect("committed");
    member.leave();
    let mut next = join(&fixture, Membership::Fetch);
    let all = member_until("two have come", &mut *next, |all| records(all).len() >= 2);
    assert_eq!(records(&all), ["3", "4"]);
    assert_eq!(given(&all, 0), Some(committed(3, "3 and 4 again")));
}

#[test]
fn a_partition_that_is_held_back_loses_nothing() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 2)) else { return };
    fixture.write(&Topic::Requests, 0, numbers(0..5_000));
    let mut member = join(&fixture, Membership::Fetch);
    let first = member_until("some have come", &mut *member, |all| !records(all).is_empty());
    let mut seen = records(&first);
    member.pause(&Topic::Requests, 0).expect("paused");
    fixture.write(&Topic::Requests, 1, ["other".to_owned()]);
    let held_back = member_until("the other partition's has come", &mut *member, |all| !records(all).is_empty());
    assert_eq!(records(&held_back), ["other"]);
    member.resume(&Topic::Requests, 0).expect("resumed");
    let missing = 5_000 - seen.len();
    let rest = member_until("the rest has come", &mut *member, |all| records(all).len() >= missing);
    seen.extend(records(&rest));
    assert_eq!(seen, numbers(0..5_000).collect::<Vec<_>>());
}

#[test]
fn members_that_fetch_share_records_without_losing_any_when_they_come_and_go() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 4)) else { return };
    let mut first = join(&fixture, Membership::Fetch);
    let mut of_first = member_until("all are given", &mut *first, |all| held(all).len() == 4);
    let mut second = join(&fixture, Membership::Fetch);
    let mut of_second = Vec::new();
    let mut written = 0;
    until("each has two", || {
        fixture.write(&Topic::Requests, written % 4, [written.to_string()]);
        written += 1;
        first.poll(Duration::from_millis(10), &mut of_first).expect("a poll");
        second.poll(Duration::from_millis(10), &mut of_second).expect("a poll");
        held(&of_first).len() == 2 && held(&of_second).len() == 2
    });
    let everything = |a: &[GroupEvent], b: &[GroupEvent]| {
        let mut all: Vec<u32> =
            [records(a), records(b)].concat().iter().map(|n| n.parse().expect("a number")).collect();
        all.sort_unstable();
        all.dedup();
        all == (0..written).collect::<Vec<_>>()
    };
    until("every record has come to someone", || {
        first.poll(Duration::from_millis(10), &mut of_first).expect("a poll");
        second.poll(Duration::from_millis(10), &mut of_second).expect("a poll");
        everything(&of_first, &of_second)
    });
}

#[test]
fn a_group_over_a_topic_that_does_not_exist_is_an_error_that_names_it() {
    let Some(fixture) = Fixture::new() else { return };
    let mut member = join(&fixture, Membership::AssignOnly);
    let (began, mut out) = (Instant::now(), Vec::new());
    let error = loop {
        assert!(began.elapsed() < PATIENCE, "waited in vain; came: {out:?}");
        if let Err(error) = member.poll(Duration::from_millis(100), &mut out) {
            break error;
        }
    };
    assert!(matches!(&error, LogError::UnknownTopic(name) if *name == fixture.name(&Topic::Requests)), "{error}");
}
