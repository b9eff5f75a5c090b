//! Groups.

use super::Subject;
use super::kit::{Member, create, drive, numbered, share, texts, until, values, write};
use orchestrator::log::{Committed, GroupSeen, LogError, MAX_COMMIT_METADATA, Membership, Topic};

const PARTITIONS: u32 = 4;

fn join(subject: &impl Subject, name: &str, membership: Membership) -> Member {
    let log = subject.open();
    create(&*log, &Topic::Requests, PARTITIONS);
    Member::join(&*log, &subject.group(name), &[Topic::Requests], membership)
}

/// One member that holds everything.
fn lone(subject: &impl Subject, membership: Membership) -> Member {
    let mut member = join(subject, "engine", membership);
    drive(subject, "the member has everything", &mut [&mut member], |m| share(m, &Topic::Requests, PARTITIONS));
    member
}

/// A second member joins, until they share.
fn joined(subject: &impl Subject, first: &mut Member, membership: Membership) -> Member {
    let mut second = join(subject, "engine", membership);
    drive(subject, "the members share", &mut [first, &mut second], |m| share(m, &Topic::Requests, PARTITIONS));
    second
}

fn position(offset: u64, metadata: &str) -> Committed {
    Committed { offset, metadata: metadata.to_owned() }
}

pub fn a_lone_member_is_given_everything(subject: &impl Subject) {
    let mut member = join(subject, "engine", Membership::AssignOnly);
    assert!(!member.group.is_settled(), "the group has not been asked yet");
    drive(subject, "the member has everything", &mut [&mut member], |m| share(m, &Topic::Requests, PARTITIONS));
    assert!(member.group.is_settled());
    assert!(member.committed.values().all(Option::is_none), "nothing was committed yet");
}

pub fn two_members_share_the_partitions(subject: &impl Subject) {
    let mut first = lone(subject, Membership::AssignOnly);
    let mut second = joined(subject, &mut first, Membership::AssignOnly);
    let mut third = join(subject, "engine", Membership::AssignOnly);
    drive(subject, "three members share", &mut [&mut first, &mut second, &mut third], |m| {
        share(m, &Topic::Requests, PARTITIONS)
    });
}

pub fn a_member_that_has_nothing_to_own_is_told_so(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Signals, 1);
    let join = || Member::join(&*log, &subject.group("engine"), &[Topic::Signals], Membership::AssignOnly);
    let mut first = join();
    drive(subject, "the first has the partition", &mut [&mut first], |m| share(m, &Topic::Signals, 1));
    let mut second = join();
    assert!(!second.group.is_settled(), "the group has not been asked yet");
    drive(subject, "both know what is theirs", &mut [&mut first, &mut second], |m| {
        m.iter().all(|member| member.group.is_settled()) && m.iter().map(|member| member.held.len()).sum::<usize>() == 1
    });
}

pub fn whoever_leaves_makes_room(subject: &impl Subject) {
    let mut first = lone(subject, Membership::AssignOnly);
    let mut second = joined(subject, &mut first, Membership::AssignOnly);
    first.group.leave();
    drive(subject, "the second has everything", &mut [&mut second], |m| share(m, &Topic::Requests, PARTITIONS));
    drop(second);
    lone(subject, Membership::AssignOnly);
}

pub fn a_commit_is_handed_to_the_next_member(subject: &impl Subject) {
    let mut first = lone(subject, Membership::AssignOnly);
    let metadata = "é".repeat(MAX_COMMIT_METADATA / 2);
    for (partition, committed) in [(0, position(5, "")), (1, position(7, &metadata)), (2, position(1, "old"))] {
        first.group.commit(&Topic::Requests, partition, &committed, true).expect("committed");
    }
    first.group.commit(&Topic::Requests, 2, &position(2, "new"), true).expect("committed again");
    first.group.leave();
    let second = lone(subject, Membership::AssignOnly);
    let found = |partition| second.committed[&(Topic::Requests, partition)].clone();
    assert_eq!(found(0), Some(position(5, "")));
    assert_eq!(found(1), Some(position(7, &metadata)));
    assert_eq!(found(2), Some(position(2, "new")));
    assert_eq!(found(3), None);
}

pub fn a_member_that_lost_a_partition_cannot_commit_it(subject: &impl Subject) {
    let mut first = lone(subject, Membership::AssignOnly);
    let mut second = joined(subject, &mut first, Membership::AssignOnly);
    for partition in 0..PARTITIONS {
        let place = (Topic::Requests, partition);
        let (owner, other) =
            if first.held.contains(&place) { (&mut first, &mut second) } else { (&mut second, &mut first) };
        owner.group.commit(&Topic::Requests, partition, &position(3, "mine"), true).expect("the owner commits");
        let refused = other.group.commit(&Topic::Requests, partition, &position(9, "not mine"), true);
        refused.expect_err("the other does not");
    }
    first.group.leave();
    second.group.leave();
    let third = lone(subject, Membership::AssignOnly);
    assert!(third.committed.values().all(|committed| *committed == Some(position(3, "mine"))));
}

pub fn a_member_commits_its_last_position_before_a_partition_is_anothers(subject: &impl Subject) {
    let mut first = lone(subject, Membership::Fetch);
    let mut second = join(subject, "engine", Membership::Fetch);
    let (mut given_up, last) = (Vec::new(), position(4, "last"));
    until(subject, "the members share", || {
        let before = first.held.clone();
        first.poll();
        for (topic, partition) in before.difference(&first.held) {
            first.group.commit(topic, *partition, &last, true).expect("nobody else has it yet");
            given_up.push((topic.clone(), *partition));
        }
        second.poll();
        share(&[&mut first, &mut second], &Topic::Requests, PARTITIONS).then_some(())
    });
    assert!(!given_up.is_empty());
    for place in given_up {
        assert_eq!(second.committed[&place], Some(last.clone()), "{place:?}");
        first.group.commit(&place.0, place.1, &position(9, "late"), true).expect_err("it is the second one's");
    }
}

pub fn a_member_that_left_cannot_commit(subject: &impl Subject) {
    let mut member = lone(subject, Membership::AssignOnly);
    member.group.leave();
    member.group.commit(&Topic::Requests, 0, &position(1, ""), true).expect_err("it is no member");
}

pub fn metadata_over_the_limit_is_refused(subject: &impl Subject) {
    let mut member = lone(subject, Membership::AssignOnly);
    let long = position(1, &"x".repeat(MAX_COMMIT_METADATA + 1));
    let refused = member.group.commit(&Topic::Requests, 0, &long, true).expect_err("too long");
    assert!(matches!(refused, LogError::Refused(_)), "{refused:?}");
}

pub fn fetching_begins_at_what_was_committed(subject: &impl Subject) {
    let mut first = lone(subject, Membership::Fetch);
    let places = write(subject, &*subject.open(), &numbered(&Topic::Requests, 1, 0..10));
    drive(subject, "ten records are handed out", &mut [&mut first], |m| m[0].records.len() == 10);
    assert_eq!(values(&first.records), texts(0..10));
    first.group.commit(&Topic::Requests, 1, &position(places[6].1, "six are done"), true).expect("committed");
    first.group.leave();
    let mut second = lone(subject, Membership::Fetch);
    drive(subject, "the rest is handed out", &mut [&mut second], |m| m[0].records.len() >= 4);
    assert_eq!(values(&second.records), texts(6..10));
}

pub fn fetching_without_a_commit_begins_at_the_start(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Requests, PARTITIONS);
    write(subject, &*log, &numbered(&Topic::Requests, 2, 0..10));
    let mut member = lone(subject, Membership::Fetch);
    drive(subject, "everything is handed out", &mut [&mut member], |m| m[0].records.len() >= 10);
    assert_eq!(values(&member.records), texts(0..10));
}

pub fn a_member_that_only_assigns_gets_no_records(subject: &impl Subject) {
    let mut engine = lone(subject, Membership::AssignOnly);
    let mut worker = join(subject, "worker", Membership::Fetch);
    write(subject, &*subject.open(), &numbered(&Topic::Requests, 0, 0..10));
    drive(subject, "the worker has the records", &mut [&mut engine, &mut worker], |m| m[1].records.len() == 10);
    assert_eq!(engine.records, []);
}

pub fn a_fetched_partition_held_back_loses_nothing(subject: &impl Subject) {
    let mut member = lone(subject, Membership::Fetch);
    member.group.pause(&Topic::Requests, 0).expect("held back");
    let log = subject.open();
    write(subject, &*log, &numbered(&Topic::Requests, 0, 0..10));
    write(subject, &*log, &numbered(&Topic::Requests, 1, 0..10));
    drive(subject, "the other partition is handed out", &mut [&mut member], |m| m[0].records.len() >= 10);
    assert!(member.records.iter().all(|record| record.partition == 1));
    member.group.resume(&Topic::Requests, 0).expect("goes on");
    drive(subject, "both are handed out", &mut [&mut member], |m| m[0].records.len() >= 20);
    let held_back: Vec<_> = member.records.iter().filter(|record| record.partition == 0).cloned().collect();
    assert_eq!(values(&held_back), texts(0..10));
}

pub fn groups_do_not_know_each_other(subject: &impl Subject) {
    let mut first = lone(subject, Membership::AssignOnly);
    let mut other = join(subject, "projector", Membership::AssignOnly);
    first.group.commit(&Topic::Requests, 0, &position(3, "engine"), true).expect("committed");
    drive(subject, "each has everything", &mut [&mut first, &mut other], |m| {
        m.iter().all(|member| member.held.len() == PARTITIONS as usize)
    });
    assert_eq!(other.committed[&(Topic::Requests, 0)], None);
}

/// Looks at the group of these tests from another process.
fn seen(subject: &impl Subject, name: &str) -> GroupSeen {
    subject.open().look_at_group(&subject.group(name), &Topic::Requests).expect("the group can be looked at")
}

pub fn a_group_that_nobody_has_joined_has_no_members(subject: &impl Subject) {
    let log = subject.open();
    create(&*log, &Topic::Requests, PARTITIONS);
    write(subject, &*log, &numbered(&Topic::Requests, 1, 0..3));
    let seen = seen(subject, "nobody");
    assert_eq!((seen.members, seen.partitions.len()), (0, PARTITIONS as usize));
    assert!(seen.partitions.iter().all(|partition| !partition.is_held && partition.committed.is_none()));
    assert_eq!(seen.partitions.iter().map(|partition| partition.lag()).collect::<Vec<_>>(), [0, 3, 0, 0]);
    let unknown = log.look_at_group("nobody", &Topic::Signals).expect_err("there is no such topic");
    assert!(matches!(unknown, LogError::UnknownTopic(_)), "{unknown:?}");
}

pub fn a_group_is_seen_from_outside(subject: &impl Subject) {
    let mut first = lone(subject, Membership::AssignOnly);
    write(subject, &*subject.open(), &numbered(&Topic::Requests, 1, 0..10));
    first.group.commit(&Topic::Requests, 1, &position(4, "four are done"), true).expect("committed");
    let found = seen(subject, "engine");
    assert_eq!((found.members, found.partitions.len()), (1, PARTITIONS as usize));
    assert!(found.partitions.iter().all(|partition| partition.is_held), "{found:?}");
    assert_eq!((found.partitions[1].committed, found.partitions[1].lag()), (Some(4), 6));
    assert_eq!((found.partitions[0].committed, found.partitions[0].lag()), (None, 0));

    let second = joined(subject, &mut first, Membership::AssignOnly);
    assert_eq!(seen(subject, "engine").members, 2);
    assert_eq!(seen(subject, "another").members, 0, "groups are told apart");
    drop(second);
    first.group.leave();
    until(subject, "nobody is a member", || (seen(subject, "engine").members == 0).then_some(()));
    let left = seen(subject, "engine");
    assert!(left.partitions.iter().all(|partition| !partition.is_held), "{left:?}");
    assert_eq!(left.partitions[1].lag(), 6, "what was committed outlives its members");
}
