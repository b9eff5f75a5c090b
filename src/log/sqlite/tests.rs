//! What the suite for all logs cannot see: session timeouts, killed processes, retention, a locked or full disk.

use super::connection::{Connection, now_us};
use super::*;
use crate::log::{Ack, AppendError, Committed, Delivery, Ends, GroupEvent, NewRecord};
use bytes::Bytes;
use std::collections::BTreeSet;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn open(folder: &TempDir) -> SqliteLog {
    SqliteLog::open_apart(&folder.path().join("log.db"), "orchestrator").expect("opened")
}

fn create(log: &SqliteLog, topic: Topic, partitions: u32, settings: &[(&str, &str)]) {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    log.create_topics(&[TopicSpec { topic, partitions, settings }]).expect("created");
}

fn record(topic: Topic, value: impl Into<Bytes>) -> NewRecord {
    NewRecord { topic, partition: Some(0), key: None, value: Some(value.into()), headers: vec![] }
}

fn acks(appender: &mut dyn Appender, count: usize) -> Vec<Ack> {
    let mut acks = Vec::new();
    until("the ends have come", || {
        appender.poll(&mut acks);
        (acks.len() >= count).then_some(())
    });
    acks
}

fn append(log: &SqliteLog, topic: &Topic, count: usize) {
    let mut appender = log.appender(Purpose::Client).expect("an appender");
    for token in 0..count {
        appender.append(record(topic.clone(), token.to_string()), token as u64).expect("taken");
    }
    assert!(acks(&mut *appender, count).iter().all(|ack| ack.result.is_ok()));
}

fn poll(group: &mut dyn Group, held: &mut BTreeSet<u32>) {
    let mut out = Vec::new();
    group.poll(Duration::from_millis(5), &mut out).expect("the group goes on");
    for event in out {
        match event {
            GroupEvent::Given { partition, .. } => assert!(held.insert(partition)),
            GroupEvent::Revoked { partition, .. } => assert!(held.remove(&partition)),
            GroupEvent::Record(_) => {}
        }
    }
}

fn member(log: &SqliteLog) -> Box<dyn Group> {
    log.group("engine", &[Topic::Requests], Membership::AssignOnly).expect("joined")
}

#[test]
fn a_member_that_stood_still_loses_everything_and_begins_anew() {
    let folder = TempDir::new().expect("a folder");
    let log = SqliteLog { session: Duration::from_millis(200), ..open(&folder) };
    create(&log, Topic::Requests, 2, &[]);
    let (mut zombie, mut zombie_held) = (member(&log), BTreeSet::new());
    until("the first member has everything", || {
        poll(&mut *zombie, &mut zombie_held);
        (zombie_held.len() == 2).then_some(())
    });
    // From here on the zombie says nothing.
    let (mut heir, mut heir_held) = (member(&log), BTreeSet::new());
    until("the second member has everything", || {
        poll(&mut *heir, &mut heir_held);
        (heir_held.len() == 2).then_some(())
    });
    let committed = Committed { offset: 1, metadata: String::new() };
    zombie.commit(&Topic::Requests, 0, &committed, true).expect_err("it is no member any more");
    heir.commit(&Topic::Requests, 0, &committed, true).expect("it is the partition's member");
    let mut out = Vec::new();
    zombie.poll(Duration::ZERO, &mut out).expect("it begins anew");
    assert!(matches!(&out[..], [GroupEvent::Revoked { .. }, GroupEvent::Revoked { .. }]), "{out:?}");
    zombie_held.clear();
    until("they share", || {
        poll(&mut *zombie, &mut zombie_held);
        poll(&mut *heir, &mut heir_held);
        (zombie_held.len() == 1 && heir_held.len() == 1 && zombie_held != heir_held).then_some(())
    });
}

#[test]
fn what_is_new_is_given_only_after_it_was_given_up() {
    let folder = TempDir::new().expect("a folder");
    let log = open(&folder);
    create(&log, Topic::Requests, 2, &[]);
    let (mut first, mut first_held) = (member(&log), BTreeSet::new());
    until("the first member has everything", || {
        poll(&mut *first, &mut first_held);
        (first_held.len() == 2).then_some(())
    });
    let (mut second, mut second_held) = (member(&log), BTreeSet::new());
    for _ in 0..20 {
        poll(&mut *second, &mut second_held);
        assert!(second_held.is_empty(), "the first member has not been told yet");
    }
    until("they share", || {
        poll(&mut *first, &mut first_held);
        poll(&mut *second, &mut second_held);
        assert!(first_held.is_disjoint(&second_held), "both hold a partition");
        (first_held.len() == 1 && second_held.len() == 1).then_some(())
    });
}

/// The session here is the default of 10 s: the heir does not wait for it.
#[test]
#[cfg(target_os = "linux")]
fn the_members_of_a_killed_process_are_not_waited_for() {
    let folder = TempDir::new().expect("a folder");
    let log = open(&folder);
    create(&log, Topic::Requests, 2, &[]);
    let mut dead = std::process::Command::new("sleep").arg("600").spawn().expect("sleep starts");
    let process = liveness::of(dead.id()).expect("it runs");
    let (mut zombie, mut zombie_held) = (member(&log), BTreeSet::new());
    until("the first member has everything", || {
        poll(&mut *zombie, &mut zombie_held);
        (zombie_held.len() == 2).then_some(())
    });
    let mut connection = Connection::open(&folder.path().join("log.db")).expect("opened");
    let far = now_us() + 3_600_000_000;
    let update = "UPDATE log_members SET process = ?1, heartbeat = ?2";
    connection.run(async |c| sqlx::query(update).bind(process).bind(far).execute(c).await).expect("updated");
    let (mut heir, mut heir_held) = (member(&log), BTreeSet::new());
    poll(&mut *heir, &mut heir_held);
    assert!(heir_held.is_empty(), "the process still lives");
    dead.kill().expect("killed");
    dead.wait().expect("reaped");
    until("the second member has everything", || {
        poll(&mut *heir, &mut heir_held);
        (heir_held.len() == 2).then_some(())
    });
}

#[test]
fn retention_deletes_what_is_old_and_readers_are_told() {
    let folder = TempDir::new().expect("a folder");
    let log = open(&folder);
    let hour = [("retention.ms", "3600000")];
    for topic in [Topic::Results, Topic::Journal, Topic::Events, Topic::Definitions] {
        create(&log, topic.clone(), 1, &hour);
        append(&log, &topic, 2_500);
    }
    create(&log, Topic::Requests, 1, &[("retention.ms", "-1")]);
    append(&log, &Topic::Requests, 5);
    let mut reader = log.reader().expect("a reader");
    reader.assign(&Topic::Results, 0, 7).expect("assigned");
    let mut connection = Connection::open(&folder.path().join("log.db")).expect("opened");
    assert_eq!(retention::expire(&mut connection, now_us()).expect("done"), 0, "nothing is an hour old");
    assert_eq!(retention::expire(&mut connection, now_us() + 3_601_000_000).expect("done"), 2_500);
    assert_eq!(log.ends(&Topic::Results, 0).expect("the ends"), Ends { low: 2_500, high: 2_500 });
    for topic in [Topic::Journal, Topic::Events, Topic::Definitions] {
        assert_eq!(log.ends(&topic, 0).expect("the ends"), Ends { low: 0, high: 2_500 }, "{topic} is kept for ever");
    }
    assert_eq!(log.ends(&Topic::Requests, 0).expect("the ends").low, 0);
    append(&log, &Topic::Results, 1);
    let mut out = Vec::new();
    until("the new record is read", || {
        reader.poll(Duration::from_millis(5), &mut out).expect("reading goes on");
        matches!(out.last(), Some(Delivery::End { offset: 2_501, .. })).then_some(())
    });
    assert!(matches!(out[0], Delivery::Lost { wanted: 7, low: 2_500, .. }), "{:?}", out[0]);
}

#[test]
fn a_reader_in_the_middle_is_told_that_records_have_gone() {
    let folder = TempDir::new().expect("a folder");
    let log = open(&folder);
    create(&log, Topic::Results, 1, &[("retention.ms", "1000")]);
    append(&log, &Topic::Results, 10);
    let mut reader = log.reader().expect("a reader");
    let mut out = Vec::new();
    reader.assign(&Topic::Results, 0, 0).expect("assigned");
    until("ten are read", || {
        reader.poll(Duration::from_millis(5), &mut out).expect("reading goes on");
        matches!(out.last(), Some(Delivery::End { offset: 10, .. })).then_some(())
    });
    reader.pause(&Topic::Results, 0).expect("held back");
    append(&log, &Topic::Results, 10);
    let mut connection = Connection::open(&folder.path().join("log.db")).expect("opened");
    retention::expire(&mut connection, now_us() + 2_000_000).expect("done");
    append(&log, &Topic::Results, 2);
    reader.resume(&Topic::Results, 0).expect("goes on");
    out.clear();
    until("the last two are read", || {
        reader.poll(Duration::from_millis(5), &mut out).expect("reading goes on");
        matches!(out.last(), Some(Delivery::End { offset: 22, .. })).then_some(())
    });
    assert!(matches!(out[0], Delivery::Lost { wanted: 10, low: 20, high: 22, .. }), "{:?}", out[0]);
    assert_eq!(out.len(), 4, "lost, two records, the end");
}

#[test]
fn a_lock_held_by_another_process_is_waited_for() {
    let folder = TempDir::new().expect("a folder");
    let log = open(&folder);
    create(&log, Topic::Results, 1, &[]);
    let mut other = Connection::open(&folder.path().join("log.db")).expect("opened");
    other.run(async |c| sqlx::query("BEGIN IMMEDIATE").execute(c).await).expect("locked");
    let mut appender = log.appender(Purpose::Client).expect("an appender");
    appender.append(record(Topic::Results, "x"), 1).expect("taken");
    assert_eq!(log.ends(&Topic::Results, 0).expect("reading goes on").high, 0);
    assert_eq!(appender.in_flight(), 1);
    other.run(async |c| sqlx::query("COMMIT").execute(c).await).expect("unlocked");
    assert_eq!(acks(&mut *appender, 1)[0].result, Ok((0, 0)));
}

/// A failing write is simulated by a trigger: what SQLite then says is no fault that heals.
#[test]
fn a_write_that_fails_is_reported_and_a_gapless_appender_is_spent() {
    let folder = TempDir::new().expect("a folder");
    let log = open(&folder);
    create(&log, Topic::Events, 1, &[]);
    let mut other = Connection::open(&folder.path().join("log.db")).expect("opened");
    let trigger = "CREATE TRIGGER fail BEFORE INSERT ON log_records BEGIN SELECT raise(ABORT, 'no'); END";
    other.run(async |c| sqlx::query(trigger).execute(c).await).expect("made");
    let mut gapless = log.appender(Purpose::Events).expect("an appender");
    let mut plain = log.appender(Purpose::Client).expect("an appender");
    gapless.append(record(Topic::Events, "1"), 1).expect("taken");
    plain.append(record(Topic::Events, "1"), 1).expect("taken");
    for appender in [&mut gapless, &mut plain] {
        let ack = acks(&mut **appender, 1).remove(0);
        assert!(matches!(&ack.result, Err(AppendError::Unconfirmed(why)) if why.contains("no")), "{ack:?}");
    }
    other.run(async |c| sqlx::query("DROP TRIGGER fail").execute(c).await).expect("dropped");
    assert!(matches!(gapless.append(record(Topic::Events, "2"), 2), Err(AppendError::Fatal(_))));
    plain.append(record(Topic::Events, "2"), 2).expect("taken");
    assert_eq!(acks(&mut *plain, 1)[0].result, Ok((0, 0)));
}

#[test]
fn an_appender_that_is_never_polled_is_full_some_time() {
    let folder = TempDir::new().expect("a folder");
    let log = open(&folder);
    create(&log, Topic::Results, 1, &[]);
    let mut other = Connection::open(&folder.path().join("log.db")).expect("opened");
    other.run(async |c| sqlx::query("BEGIN IMMEDIATE").execute(c).await).expect("locked");
    let mut appender = log.appender(Purpose::Client).expect("an appender");
    let value = Bytes::from(vec![0; 1 << 20]);
    let taken = (0..).find(|n| appender.append(record(Topic::Results, value.clone()), *n) == Err(AppendError::Full));
    other.run(async |c| sqlx::query("COMMIT").execute(c).await).expect("unlocked");
    let taken = usize::try_from(taken.expect("it was full")).expect("not that many");
    assert_eq!(acks(&mut *appender, taken).len(), taken);
    appender.append(record(Topic::Results, value), 1_000_000).expect("there is room again");
}

#[test]
fn a_file_of_a_newer_format_is_refused() {
    let folder = TempDir::new().expect("a folder");
    drop(open(&folder));
    let path = folder.path().join("log.db");
    let mut connection = Connection::open(&path).expect("opened");
    let update = "UPDATE log_format SET version = 99";
    connection.run(async |c| sqlx::query(update).execute(c).await).expect("updated");
    let error = SqliteLog::open_apart(&path, "orchestrator").err().expect("it was opened");
    assert!(matches!(&error, LogError::Refused(why) if why.contains("format 99")), "{error}");
}

#[test]
fn a_setting_that_is_no_number_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let settings = vec![("retention.ms".to_owned(), "a week".to_owned())];
    let spec = TopicSpec { topic: Topic::Results, partitions: 1, settings };
    let error = open(&folder).create_topics(&[spec]).expect_err("it was taken");
    assert!(error.to_string().contains("a week"), "{error}");
}

#[tokio::test]
async fn the_log_works_on_a_thread_that_drives_an_async_runtime() {
    let folder = TempDir::new().expect("a folder");
    let log = open(&folder);
    create(&log, Topic::Results, 1, &[]);
    append(&log, &Topic::Results, 3);
    assert_eq!(log.ends(&Topic::Results, 0).expect("the ends").high, 3);
}
