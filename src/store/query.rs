//! What people and the command line ask of the store.

use super::letter::{ErrorFilter, ErrorGroup, FoundLetter, LetterFilter, LetterGroup};
use super::row::{ErrorRow, MetricRow, OperationRow, ResultRow};
use super::{Position, StoreError};
use crate::core::id::{LetterId, RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::status::Status;
use crate::core::time::Timestamp;

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

/// Questions to a store. They block.
pub trait Query: Send + Sync {
    /// Runs, the newest first.
    fn runs(&self, filter: &Filter) -> Result<Vec<Summary>, StoreError>;
    /// A run with the outputs of its nodes: the newest of the workflow, or the one asked for.
    fn run(&self, workflow_id: &WorkflowId, run_id: Option<&RunId>) -> Result<Option<(u32, Run)>, StoreError>;
    /// The attempts of a run that have ended, in the order in which they ended.
    fn results(&self, run_id: &RunId) -> Result<Vec<ResultRow>, StoreError>;
    /// The operations of a run, in order.
    fn operations(&self, run_id: &RunId) -> Result<Vec<OperationRow>, StoreError>;
    /// The operations of a partition that concern no run, in order.
    fn partition_operations(&self, partition: u32) -> Result<Vec<OperationRow>, StoreError>;
    /// The failures of a run, in order.
    fn errors(&self, run_id: &RunId) -> Result<Vec<ErrorRow>, StoreError>;
    /// The refusals and failed effects of a partition, in order.
    fn partition_errors(&self, partition: u32) -> Result<Vec<ErrorRow>, StoreError>;
    /// Calls by partition, agent and minute, of the minutes that began at or after `since`.
    fn metrics(&self, since: Timestamp) -> Result<Vec<(u32, MetricRow)>, StoreError>;
    /// Journal offsets of the steps that hold a run's events, ascending.
    fn offsets(&self, run_id: &RunId) -> Result<Vec<u64>, StoreError>;
    /// Journal offsets of the steps that hold events of the partition itself which name a workflow, ascending.
    fn workflow_offsets(&self, partition: u32, workflow_id: &WorkflowId) -> Result<Vec<u64>, StoreError>;
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
