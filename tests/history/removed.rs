//! Records that are removed from the start of a topic while it is read.

use crate::damage::{OnDisk, installation, stream, verified};
use orchestrator::core::time::Timestamp;
use orchestrator::history::verify::{Fault, Kind, Known, Listener, Parts, VerifyError, verify};
use orchestrator::log::sqlite::SqliteLog;
use orchestrator::log::{
    Appender, Ends, Group, GroupSeen, Log, LogError, Membership, Purpose, Reader, Topic, TopicSpec,
};
use orchestrator::projector::rebuild::{RebuildError, Wanted, rebuild};
use orchestrator::store::open;
use orchestrator::store::rebuild::Which;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much is removed, of the start.
const GONE: u64 = 5;

/// The log of an installation that loses the first records of a topic as a reader is made, the how-manieth is `at`: its
/// ends have been asked for by then.
struct Shrinking<'a> {
    log: SqliteLog,
    on_disk: &'a OnDisk,
    topic: Topic,
    low: u64,
    at: usize,
    readers: AtomicUsize,
}

impl<'a> Shrinking<'a> {
    fn new(on_disk: &'a OnDisk, topic: Topic, low: u64, at: usize) -> Self {
        Self { log: on_disk.log(), on_disk, topic, low, at, readers: AtomicUsize::new(0) }
    }
}

impl Log for Shrinking<'_> {
    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        if self.readers.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            self.on_disk.cut(&self.topic, self.low);
        }
        self.log.reader()
    }
    fn appender(&self, purpose: Purpose) -> Result<Box<dyn Appender>, LogError> {
        self.log.appender(purpose)
    }
    fn group(&self, name: &str, topics: &[Topic], membership: Membership) -> Result<Box<dyn Group>, LogError> {
        self.log.group(name, topics, membership)
    }
    fn look_at_group(&self, name: &str, topic: &Topic) -> Result<GroupSeen, LogError> {
        self.log.look_at_group(name, topic)
    }
    fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError> {
        self.log.ends(topic, partition)
    }
    fn offset_at(&self, topic: &Topic, partition: u32, time: Timestamp) -> Result<u64, LogError> {
        self.log.offset_at(topic, partition, time)
    }
    fn partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError> {
        self.log.partitions(topic)
    }
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.log.create_topics(topics)
    }
    fn topic_settings(&self, topic: &Topic) -> Result<Vec<(String, String)>, LogError> {
        self.log.topic_settings(topic)
    }
    fn brokers(&self) -> Result<u32, LogError> {
        self.log.brokers()
    }
    fn cluster(&self) -> String {
        self.log.cluster()
    }
}

struct Deaf;

impl Listener for Deaf {
    fn fault(&mut self, fault: Fault) {
        panic!("nothing differs: {fault:?}");
    }
    fn progress(&mut self, _: u64) {}
}

#[test]
fn what_is_removed_while_it_is_verified_is_said_to_be_and_is_no_difference() {
    let of = installation(2);
    let records = stream(&of);
    for removed in [Topic::Journal, Topic::Events] {
        let on_disk = OnDisk::of(&of, &records);
        let log = Shrinking::new(&on_disk, removed.clone(), GONE, 1);
        let parts = Parts {
            log: &log,
            events: &log,
            is_copy: false,
            store: Some(&of.store),
            namespace: "orchestrator",
            partition: 0,
        };
        match verify(parts, &mut Known::default(), &mut Deaf) {
            Err(VerifyError::Removed { topic, partition: 0, wanted: 0, low: GONE }) => assert_eq!(topic, removed),
            other => panic!("expected {removed} to be removed, found {other:?}"),
        }
    }
}

#[test]
fn a_rebuild_whose_early_events_are_removed_as_it_reads_them_says_so() {
    let of = installation(2);
    let records = stream(&of);
    let journal = of.log.records(&Topic::Journal, 0).len() as u64 / 2;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&format!("sqlite://{}/store.db", folder.path().display())).unwrap();
    let wanted = Wanted { which: Which::All, from_scratch: false };
    let rebuilt = |log: &Shrinking| rebuild(log, &*store, 1, wanted, |_| ());

    // The first reader is that of the journal, the second is that of the events, the third looks for where they end.
    let on_disk = OnDisk::of(&of, &records);
    on_disk.cut(&Topic::Journal, journal);
    match rebuilt(&Shrinking::new(&on_disk, Topic::Journal, journal + 20, 3)) {
        Err(RebuildError::JournalCut { partition: 0, low }) => assert_eq!(low, journal + 20),
        other => panic!("expected the journal to be cut, found {other:?}"),
    }
    match rebuilt(&Shrinking::new(&on_disk, Topic::Events, GONE, 2)) {
        Err(RebuildError::EventsLost { partition: 0, events: GONE, .. }) => {}
        other => panic!("expected events to be lost, found {other:?}"),
    }
}

#[test]
fn events_that_are_gone_here_and_there_are_looked_for_through_one_reader() {
    let of = installation(2);
    let mut records = stream(&of);
    let mut at = 0;
    records.retain(|_| {
        at += 1;
        at % 4 != 0
    });
    let on_disk = OnDisk::of(&of, &records);
    let log = Shrinking::new(&on_disk, Topic::Events, 0, usize::MAX);
    let found = verified(&log, &log, false, Some(&of.store));
    assert!(found.of(Kind::Missing).len() > 10, "{:?}", found.report);
    // Of the journal, of its end, of the stream, of what is looked for, and of what stands in the tables beyond.
    let readers = log.readers.load(Ordering::Relaxed);
    assert!(readers <= 5, "{readers} readers");
}
