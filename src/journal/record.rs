//! What stands in the journal: takings of the partition, and steps.

use crate::core::command::Origin;
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Who took a partition: a fresh random id for each taking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub [u8; 16]);

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalRecord {
    /// Someone claims the partition.
    PartitionTaken(PartitionTaken),
    /// What the owner decided from one batch of inputs.
    Step(Step),
}

/// A claim on the partition. It counts if its term is greater than the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionTaken {
    /// One more than the highest term that the claimer has seen.
    pub term: u64,
    /// The claimer.
    pub owner: Owner,
    /// When it claimed.
    pub time: Timestamp,
    /// The consumer group that said it should try.
    pub group: String,
    /// The claimer's host, for people.
    pub host: String,
    /// The claimer's version.
    pub version: String,
    /// The log that it thinks it is on.
    pub cluster: String,
}

/// One record that an owner writes for one batch of inputs: the write-ahead log's unit, atomic by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The owner's term.
    pub term: u64,
    /// The owner.
    pub owner: Owner,
    /// Counts steps from 1, running on across owners.
    pub number: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// Where reading of each input topic goes on after this step.
    pub positions: Vec<InputPosition>,
    /// Up to where all effects are done.
    pub effects_through: Option<EffectsThrough>,
    /// What was decided.
    pub transitions: Vec<Transition>,
}

/// Where reading of an input topic goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPosition {
    /// The topic, without the namespace.
    pub topic: String,
    /// The next offset to be read.
    pub next: u64,
    /// Offset and append time of the last record that was read, by which a lost topic is recognised.
    pub below: Option<Below>,
}

/// A record by which a position is checked: it must still be there, unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Below {
    /// Its offset.
    pub offset: u64,
    /// Its append time.
    pub time: Timestamp,
}

/// A step and its place in the journal: all effects up to and including it are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EffectsThrough {
    /// The step's number.
    pub step: u64,
    /// The step's offset in the journal.
    pub offset: u64,
}

/// What one input led to, for one run or for the partition itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What caused it.
    pub cause: Cause,
    /// The hash chain of the run (or of the partition's own events) before the first of these events.
    pub chain: [u8; 16],
    /// The W3C trace context of the run.
    pub traceparent: Option<String>,
    /// The events, each as the bytes that go to the event stream, in order.
    pub events: Vec<Bytes>,
    /// The input record itself, where an effect needs it (a dead letter, a forward).
    pub input: Option<InputRecord>,
}

/// What caused a transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An input record.
    Input(Origin),
    /// A time that came: the deadline of an attempt, or the time at which a failed node's next attempt is due. (The
    /// schema's word is `deadline`.)
    Timer,
    /// Something that was found or decided before: ready nodes that an earlier step had no room for, the attempt of a
    /// result that was refused, a loss of inputs.
    Continuation,
    /// An effect that could not be performed.
    EffectFailed,
}

impl InputRecord {
    /// How many bytes it takes in a step.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        headers + [&self.key, &self.value].into_iter().flatten().map(Bytes::len).sum::<usize>()
    }
}

/// An input record as it was read, kept for an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRecord {
    /// The key.
    pub key: Option<Bytes>,
    /// The value, or its first 64 KB where it is over 4 MB.
    pub value: Option<Bytes>,
    /// The whole value's length in bytes.
    pub value_bytes: u64,
    /// SHA-256 of the whole value, in hexadecimal digits.
    pub value_sha256: String,
    /// The headers.
    pub headers: Vec<(Cow<'static, str>, Bytes)>,
}
