//! The rows that a projected batch writes.

use super::letter::{HandledRow, LetterRow};
use super::{Position, StoreError};
use crate::core::failure::FailureClass;
use crate::core::id::{AgentName, NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::run::Run;
use crate::core::status::{NodeStatus, Status};
use crate::core::time::Timestamp;
use crate::core::usage::Usage;

/// Everything that one projected stretch of a partition's journal writes, in one transaction.
#[derive(Clone, Debug)]
pub struct ProjectionBatch {
    /// The partition.
    pub partition: u32,
    /// The position that the batch goes on from; none: the partition has none yet.
    pub expected: Option<Position>,
    /// The position after it.
    pub next: Position,
    /// Runs that changed, one row each however many events they had.
    pub runs: Vec<RunRow>,
    /// Outputs that runs took over as they began (appended).
    pub carried: Vec<CarriedRow>,
    /// Attempts that ended (appended).
    pub results: Vec<ResultRow>,
    /// Agent calls and state transitions (appended).
    pub operations: Vec<OperationRow>,
    /// Failures and refusals (appended).
    pub errors: Vec<ErrorRow>,
    /// Dead letters.
    pub letters: Vec<LetterRow>,
    /// What was done with dead letters: for each letter the last.
    pub handled: Vec<HandledRow>,
    /// What to add to the metrics, one entry for each agent and minute.
    pub metrics: Vec<MetricRow>,
    /// Where the events of each run stand in the journal (appended).
    pub offsets: Vec<OffsetsRow>,
    /// Where the partition's events that name a workflow stand in the journal (appended).
    pub workflow_offsets: Vec<WorkflowOffsetsRow>,
}

impl ProjectionBatch {
    /// The error of a commit that finds another position than it expects.
    pub fn fenced(&self, found: Option<&Position>) -> StoreError {
        if let (Some(expected), Some(found)) = (&self.expected, found)
            && expected.generation != found.generation
        {
            return StoreError::MadeAnew { partition: self.partition };
        }
        let next = |position: Option<&Position>| position.map_or(0, |position| position.next_offset);
        StoreError::Fenced { partition: self.partition, expected: next(self.expected.as_ref()), found: next(found) }
    }
}

/// The subject of operations and errors that concern no run.
pub fn partition_subject(partition: u32) -> String {
    format!("partition-{partition}")
}

/// `orchestrator_workflow_states`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// The run, without the outputs of its nodes (they are in the results, or among those taken over).
    pub run: Run,
    /// The hash chain over its events.
    pub chain: [u8; 16],
}

/// `orchestrator_carried_outputs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedRow {
    /// The run that has taken it over.
    pub run_id: RunId,
    /// The node.
    pub node_id: NodeId,
    /// Its output.
    pub output: Json,
}

/// `orchestrator_agent_results`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// The number, within the run, of the event that ended the attempt.
    pub sequence: u64,
    /// The node.
    pub node_id: NodeId,
    /// The attempt.
    pub attempt: u32,
    /// Who executed it.
    pub agent_name: AgentName,
    /// `completed` or `failed`.
    pub status: NodeStatus,
    /// Of a completed attempt.
    pub output: Option<Json>,
    /// Of a failed attempt.
    pub failure: Option<crate::core::failure::Failure>,
    /// How long the attempt might have taken, in milliseconds.
    pub timeout_ms: u64,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// When a worker said that it works on it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it has used.
    pub usage: Option<Usage>,
}

/// `orchestrator_operation_logs`.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationRow {
    /// The run, or `partition-N`.
    pub subject: String,
    /// The event's sequence within the subject.
    pub sequence: u64,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When.
    pub time: Timestamp,
    /// What.
    pub operation: Operation,
}

/// The kinds of operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `agent_call`: an attempt ended.
    AgentCall {
        /// The node.
        node_id: NodeId,
        /// Who executed it.
        agent_name: AgentName,
        /// The attempt.
        attempt: u32,
        /// `completed` or `failed`.
        status: NodeStatus,
        /// From scheduled to ended, in microseconds.
        duration_us: u64,
    },
    /// `state_transition`: the run's state changed.
    StateTransition {
        /// Before.
        from: Status,
        /// After.
        to: Status,
    },
    /// `input_rejected`: an input changed nothing.
    InputRejected {
        /// A short stable word.
        reason: String,
        /// A sentence.
        message: String,
    },
    /// `input_forwarded`: an input was sent on to its partition.
    InputForwarded {
        /// The right partition.
        to_partition: u32,
    },
}

/// `orchestrator_error_logs`.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRow {
    /// The run, or `partition-N`.
    pub subject: String,
    /// The event's sequence within the subject.
    pub sequence: u64,
    /// The event: `NodeFailed`, `WorkflowFailed`, `InputRefused`, `EffectFailed`, `InputLost`.
    pub event: &'static str,
    /// The workflow, as far as it is known.
    pub workflow_id: Option<WorkflowId>,
    /// The node.
    pub node_id: Option<NodeId>,
    /// Who executed it.
    pub agent_name: Option<AgentName>,
    /// The attempt.
    pub attempt: Option<u32>,
    /// What may be done about it; none for refusals.
    pub class: Option<FailureClass>,
    /// A short stable word.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// More, as JSON.
    pub details: Option<Json>,
    /// The same for errors of the same fault.
    pub fingerprint: String,
    /// When.
    pub time: Timestamp,
}

/// The bucket of [`DURATION_BUCKETS_MS`] that a duration belongs to, the last for what is longer.
pub fn bucket_of(duration_us: u64) -> usize {
    DURATION_BUCKETS_MS.partition_point(|bound_ms| bound_ms * 1_000 < duration_us)
}

/// Upper bounds of the duration histogram, in milliseconds; one more bucket holds what is longer.
pub const DURATION_BUCKETS_MS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 15_000, 60_000, 300_000];

/// `orchestrator_performance_metrics`: what to add for an agent and minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricRow {
    /// The agent.
    pub agent_name: AgentName,
    /// The start of the minute.
    pub minute: Timestamp,
    /// Attempts that ended.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Sum of the durations (scheduled to ended), in microseconds.
    pub duration_us: u64,
    /// Sum of what they have used.
    pub usage: Usage,
    /// Attempts by duration, see [`DURATION_BUCKETS_MS`].
    pub buckets: [u64; 13],
}

impl MetricRow {
    /// Adds the calls of another row for the same agent and minute.
    pub fn add(&mut self, other: &MetricRow) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.duration_us += other.duration_us;
        self.usage += other.usage;
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
    }
}

/// `orchestrator_run_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsRow {
    /// The run.
    pub run_id: RunId,
    /// Journal offsets of the steps that hold its events, ascending.
    pub offsets: Vec<u64>,
}

/// `orchestrator_workflow_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowOffsetsRow {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// Journal offsets of the steps that hold the partition's events which name it, ascending.
    pub offsets: Vec<u64>,
}
