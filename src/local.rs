//! Attempts in memory, between an engine and the agents of its own process.
//!
//! Where a process has both, an attempt need not go through the topics: the engine hands it over once the step that
//! schedules it counts, and takes what is reported of it as an input. That it was handed over is not written anywhere:
//! until its end is recorded, or that it has begun ([`NodeStarted`](crate::core::event::NodeStarted) says that it is
//! local), its dispatch is an effect that has not been performed, and whoever takes the partition next performs it
//! again. So the guarantees are those of the topics: at least one execution of an attempt, one result that counts.

use crate::core::id::{DispatchId, WorkflowId};
use crate::wire::task::Task;
use bytes::Bytes;
use std::time::Duration;

/// The agents of this process, as its engine sees them. Called from the engine's thread; none of it waits.
pub trait LocalAgents: Send + Sync {
    /// From now on an engine takes reports, or none does: then they go to the log.
    fn listen(&self, listens: bool);

    /// Takes an attempt over, or hands it back where nobody here has the agent or a place for it. Work that ends at once
    /// may have been reported when this returns.
    fn begin(&self, task: Task, traceparent: Option<Bytes>) -> Option<Task>;

    /// Moves what was reported since, in the order in which it was reported.
    fn take_reports(&self, reports: &mut Vec<LocalReport>);

    /// Sends a report to the log instead: the engine does not own its partition.
    fn give_back(&self, report: LocalReport);

    /// How soon the engine is to look for reports; none: nothing is under way.
    fn look_within(&self) -> Option<Duration>;
}

/// What is reported of an attempt: the record that would stand in `results`.
#[derive(Clone, Debug)]
pub struct LocalReport {
    /// The attempt.
    pub dispatch_id: DispatchId,
    /// The partition of its run.
    pub partition: u32,
    /// Its workflow.
    pub workflow_id: WorkflowId,
    /// The report; none: there will be none, the attempt was dropped.
    pub value: Option<Bytes>,
    /// The W3C trace context of the run.
    pub traceparent: Option<Bytes>,
}

/// A process whose engine hands everything to the topics.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLocalAgents;

impl LocalAgents for NoLocalAgents {
    fn listen(&self, _: bool) {}

    fn begin(&self, task: Task, _: Option<Bytes>) -> Option<Task> {
        Some(task)
    }

    fn take_reports(&self, _: &mut Vec<LocalReport>) {}

    fn give_back(&self, _: LocalReport) {}

    fn look_within(&self) -> Option<Duration> {
        None
    }
}
