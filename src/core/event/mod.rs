//! What happened. Events are the only thing that makes state; each is one record of the event stream.
//!
//! The fields of each event are those of its schema in `schemas/`, in the same order; `wire` holds the two together.

mod of_partition;
mod of_run;

pub use of_partition::{
    BreakerChanged, DeadLetterHandled, EffectFailed, InputForwarded, InputLost, InputRefused, InputRejected,
    PartitionEvent, Trying,
};
pub use of_run::{
    NodeCompleted, NodeFailed, NodeProgressed, NodeRecovered, NodeRetryScheduled, NodeScheduled, NodeStarted, PlanMade,
    RunSettings, StateTransitioned, WorkflowCompleted, WorkflowFailed, WorkflowStarted,
};

use super::id::{RunId, WorkflowId};
use super::time::Timestamp;

/// An event with its place: which run, the how-manieth event of it, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// Counts a run's events from 1, without gap or twin.
    pub sequence: u64,
    /// When it was decided; never before the run's event before it.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What happened to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made, and the large one comes once in a run"
)]
pub enum Event {
    /// A request was accepted. The first event of every run.
    WorkflowStarted(WorkflowStarted),
    /// It is known which nodes there are.
    PlanMade(PlanMade),
    /// A node's inputs are there; the attempt is handed to its agent.
    NodeScheduled(NodeScheduled),
    /// A worker works on the attempt.
    NodeStarted(NodeStarted),
    /// A worker still works on the attempt: its timeout begins anew.
    NodeProgressed(NodeProgressed),
    /// The attempt ended with an output.
    NodeCompleted(NodeCompleted),
    /// The attempt ended with a failure.
    NodeFailed(NodeFailed),
    /// A failed attempt is followed by another one, at a later time.
    NodeRetryScheduled(NodeRetryScheduled),
    /// Another output stands in for that of a node.
    NodeRecovered(NodeRecovered),
    /// The run's state changed.
    StateTransitioned(StateTransitioned),
    /// The run ended with an answer. The last event of a run that succeeds.
    WorkflowCompleted(WorkflowCompleted),
    /// The run ended with a failure. The last event of a run that fails.
    WorkflowFailed(WorkflowFailed),
}

impl Event {
    /// The event's name: its schema, its `ce_type` and its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WorkflowStarted(_) => "WorkflowStarted",
            Self::PlanMade(_) => "PlanMade",
            Self::NodeScheduled(_) => "NodeScheduled",
            Self::NodeStarted(_) => "NodeStarted",
            Self::NodeProgressed(_) => "NodeProgressed",
            Self::NodeCompleted(_) => "NodeCompleted",
            Self::NodeFailed(_) => "NodeFailed",
            Self::NodeRetryScheduled(_) => "NodeRetryScheduled",
            Self::NodeRecovered(_) => "NodeRecovered",
            Self::StateTransitioned(_) => "StateTransitioned",
            Self::WorkflowCompleted(_) => "WorkflowCompleted",
            Self::WorkflowFailed(_) => "WorkflowFailed",
        }
    }

    /// Whether the run never changes after this event.
    pub fn ends_the_run(&self) -> bool {
        matches!(self, Self::WorkflowCompleted(_) | Self::WorkflowFailed(_))
    }
}
