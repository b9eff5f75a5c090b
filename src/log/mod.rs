//! The log: topics of partitions of records, as far as the engine, the projector, workers and tools need it.
//!
//! Three implementations: [`kafka`] (production), [`sqlite`] (one machine, nothing to install) and [`memory`]
//! (simulation). One conformance suite (`tests/conformance`) runs against all of them.
//!
//! Everything is polled and nothing blocks, except where a method says so: the engine is a synchronous state
//! machine, and the simulation runs it on one thread in virtual time.

pub mod cursor;
pub mod kafka;
pub mod memory;
pub mod plan;
pub mod sqlite;
pub mod topic;

use crate::core::time::Timestamp;
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;
pub use topic::Topic;

/// A header's name and value. The names that we write are known when the program is built, and cost no memory.
pub type Header = (Cow<'static, str>, Bytes);

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic it stands in.
    pub topic: Topic,
    /// The partition.
    pub partition: u32,
    /// The offset there.
    pub offset: u64,
    /// When it was appended (the log's clock).
    pub time: Timestamp,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<Header>,
}

impl Record {
    /// The value of the first header with this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }
}

/// A record to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The topic.
    pub topic: Topic,
    /// The partition; none: by the key (murmur2, as Kafka's Java client), without a key any.
    pub partition: Option<u32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<Header>,
}

/// Names an append, so that its acknowledgement can be told from others.
pub type Token = u64;

/// The end of an append.
#[derive(Clone, Debug)]
pub struct Ack {
    /// Which append.
    pub token: Token,
    /// Where the record stands, or why it is not known to.
    pub result: Result<(u32, u64), AppendError>,
}

/// What an appender is for; it decides how hard it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The journal: idempotent, all replicas, no linger, gives up after the journal's delivery timeout.
    Journal,
    /// Dispatches, responses, dead letters, forwards: idempotent, gives up after 30 s.
    Effects,
    /// Publications to the event stream: idempotent and gapless; an error poisons the appender.
    Events,
    /// A client's or worker's own records: idempotent.
    Client,
}

/// Why an append failed, or is not known to have succeeded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The appender holds as many records as it may; poll it and try again.
    #[error("the queue of records under way is full")]
    Full,
    /// This record will never be taken: too large, unknown topic, not authorised.
    #[error("the log refuses the record: {0}")]
    Refused(String),
    /// It is not known whether the record stands in the log; the next one may still succeed.
    #[error("the log did not confirm the record: {0}")]
    Unconfirmed(String),
    /// The appender is unusable and has to be made anew.
    #[error("the appender has failed for good: {0}")]
    Fatal(String),
}

/// Appends records. Those of one appender to one partition land in the order of `append`, except after an error.
pub trait Appender: Send {
    /// Queues a record; its end comes by [`Appender::poll`] under this token.
    ///
    /// # Errors
    /// `Full`, `Refused` or `Fatal`, at once; no acknowledgement follows then.
    fn append(&mut self, record: NewRecord, token: Token) -> Result<(), AppendError>;

    /// Moves what is under way and hands out the ends that have come since the last call. Never waits.
    fn poll(&mut self, acks: &mut Vec<Ack>);

    /// How many appends are under way.
    fn in_flight(&self) -> usize;

    /// Whether records wait for others that are under way: they go at a [`Appender::poll`] soon after.
    fn is_gathering(&self) -> bool {
        false
    }
}

/// What a reader hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The next record of a partition.
    Record(Record),
    /// Everything below `offset` has been handed out, and at that moment there was nothing more.
    End {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u32,
        /// The next offset.
        offset: u64,
    },
    /// The offset asked for is not there: reading goes on at `low` (nothing was read in between).
    Lost {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u32,
        /// The offset asked for.
        wanted: u64,
        /// The first offset that is there.
        low: u64,
        /// The next offset to be written.
        high: u64,
    },
}

impl Delivery {
    /// The topic that it is of.
    pub fn topic(&self) -> &Topic {
        match self {
            Self::Record(record) => &record.topic,
            Self::End { topic, .. } | Self::Lost { topic, .. } => topic,
        }
    }

    /// The partition that it is of.
    pub fn partition(&self) -> u32 {
        match self {
            Self::Record(record) => record.partition,
            Self::End { partition, .. } | Self::Lost { partition, .. } => *partition,
        }
    }
}

/// Reads partitions from given offsets, in order, committed records only.
pub trait Reader: Send {
    /// Starts reading a partition at an offset (again, if it was being read).
    fn assign(&mut self, topic: &Topic, partition: u32, offset: u64) -> Result<(), LogError>;
    /// Stops reading a partition; nothing of it is handed out afterwards.
    fn unassign(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError>;
    /// Holds a partition back; nothing of it is handed out until `resume`, and nothing is lost.
    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError>;
    /// Goes on with a partition that was held back.
    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError>;
    /// Hands out what is there; waits up to `wait` for the first. Returns early on anything.
    ///
    /// # Errors
    /// Operating faults are waited out inside (and logged once); an error here is one that cannot heal.
    fn poll(&mut self, wait: Duration, out: &mut Vec<Delivery>) -> Result<(), LogError>;
}

/// First and next offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The first offset that is there.
    pub low: u64,
    /// The next offset to be written (for committed readers).
    pub high: u64,
}

/// What a member of a group is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// A partition is this member's to try.
    Given {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u32,
        /// What was committed for it last.
        committed: Option<Committed>,
    },
    /// A partition is this member's no longer. Its last position may be committed until the next
    /// [`Group::poll`], which gives it up for good, unless the member was thrown out.
    Revoked {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u32,
        /// Whether the group has not heard of this member for a session, rather than given the partition to another
        /// one: the log was away, or this process stood still.
        thrown_out: bool,
    },
    /// A record of a partition that was given. Only members that fetch get these.
    Record(Record),
}

/// A group's position in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to be read.
    pub offset: u64,
    /// The member's own words, up to [`MAX_COMMIT_METADATA`] bytes.
    pub metadata: String,
}

/// The largest record that a topic takes where it does not say otherwise (`max.message.bytes`, as `init` sets it).
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// Kafka's default `offset.metadata.max.bytes`.
pub const MAX_COMMIT_METADATA: usize = 4096;

/// Membership in a consumer group: who should try which partition, and how far it has come.
pub trait Group: Send {
    /// Hands out what is there; waits up to `wait` for the first. Must be called regularly to stay a member.
    fn poll(&mut self, wait: Duration, out: &mut Vec<GroupEvent>) -> Result<(), LogError>;
    /// Whether the group has said which partitions are this member's, be it none. It has not after joining, nor after
    /// it has thrown the member out. Asks nobody.
    fn is_settled(&self) -> bool;
    /// Commits a position with the member's generation. With `wait`, returns once the log has confirmed it.
    ///
    /// # Errors
    /// Where the partition is not this member's, nor was revoked by the last poll, or the log does not confirm.
    fn commit(&mut self, topic: &Topic, partition: u32, committed: &Committed, wait: bool) -> Result<(), LogError>;
    /// Holds a partition's records back.
    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError>;
    /// Goes on with a partition that was held back.
    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError>;
    /// Leaves the group at once, so that others need not wait for the session timeout.
    fn leave(&mut self);
}

/// A group from outside, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSeen {
    /// How many members it has. One that was killed is one until its session times out.
    pub members: usize,
    /// The partitions of the topic that was asked for, in order.
    pub partitions: Vec<SharedPartition>,
}

/// A partition that a group shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedPartition {
    /// Whether it is some member's.
    pub is_held: bool,
    /// The next offset that the group reads; none: it has committed nothing there.
    pub committed: Option<u64>,
    /// What is there to be read.
    pub ends: Ends,
}

impl SharedPartition {
    /// The next record that the group has not done with.
    pub fn next(&self) -> u64 {
        self.committed.unwrap_or(0).max(self.ends.low)
    }

    /// How many records the group has not done with.
    pub fn lag(&self) -> u64 {
        self.ends.high.saturating_sub(self.next())
    }
}

/// How a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Partitions are given, but their records are not fetched (the engine reads them itself).
    AssignOnly,
    /// Records are handed out, beginning at the committed position, else at the start.
    Fetch,
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Which topic.
    pub topic: Topic,
    /// How many partitions.
    pub partitions: u32,
    /// Settings by Kafka's names, e.g. `retention.ms`.
    pub settings: Vec<(String, String)>,
}

/// A fault of the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be reached, or did not answer in time.
    #[error("the log at {at} does not answer: {reason}")]
    Unreachable {
        /// Where it should be.
        at: String,
        /// What was tried.
        reason: String,
    },
    /// It answers, and says no.
    #[error("the log refuses: {0}")]
    Refused(String),
    /// The topic does not exist.
    #[error("the topic {0} does not exist; `orchestrator init` creates it")]
    UnknownTopic(String),
}

/// A connection to a log. Cheap to share; the parts that it makes are used by one thread each.
pub trait Log: Send + Sync {
    /// Makes an appender.
    fn appender(&self, purpose: Purpose) -> Result<Box<dyn Appender>, LogError>;
    /// Makes a reader.
    fn reader(&self) -> Result<Box<dyn Reader>, LogError>;
    /// Makes a reader on whom no workflow waits: it may gather for some 50 ms what comes, to spare the log.
    ///
    /// # Errors
    /// Where the log does not answer.
    fn patient_reader(&self) -> Result<Box<dyn Reader>, LogError> {
        self.reader()
    }
    /// Makes a reader for single records here and there: it fetches little at a time, and nothing ahead.
    ///
    /// # Errors
    /// Where the log does not answer.
    fn picker(&self) -> Result<Box<dyn Reader>, LogError> {
        self.reader()
    }
    /// Joins a group that shares the partitions of these topics.
    fn group(&self, name: &str, topics: &[Topic], membership: Membership) -> Result<Box<dyn Group>, LogError>;
    /// Who is in a group, and how far it has come in a topic; one that nobody has ever joined has no members. Waits for
    /// the answer.
    fn look_at_group(&self, name: &str, topic: &Topic) -> Result<GroupSeen, LogError>;
    /// The ends of a partition, asked for now. Waits for the answer.
    fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError>;
    /// The offset of the first record of a partition that was appended at `time` or later, to the millisecond; where
    /// there is none, the next offset to be written. Waits for the answer.
    ///
    /// # Errors
    /// Where the log does not answer, or there is no such partition.
    fn offset_at(&self, topic: &Topic, partition: u32, time: Timestamp) -> Result<u64, LogError>;
    /// How many partitions a topic has; `None`: there is no such topic. Waits for the answer.
    fn partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError>;
    /// Creates topics that are not there and leaves those that are. Waits until they can be used.
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError>;
    /// The settings of a topic by Kafka's names; empty where the log has none. Waits for the answer.
    fn topic_settings(&self, topic: &Topic) -> Result<Vec<(String, String)>, LogError>;
    /// How many brokers there are: decides the replication of new topics.
    fn brokers(&self) -> Result<u32, LogError>;
    /// What identifies this log for people and in `PartitionTaken`: the cluster id, or the file.
    fn cluster(&self) -> String;
    /// How often this log has answered again after it had not: what others were about to append may still be on its
    /// way then. Asks nobody.
    fn interruptions(&self) -> u64 {
        0
    }
}
