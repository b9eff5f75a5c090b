//! The store: tables projected from the journal. Off the path of every workflow.
//!
//! Three implementations: [`postgres`], [`sqlite`] and [`memory`] (simulation). One conformance suite
//! (`tests/conformance`) runs against all of them. The methods block; callers are threads of their own.

pub mod letter;
pub mod memory;
pub mod postgres;
pub mod query;
pub mod rebuild;
pub mod row;
pub mod sqlite;

mod sql;
mod url;

use crate::core::breaker::BreakerState;
use crate::core::command::Origin;
use crate::core::id::{AgentName, RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::status::Status;
use crate::core::time::Timestamp;
use crate::journal::record::{EffectsThrough, InputPosition};
use row::ProjectionBatch;
use serde::{Deserialize, Serialize};
pub use sql::text::{clean, clean_opt};
use std::collections::BTreeMap;
pub use url::open;

/// The format of the projected state. A store with a newer one is not read; recovery then begins at the
/// journal's start.
pub const STATE_FORMAT: u32 = 3;

/// How far a partition's journal has been projected, and what a reader who goes on from there has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The next journal offset to be read.
    pub next_offset: u64,
    /// The last counting record below it, by which a lost journal is recognised; none before the first.
    pub mark: Option<JournalMark>,
    /// Where reading of each input topic goes on.
    pub inputs: Vec<InputPosition>,
    /// Up to where all effects are done.
    pub effects_through: Option<EffectsThrough>,
    /// How many events the partition itself has.
    pub partition_sequence: u64,
    /// The hash chain over them.
    pub partition_chain: [u8; 16],
    /// When the last projected step was decided.
    pub time: Timestamp,
    /// The circuit breakers that are not closed.
    #[serde(default)]
    pub breakers: BTreeMap<AgentName, BreakerState>,
    /// Which making of the tables it is of: 0 as they were first made, another number after each [`Store::rebuild`]. Has
    /// a column of its own, which a commit compares and leaves as it is.
    #[serde(skip)]
    pub generation: u64,
}

/// A counting record of the journal: a step, or before the first step a taking (without number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalMark {
    /// Its offset.
    pub offset: u64,
    /// Its term.
    pub term: u64,
    /// Its owner, as bytes.
    pub owner: [u8; 16],
    /// The step's number.
    pub number: Option<u64>,
}

/// What recovery of a partition begins with: one consistent view.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where the view stands in the journal.
    pub position: Position,
    /// The unfinished runs, with the outputs of their nodes.
    pub runs: Vec<StoredRun>,
    /// Runs that ended inside the window in which duplicates are recognised, oldest first.
    pub ended: Vec<EndedRun>,
}

/// An unfinished run.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// Its state.
    pub run: Run,
    /// The hash chain over its events.
    pub chain: [u8; 16],
}

/// What is remembered of a run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRun {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// Tells requests with another payload apart, 32 hexadecimal digits.
    pub payload_hash: String,
    /// Where the request stood first: the same one may come again.
    pub origin: Origin,
    /// How it ended: only what has failed can be taken up.
    pub status: Status,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// A fault of the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or did not answer in time.
    #[error("the store at {at} does not answer: {reason}")]
    Unreachable {
        /// Where it should be, without secrets.
        at: String,
        /// What was tried.
        reason: String,
    },
    /// Another projector has moved the partition's position: this one has to read it again.
    #[error("another projector has written partition {partition}: expected position {expected}, found {found}")]
    Fenced {
        /// The partition.
        partition: u32,
        /// The next offset that this projector thinks it is at.
        expected: u64,
        /// The next offset that is there.
        found: u64,
    },
    /// The tables were made anew: what this projector has loaded of them may have been wrong, so it has to load it again.
    #[error("the tables of partition {partition} have been made anew")]
    MadeAnew {
        /// The partition.
        partition: u32,
    },
    /// It was written by a newer version.
    #[error(
        "the store has state format {found}, this version reads up to {STATE_FORMAT}; a newer orchestrator is needed"
    )]
    Newer {
        /// The format found.
        found: u32,
    },
    /// It answers, and has no tables of ours.
    #[error("the store at {at} has no tables yet: run `orchestrator init` once (`serve` and `dev` make them too)")]
    NoTables {
        /// Where it is, without secrets.
        at: String,
    },
    /// Somebody else is at it.
    #[error("the store is in use: {0}")]
    Busy(String),
    /// It answers, and says no; or holds what it should not.
    #[error("the store refuses: {0}")]
    Refused(String),
}

impl StoreError {
    /// Something hangs on tables that are to change places.
    pub fn attached(found: &[String]) -> Self {
        Self::Refused(format!(
            "{} would be lost, or go on reading the old table: drop what it is and make it again afterwards",
            found.join(", ")
        ))
    }
}

/// Projected state.
pub trait Store: Send + Sync {
    /// Creates or upgrades the tables.
    fn migrate(&self) -> Result<(), StoreError>;
    /// How far a partition has been projected; `None`: not at all.
    fn position(&self, partition: u32) -> Result<Option<Position>, StoreError>;
    /// Writes rows and position in one transaction, if the position is still `batch.expected`.
    ///
    /// # Errors
    /// `Fenced` where it is not, `MadeAnew` where the tables are other ones since; then nothing is written.
    fn commit(&self, batch: &ProjectionBatch) -> Result<(), StoreError>;
    /// One consistent view of a partition: its position, its unfinished runs, and those that ended at or after
    /// `ended_since` (at most `max_ended`, the newest).
    fn snapshot(
        &self,
        partition: u32,
        ended_since: Timestamp,
        max_ended: usize,
    ) -> Result<Option<Snapshot>, StoreError>;
    /// Begins to make the tables anew beside the live ones. What an interrupted rebuild has left is gone on with, or
    /// thrown away where `fresh`, or where another version has left it. The live tables have to be migrated.
    ///
    /// # Errors
    /// `Busy` while another rebuild is under way; `Refused` where the store is none that can be rebuilt.
    fn rebuild(&self, fresh: bool) -> Result<Box<dyn rebuild::Rebuild + '_>, StoreError> {
        let _ = fresh;
        Err(StoreError::Refused(format!("{} keeps nothing that could be made anew", self.describe())))
    }
    /// What people and the command line ask.
    fn query(&self) -> &dyn query::Query;
    /// Where it is, for people, without secrets.
    fn describe(&self) -> String;
}
