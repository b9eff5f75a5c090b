//! What people and the command line ask of the store.

use super::letter::{ErrorFilter, ErrorGroup, FoundLetter, HandledRow, LetterFilter, LetterGroup};
use super::row::{ErrorRow, MetricRow, OperationRow, ResultRow};
use super::{Position, StoreError, StoredRun};
use crate::core::failure::FailureClass;
use crate::core::id::{LetterId, NodeId, RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::status::Status;
use crate::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state alone.
    pub status: Option<Status>,
    /// Of this definition alone.
    pub definition: Option<String>,
    /// At most this many, the newest first.
    pub limit: usize,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// The partition it lives in.
    pub partition: u32,
    /// Name of its definition.
    pub definition: String,
    /// Version of its definition.
    pub version: u32,
    /// Its state.
    pub status: Status,
    /// Nodes completed, failed, open.
    pub nodes: (u32, u32, u32),
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A row of `orchestrator_workflow_states`, with the outputs of its nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRow {
    /// The partition it lives in.
    pub partition: u32,
    /// State and hash chain.
    pub stored: StoredRun,
    /// Nodes completed, failed, open.
    pub nodes: [u64; 3],
    /// How it failed, if it did.
    pub failure: Option<StoredFailure>,
    /// The nodes whose outputs stand in `orchestrator_carried_outputs`.
    pub taken_over: BTreeSet<NodeId>,
}

/// The columns that say how a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFailure {
    /// The node that caused it.
    pub node_id: Option<NodeId>,
    /// What may be done about it.
    pub class: FailureClass,
    /// A short stable word.
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// Tables whose rows each belong to a run, or to `partition-N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsOf {
    /// `orchestrator_workflow_states`.
    Runs,
    /// `orchestrator_carried_outputs`.
    Carried,
    /// `orchestrator_agent_results`.
    Results,
    /// `orchestrator_operation_logs`.
    Operations,
    /// `orchestrator_error_logs`.
    Errors,
    /// `orchestrator_run_offsets`.
    Offsets,
}

impl RowsOf {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Runs, Self::Carried, Self::Results, Self::Operations, Self::Errors, Self::Offsets];

    /// The table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Runs => "orchestrator_workflow_states",
            Self::Carried => "orchestrator_carried_outputs",
            Self::Results => "orchestrator_agent_results",
            Self::Operations => "orchestrator_operation_logs",
            Self::Errors => "orchestrator_error_logs",
            Self::Offsets => "orchestrator_run_offsets",
        }
    }

    /// The column that says whose a row is.
    pub fn column(self) -> &'static str {
        match self {
            Self::Runs | Self::Carried | Self::Results | Self::Offsets => "run_id",
            Self::Operations | Self::Errors => "subject",
        }
    }
}

/// A row of `orchestrator_dead_letters`, of which either half may have come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterHalf {
    /// Which letter.
    pub letter_id: LetterId,
    /// Whether the letter itself is there.
    pub has_letter: bool,
    /// What was last done with it.
    pub handled: Option<HandledRow>,
}

/// What the tables hold of a run, from one moment where the store can say so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRows {
    /// The run's own row; none: there is none, or it cannot be read.
    pub stored: Option<StoredRow>,
    /// [`Query::results`].
    pub results: Vec<ResultRow>,
    /// [`Query::operations`].
    pub operations: Vec<OperationRow>,
    /// [`Query::errors`].
    pub errors: Vec<ErrorRow>,
    /// [`Query::offsets`].
    pub offsets: Vec<u64>,
    /// Rows that cannot be read: of which table, and why.
    pub unreadable: Vec<(RowsOf, String)>,
}

/// Questions to a store. They block.
pub trait Query: Send + Sync {
    /// Runs, the newest first.
    fn runs(&self, filter: &Filter) -> Result<Vec<Summary>, StoreError>;
    /// A run with the outputs of its nodes: the newest of the workflow, or the one asked for.
    fn run(&self, workflow_id: &WorkflowId, run_id: Option<&RunId>) -> Result<Option<(u32, Run)>, StoreError> {
        Ok(self.stored(workflow_id, run_id)?.map(|row| (row.partition, row.stored.run)))
    }
    /// The same with all that its row says.
    fn stored(&self, workflow_id: &WorkflowId, run_id: Option<&RunId>) -> Result<Option<StoredRow>, StoreError>;
    /// The attempts of a run that have ended, in the order in which they ended.
    fn results(&self, run_id: &RunId) -> Result<Vec<ResultRow>, StoreError>;
    /// The operations of a run, in order.
    fn operations(&self, run_id: &RunId) -> Result<Vec<OperationRow>, StoreError>;
    /// All rows of some runs, in their order; a row that cannot be read is no error here.
    fn rows_of(&self, runs: &[(WorkflowId, RunId)]) -> Result<Vec<RunRows>, StoreError>;
    /// The operations of a partition that concern no run, in order: those of its events with these numbers.
    fn partition_operations(
        &self,
        partition: u32,
        events: RangeInclusive<u64>,
    ) -> Result<Vec<OperationRow>, StoreError>;
    /// The failures of a run, in order.
    fn errors(&self, run_id: &RunId) -> Result<Vec<ErrorRow>, StoreError>;
    /// The refusals and failed effects of a partition, in order: those of its events with these numbers.
    fn partition_errors(&self, partition: u32, events: RangeInclusive<u64>) -> Result<Vec<ErrorRow>, StoreError>;
    /// Calls by partition, agent and minute, of the minutes that began at or after `since`.
    fn metrics(&self, since: Timestamp) -> Result<Vec<(u32, MetricRow)>, StoreError>;
    /// Where a partition stands, and its calls by agent and minute, from one moment.
    fn sums(&self, partition: u32) -> Result<(Option<Position>, Vec<MetricRow>), StoreError>;
    /// Whose rows a table has: run ids and `partition-N`, each once, in order, at most `limit` of them, those after
    /// `after`.
    fn owners(&self, of: RowsOf, after: &str, limit: usize) -> Result<Vec<String>, StoreError>;
    /// Journal offsets of the steps that hold a run's events, ascending.
    fn offsets(&self, run_id: &RunId) -> Result<Vec<u64>, StoreError>;
    /// Journal offsets of the steps that hold events of the partition itself which name a workflow, ascending.
    fn workflow_offsets(&self, partition: u32, workflow_id: &WorkflowId) -> Result<Vec<u64>, StoreError>;
    /// The same of every workflow of a partition.
    fn all_workflow_offsets(&self, partition: u32) -> Result<BTreeMap<WorkflowId, Vec<u64>>, StoreError>;
    /// Rows of dead letters, whatever there is of them, in the order of their ids, at most `limit`, those after `after`.
    fn letter_halves(&self, after: Option<&LetterId>, limit: usize) -> Result<Vec<LetterHalf>, StoreError>;
    /// Dead letters, the newest first.
    fn letters(&self, filter: &LetterFilter) -> Result<Vec<FoundLetter>, StoreError>;
    /// The whole of a dead letter, as it stands in the topic `dead-letters`.
    fn letter_document(&self, letter_id: &LetterId) -> Result<Option<String>, StoreError>;
    /// Dead letters by fault, those with most open ones first.
    fn letter_groups(&self, filter: &LetterFilter) -> Result<Vec<LetterGroup>, StoreError>;
    /// Errors by fault, the most frequent first.
    fn error_groups(&self, filter: &ErrorFilter) -> Result<Vec<ErrorGroup>, StoreError>;
    /// How far each partition has been projected.
    fn positions(&self) -> Result<Vec<(u32, Position)>, StoreError>;
}
