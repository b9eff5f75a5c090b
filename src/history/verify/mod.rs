//! Holds everything that was recorded of a partition against each other: the event stream against the journal (by the
//! readers' rule, as far back as it reaches), each record's headers and hash chain against what it holds, and the
//! tables against what folding gives.
//!
//! The stream is at least once, and in the order of the journal: two records of an event are no fault if they are the
//! same. Events that are not published or not projected yet are none either: the ends are taken at the beginning,
//! and what is compared is bounded by what was published and projected then. What is held in memory is the runs that
//! have not ended, a window of recent events, the sums of the tables, and of each event of the partition itself that names
//! a workflow where it stands; of all partitions, hashes of runs and letters.
//!
//! Reading order: `told` (what the journal says) with `again`, `stream` (what the stream says), `tables` (the runs), `own` (the partition
//! itself), `rows` and `fields` (what differs), `known` and `rest` (what takes all partitions to be judged).

mod again;
mod fields;
mod known;
mod own;
mod rest;
mod rows;
mod stream;
mod tables;
mod told;
mod window;

use crate::core::event::PartitionEvent;
use crate::core::id::WorkflowId;
use crate::journal::record::InputRecord;
use crate::log::cursor::Cursor;
use crate::log::{Delivery, Log, LogError, Record, Topic};
use crate::store::{Store, StoreError};
use crate::wire::WireError;
use crate::wire::event::Published;
use crate::wire::headers::partition_key;
use bytes::Bytes;
pub use known::Known;
pub use rest::{Rest, verify_rest};

/// What is held against each other.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The log with the journal.
    pub log: &'a dyn Log,
    /// The log with the event stream: the same, or one with a copy of it.
    pub events: &'a dyn Log,
    /// Whether it is a copy: it may end before what is published now.
    pub is_copy: bool,
    /// The tables; none: they are left out.
    pub store: Option<&'a dyn Store>,
    /// The namespace in which the events were published.
    pub namespace: &'a str,
    /// The partition.
    pub partition: u32,
}

/// Who listens.
pub trait Listener {
    /// Something differs.
    fn fault(&mut self, fault: Fault);
    /// So many more records of the stream have been read. Those of the journal behind it are not counted.
    fn progress(&mut self, records: u64);
}

/// An event of the stream: whose, and the how-manieth of those.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The run, or `partition-N`.
    pub subject: String,
    /// Its number.
    pub sequence: u64,
}

impl EventId {
    fn of(published: &Published) -> Self {
        match published {
            Published::Run(recorded) => Self { subject: recorded.run_id.to_string(), sequence: recorded.sequence },
            Published::Partition(recorded) => {
                Self { subject: partition_key(recorded.partition), sequence: recorded.sequence }
            }
        }
    }

    /// As the header `ce_id` has it.
    fn read(text: &[u8]) -> Option<Self> {
        let (subject, sequence) = std::str::from_utf8(text).ok()?.rsplit_once('/')?;
        Some(Self { subject: subject.to_owned(), sequence: sequence.parse().ok()? })
    }
}

/// An event as it has to be on the stream.
#[derive(Clone, Debug)]
struct Expected {
    id: EventId,
    published: Published,
    body: Bytes,
    /// The chain of its run, or of its partition, after it.
    chain: [u8; 16],
    journal_offset: u64,
    traceparent: Option<String>,
    /// The input record that the journal keeps beside it.
    input: Option<InputRecord>,
}

impl Expected {
    fn workflow_id(&self) -> Option<&WorkflowId> {
        workflow_of(&self.published)
    }
}

fn workflow_of(published: &Published) -> Option<&WorkflowId> {
    match published {
        Published::Run(recorded) => Some(&recorded.workflow_id),
        Published::Partition(recorded) => PartitionEvent::workflow_id(&recorded.event),
    }
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The record of an event is not the one that the journal and the chain ask for.
    Changed,
    /// An event is not on the stream.
    Missing,
    /// An event stands behind one that it has to stand before.
    OutOfOrder,
    /// A further record of an event is not like the first.
    TwinDiffers,
    /// The journal has no such event.
    Unknown,
    /// A record is no event.
    Unreadable,
    /// An event does not continue its run.
    BrokenHistory,
    /// The journal's own chain is broken.
    JournalChain,
    /// An event in the journal cannot be read.
    JournalUnreadable,
    /// The tables do not have a run.
    RowMissing,
    /// The tables say something else.
    RowDiffers,
    /// The tables have a row of which no event tells.
    RowUnknown,
}

impl Kind {
    /// The word for programs. It stays what it is.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::OutOfOrder => "out_of_order",
            Self::TwinDiffers => "twin_differs",
            Self::Unknown => "unknown",
            Self::Unreadable => "unreadable",
            Self::BrokenHistory => "broken_history",
            Self::JournalChain => "journal_chain",
            Self::JournalUnreadable => "journal_unreadable",
            Self::RowMissing => "row_missing",
            Self::RowDiffers => "row_differs",
            Self::RowUnknown => "row_unknown",
        }
    }
}

/// A difference, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What differs.
    pub kind: Kind,
    /// The partition, as far as it is known.
    pub partition: Option<u32>,
    /// Where on the stream; for an event that is missing: before which offset it had to stand.
    pub events_offset: Option<u64>,
    /// Where in the journal.
    pub journal_offset: Option<u64>,
    /// The table.
    pub table: Option<&'static str>,
    /// The workflow.
    pub workflow_id: Option<WorkflowId>,
    /// The run, `partition-N`, or `letter ID`.
    pub subject: Option<String>,
    /// The number of the event.
    pub sequence: Option<u64>,
    /// What of it.
    pub field: Option<String>,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// The values of the record, where they differ: the expected one and the one found.
    pub values: Option<(Bytes, Bytes)>,
}

impl Fault {
    fn new(
        kind: Kind,
        partition: impl Into<Option<u32>>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            partition: partition.into(),
            events_offset: None,
            journal_offset: None,
            table: None,
            workflow_id: None,
            subject: None,
            sequence: None,
            field: None,
            expected: expected.into(),
            found: found.into(),
            values: None,
        }
    }

    fn of(self, event: &Expected) -> Self {
        Self {
            workflow_id: event.workflow_id().cloned(),
            journal_offset: Some(event.journal_offset),
            ..self.of_id(&event.id)
        }
    }

    fn of_id(self, id: &EventId) -> Self {
        Self { subject: Some(id.subject.clone()), sequence: Some(id.sequence), ..self }
    }

    fn at(self, events_offset: u64) -> Self {
        Self { events_offset: Some(events_offset), ..self }
    }
}

/// How far it went, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records of the stream that were read.
    pub records: u64,
    /// Those of them that repeat an earlier one.
    pub twins: u64,
    /// Those of them that tell of steps which the journal does not hold any more: held against their chain alone.
    pub before_the_journal: u64,
    /// The offset at which the stream ended when it was asked.
    pub events_end: u64,
    /// The first offset of the journal.
    pub journal_low: u64,
    /// The offset at which the journal ended when it was asked.
    pub journal_end: u64,
    /// Events of the journal whose records have been removed from the start of the stream.
    pub removed: u64,
    /// Records of the journal that do not count.
    pub void_records: u64,
    /// Events of the journal that were not published, and need not have been.
    pub unpublished: u64,
    /// Up to which offset of the journal the tables were compared; none: not at all.
    pub projected_to: Option<u64>,
    /// Events of the journal from there on.
    pub unprojected: u64,
    /// Runs that were compared with the tables.
    pub runs: u64,
    /// Those of them that had not ended.
    pub unfinished: u64,
    /// Runs that have moved on in the tables while they were verified, so that they could not be compared.
    pub moved_on: u64,
    /// Runs whose first events are gone from the stream and from the journal.
    pub beheaded: u64,
    /// Dead letters of the partition's events that were compared with the tables.
    pub letters: u64,
    /// Sums of an agent and minute that were compared with the tables.
    pub sums: u64,
    /// Sums that could not be, because events are gone from the stream and from the journal, or are broken.
    pub sums_left_out: u64,
    /// Differences.
    pub faults: u64,
}

/// Why it cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A fault of the log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A fault of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is being removed as it is read.
    #[error(
        "{topic}/{partition}: the records from offset {wanted} to {low} have been removed while they were read; verify again"
    )]
    Removed {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u32,
        /// What was to be read.
        wanted: u64,
        /// The first offset that is there.
        low: u64,
    },
    /// It was written by a newer version.
    #[error("journal/{partition}, offset {offset}: {fault}")]
    Newer {
        /// The partition.
        partition: u32,
        /// Where.
        offset: u64,
        /// What it names.
        fault: WireError,
    },
}

/// Holds a partition's stream, journal and tables against each other.
///
/// `known` is told of it, for [`verify_rest`] once all partitions have been verified.
///
/// # Errors
/// Where log or store do not answer. What differs is told to the listener, and is no error.
pub fn verify(parts: Parts, known: &mut Known, listener: &mut dyn Listener) -> Result<Report, VerifyError> {
    stream::verify(parts, known, &mut Counting { listener, faults: 0 })
}

/// The next record; none: that was all. What is removed meanwhile would be told of as missing.
fn next_record(cursor: &mut Cursor) -> Result<Option<Record>, VerifyError> {
    match cursor.read()? {
        Some(Delivery::Record(record)) => Ok(Some(record)),
        Some(Delivery::Lost { topic, partition, wanted, low, .. }) => {
            Err(VerifyError::Removed { topic, partition, wanted, low })
        }
        Some(Delivery::End { .. }) | None => Ok(None),
    }
}

/// Counts what it passes on.
struct Counting<'a> {
    listener: &'a mut dyn Listener,
    faults: u64,
}

impl Counting<'_> {
    fn fault(&mut self, fault: Fault) {
        self.faults += 1;
        self.listener.fault(fault);
    }
}
