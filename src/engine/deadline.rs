//! Deadlines of attempts: a heap in memory, derived from the state; what fires is checked against the state again.

use crate::core::id::{NodeId, RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The deadline of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When it passes.
    pub at: Timestamp,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// The node.
    pub node_id: NodeId,
    /// The attempt.
    pub attempt: u32,
}

/// All deadlines of a partition, the earliest first.
#[derive(Clone, Debug, Default)]
pub struct Deadlines(BinaryHeap<Reverse<Deadline>>);

impl Deadlines {
    /// Adds the deadlines of a run's running attempts.
    pub fn add_run(&mut self, run: &Run) {
        for node_id in run.nodes.iter().filter(|(_, node)| node.status == NodeStatus::Running).map(|(id, _)| id) {
            self.add_node(run, node_id);
        }
    }

    /// Adds the deadline of a node's attempt, if it runs.
    pub fn add_node(&mut self, run: &Run, node_id: &NodeId) {
        let Some(node) = run.nodes.get(node_id) else { return };
        if let (NodeStatus::Running, Some(started_at)) = (node.status, node.started_at) {
            self.0.push(Reverse(Deadline {
                at: started_at.after(Duration::from_millis(node.timeout_ms)),
                workflow_id: run.workflow_id.clone(),
                run_id: run.run_id.clone(),
                node_id: node_id.clone(),
                attempt: node.attempt,
            }));
        }
    }

    /// When the earliest passes.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.peek().map(|Reverse(deadline)| deadline.at)
    }

    /// Takes the earliest, if it passes at or before `until`.
    pub fn pop(&mut self, until: Timestamp) -> Option<Deadline> {
        if self.next()? > until {
            return None;
        }
        self.0.pop().map(|Reverse(deadline)| deadline)
    }
}
