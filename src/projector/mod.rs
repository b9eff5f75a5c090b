//! Journal to store: reads a partition's journal, folds what counts, and writes rows and position in one transaction.
//!
//! The projector is off the path of every workflow. While the store is away it keeps what it has read and tries
//! again; while another projector writes the same partition, the compared position keeps this one out.
//!
//! [`Projector`] is one partition, polled, so that a simulation can drive it; [`ProjectorThread`] is the loop of a
//! server, with one reader for all its partitions.

pub mod codec;
pub mod folding;
pub mod lag;
mod letters;
mod part;
pub mod rebuild;
pub mod rows;
pub mod thread;

use crate::core::apply::HistoryFault;
use crate::log::{Delivery, Log, LogError, Reader, Topic};
use crate::store::{Store, StoreError};
use crate::wire::WireError;
use codec::Codec;
pub use lag::{Lag, Lags};
use part::Part;
use std::sync::Arc;
use std::time::Duration;
pub use thread::{ProjectorThread, run_all};

/// Why a partition is not projected any further.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProjectorError {
    /// The journal is not the one that the store was projected from.
    #[error(
        "the journal of partition {partition} has lost records between {from} and {to}: {found}. The store is ahead of \
         the journal or belongs to another one; it is not written until `orchestrator rebuild --from-scratch` has made \
         the tables anew"
    )]
    JournalLost {
        /// The partition.
        partition: u32,
        /// The first offset that is in doubt.
        from: u64,
        /// The first offset that is not.
        to: u64,
        /// What was expected and what was found.
        found: String,
    },
    /// A record that counts, or one by a newer version, cannot be read.
    #[error("record {offset} of the journal of partition {partition} cannot be read: {fault}")]
    Unreadable {
        /// The partition.
        partition: u32,
        /// Its offset.
        offset: u64,
        /// Why.
        fault: WireError,
    },
    /// A step that counts holds an event that is not its run's next one.
    #[error("step at offset {offset} of the journal of partition {partition} breaks a history: {fault}")]
    BrokenHistory {
        /// The partition.
        partition: u32,
        /// The step's offset.
        offset: u64,
        /// How.
        fault: HistoryFault,
    },
    /// The store was written by a newer version.
    #[error("partition {partition} cannot be projected: {fault}")]
    Store {
        /// The partition.
        partition: u32,
        /// What the store says.
        fault: StoreError,
    },
    /// The log cannot be read.
    #[error("the journal cannot be read: {0}")]
    Log(#[from] LogError),
}

/// How the store took the last poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreAnswer {
    /// Nothing was asked of it, or it did what it was asked.
    #[default]
    Done,
    /// It does not answer, or it refused; the batch is kept and will be tried again.
    Away,
    /// Another projector has written the partition; this one will read its state anew.
    Fenced,
    /// The tables have been made anew; this projector will load its state from them.
    MadeAnew,
}

/// What a poll brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Journal records that were committed, void ones included.
    pub committed: usize,
    /// The next offset that is not in the store.
    pub next_offset: u64,
    /// Void records that were read since the partition was started.
    pub void_records: u64,
    /// Whether all that was read is in the store, and the reader's last word was that there is no more.
    pub caught_up: bool,
    /// How the store took it.
    pub store: StoreAnswer,
}

/// The projector of one partition.
pub struct Projector {
    part: Part,
    reader: Box<dyn Reader>,
    store: Arc<dyn Store>,
    deliveries: Vec<Delivery>,
}

impl Projector {
    /// Reads from `log`, writes to `store`. The store is first asked by the first poll.
    pub fn new(log: &dyn Log, store: Arc<dyn Store>, partition: u32) -> Result<Self, ProjectorError> {
        Self::with_codec(log, store, partition, Codec::WIRE)
    }

    /// With decoders of the caller's.
    pub fn with_codec(
        log: &dyn Log,
        store: Arc<dyn Store>,
        partition: u32,
        codec: Codec,
    ) -> Result<Self, ProjectorError> {
        Ok(Self { part: Part::new(partition, codec), reader: log.reader()?, store, deliveries: Vec::new() })
    }

    /// Reads what is there (waits up to `wait` for the first record), and commits one batch.
    ///
    /// Returns at once while the store is away or after it was fenced: the caller decides when to try again.
    ///
    /// # Errors
    /// Where the partition cannot be projected any further; the same error comes back from every later poll.
    pub fn poll(&mut self, wait: Duration) -> Result<Progress, ProjectorError> {
        if self.part.wants_start() {
            match self.part.start(&*self.store)? {
                Some(offset) => self.reader.assign(&Topic::Journal, self.part.partition(), offset)?,
                None => return Ok(self.part.progress(StoreAnswer::Away)),
            }
        }
        if self.part.wants_records() {
            let wait = if self.part.has_work() { Duration::ZERO } else { wait };
            self.reader.poll(wait, &mut self.deliveries)?;
            for delivery in self.deliveries.drain(..) {
                self.part.offer(delivery);
            }
        }
        let progress = self.part.advance(&*self.store)?;
        match progress {
            Progress { committed: 0, store: StoreAnswer::Done, .. } => self.part.verify(&*self.store),
            _ => Ok(progress),
        }
    }
}
