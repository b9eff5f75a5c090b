//! What the cases are told with.

use super::Subject;
use bytes::Bytes;
use orchestrator::core::id::AgentName;
use orchestrator::log::{
    Ack, AppendError, Appender, Committed, Delivery, Group, GroupEvent, Log, Membership, NewRecord, Purpose, Reader,
    Record, Topic, TopicSpec,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a condition may take to come true before the test fails: far more than any log needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a poll may wait.
pub const WAIT: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer.
pub fn until<T>(subject: &impl Subject, what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        subject.tick();
    }
}

/// A topic of an agent, of which a test may have as many as it likes.
pub fn ready(agent: &str) -> Topic {
    Topic::Ready(AgentName::new(agent).expect("a legal name"))
}

/// Creates a topic as `init` does.
pub fn create(log: &dyn Log, topic: &Topic, partitions: u32) {
    let settings = vec![("max.message.bytes".to_owned(), "8388608".to_owned())];
    log.create_topics(&[TopicSpec { topic: topic.clone(), partitions, settings }]).expect("the topic is created");
}

/// A record of a partition.
pub fn record(topic: &Topic, partition: u32, value: impl Into<Bytes>) -> NewRecord {
    let (topic, value) = (topic.clone(), Some(value.into()));
    NewRecord { topic, partition: Some(partition), key: None, value, headers: vec![] }
}

/// Numbered records of a partition.
pub fn numbered(topic: &Topic, partition: u32, numbers: std::ops::Range<u64>) -> Vec<NewRecord> {
    numbers.map(|number| record(topic, partition, number.to_string())).collect()
}

/// The values as text.
pub fn values(records: &[Record]) -> Vec<String> {
    let value = |record: &Record| String::from_utf8(record.value.clone().expect("a value").to_vec()).expect("text");
    records.iter().map(value).collect()
}

/// The numbers as text.
pub fn texts(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

/// Appends a record, waiting for room; what the log says at once.
pub fn offer(
    subject: &impl Subject,
    appender: &mut dyn Appender,
    record: &NewRecord,
    token: u64,
    acks: &mut Vec<Ack>,
) -> Result<(), AppendError> {
    until(subject, "the appender has room", || match appender.append(record.clone(), token) {
        Err(AppendError::Full) => {
            appender.poll(acks);
            None
        }
        answer => Some(answer),
    })
}

/// Appends records and waits until each is acknowledged; where each stands.
pub fn append(subject: &impl Subject, appender: &mut dyn Appender, records: &[NewRecord]) -> Vec<(u32, u64)> {
    let mut acks = Vec::new();
    for (token, record) in records.iter().enumerate() {
        offer(subject, appender, record, token as u64, &mut acks).expect("the record is taken");
    }
    until(subject, "every record is acknowledged", || {
        appender.poll(&mut acks);
        (acks.len() >= records.len()).then_some(())
    });
    assert_eq!(appender.in_flight(), 0, "nothing is under way any more");
    let places: BTreeMap<u64, (u32, u64)> =
        acks.into_iter().map(|ack| (ack.token, ack.result.expect("the record is confirmed"))).collect();
    assert_eq!(places.len(), records.len(), "each token once");
    places.into_values().collect()
}

/// As [`append`], with an appender made for it.
pub fn write(subject: &impl Subject, log: &dyn Log, records: &[NewRecord]) -> Vec<(u32, u64)> {
    append(subject, &mut *log.appender(Purpose::Client).expect("an appender"), records)
}

/// The end of one record that the log should refuse: said at once or by an acknowledgement.
pub fn refusal(subject: &impl Subject, appender: &mut dyn Appender, record: &NewRecord) -> AppendError {
    let mut acks = Vec::new();
    if let Err(error) = offer(subject, appender, record, 7, &mut acks) {
        return error;
    }
    until(subject, "the record is refused", || {
        appender.poll(&mut acks);
        let end = acks.pop()?;
        assert_eq!(end.token, 7);
        Some(end.result.expect_err("the record should be refused"))
    })
}

/// Polls until the end at `high` is said for a partition; its records. Of other partitions nothing is expected.
pub fn read_until(
    subject: &impl Subject,
    reader: &mut dyn Reader,
    topic: &Topic,
    partition: u32,
    high: u64,
) -> Vec<Record> {
    let mut records = Vec::new();
    until(subject, &format!("{topic}[{partition}] is read up to {high}"), || {
        let mut out = Vec::new();
        reader.poll(WAIT, &mut out).expect("reading goes on");
        let mut done = false;
        for delivery in out {
            match delivery {
                Delivery::Record(record) => {
                    assert_eq!((&record.topic, record.partition), (topic, partition), "an uninvited record");
                    records.push(record);
                }
                Delivery::End { topic: other, partition: p, offset } => {
                    assert_eq!((&other, p), (topic, partition), "an uninvited end");
                    if let Some(last) = records.last() {
                        assert_eq!(offset, last.offset + 1, "the end comes behind the last record");
                    }
                    done |= offset == high;
                }
                lost @ Delivery::Lost { .. } => assert_eq!(Some(lost), None, "nothing was lost"),
            }
        }
        done.then_some(())
    });
    records
}

/// Reads a partition from its start, with a reader made for it.
pub fn read_all(subject: &impl Subject, log: &dyn Log, topic: &Topic, partition: u32) -> Vec<Record> {
    let high = log.ends(topic, partition).expect("the ends").high;
    let mut reader = log.reader().expect("a reader");
    reader.assign(topic, partition, 0).expect("assigned");
    read_until(subject, &mut *reader, topic, partition, high)
}

/// A member of a group that believes what it is told.
pub struct Member {
    /// The member itself.
    pub group: Box<dyn Group>,
    /// What it holds.
    pub held: BTreeSet<(Topic, u32)>,
    /// What was committed when each partition was given last.
    pub committed: BTreeMap<(Topic, u32), Option<Committed>>,
    /// What it was handed.
    pub records: Vec<Record>,
}

impl Member {
    /// Joins a group.
    pub fn join(log: &dyn Log, name: &str, topics: &[Topic], membership: Membership) -> Self {
        let group = log.group(name, topics, membership).expect("joined");
        Self { group, held: BTreeSet::new(), committed: BTreeMap::new(), records: vec![] }
    }

    /// Polls once.
    pub fn poll(&mut self) {
        let mut out = Vec::new();
        self.group.poll(WAIT, &mut out).expect("the group goes on");
        for event in out {
            match event {
                GroupEvent::Given { topic, partition, committed } => {
                    let place = (topic, partition);
                    self.committed.insert(place.clone(), committed);
                    assert!(self.held.insert(place.clone()), "{place:?} was given twice");
                }
                GroupEvent::Revoked { topic, partition, .. } => {
                    let place = (topic, partition);
                    assert!(self.held.remove(&place), "{place:?} was revoked and never given");
                }
                GroupEvent::Record(record) => {
                    let place = (record.topic.clone(), record.partition);
                    assert!(self.held.contains(&place), "a record of {place:?}, which was not given");
                    self.records.push(record);
                }
            }
        }
    }
}

/// Polls members until `done`.
pub fn drive(
    subject: &impl Subject,
    what: &str,
    members: &mut [&mut Member],
    mut done: impl FnMut(&[&mut Member]) -> bool,
) {
    until(subject, what, || {
        members.iter_mut().for_each(|member| member.poll());
        done(members).then_some(())
    });
}

/// Whether every partition of the topic has exactly one of these members, and each member has some.
pub fn share(members: &[&mut Member], topic: &Topic, partitions: u32) -> bool {
    let mut all: Vec<(Topic, u32)> = members.iter().flat_map(|member| member.held.iter().cloned()).collect();
    all.sort();
    let wanted: Vec<(Topic, u32)> = (0..partitions).map(|partition| (topic.clone(), partition)).collect();
    all == wanted && members.iter().all(|member| !member.held.is_empty())
}
