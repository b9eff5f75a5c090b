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

/// Fewer deadlines than this are not worth being looked through.
const FEW: usize = 4_096;

/// All deadlines of a partition, the earliest first; among them some of attempts that have ended since.
#[derive(Clone, Debug)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<Deadline>>,
    /// With so many it is time to drop those of attempts that have ended.
    limit: usize,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), limit: FEW }
    }
}

impl Deadlines {
    /// Drops the deadlines of attempts that have ended, once they may be half of all: most attempts end long before
    /// their deadline, and with long timeouts the heap would hold hours of them.
    pub fn prune(&mut self, is_open: impl Fn(&Deadline) -> bool) {
        if self.heap.len() >= self.limit {
            self.heap.retain(|Reverse(deadline)| is_open(deadline));
            self.limit = (self.heap.len() * 2).max(FEW);
        }
    }

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
            self.heap.push(Reverse(Deadline {
                at: started_at.after(Duration::from_millis(node.timeout_ms)),
                workflow_id: run.workflow_id.clone(),
                run_id: run.run_id.clone(),
                node_id: node_id.clone(),
                attempt: node.attempt,
            }));
        }
    }

    /// Drops those of attempts that have ended from the front, as far as they have passed.
    pub fn drop_ended(&mut self, until: Timestamp, is_open: impl Fn(&Deadline) -> bool) {
        while self.heap.peek().is_some_and(|Reverse(first)| first.at <= until && !is_open(first)) {
            self.heap.pop();
        }
    }

    /// When the earliest passes.
    pub fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse(deadline)| deadline.at)
    }

    /// Takes the earliest, if it passes at or before `until`.
    pub fn pop(&mut self, until: Timestamp) -> Option<Deadline> {
        if self.next()? > until {
            return None;
        }
        self.heap.pop().map(|Reverse(deadline)| deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(number: i64) -> Deadline {
        Deadline {
            at: Timestamp(number),
            workflow_id: WorkflowId::new(&format!("w{number}")).unwrap(),
            run_id: RunId::new(&"0".repeat(32)).unwrap(),
            node_id: NodeId::new("n").unwrap(),
            attempt: 1,
        }
    }

    #[test]
    fn deadlines_of_ended_attempts_do_not_pile_up_and_none_of_an_open_one_is_lost() {
        let mut deadlines = Deadlines::default();
        // One attempt in a thousand is still under way.
        let is_open = |deadline: &Deadline| deadline.at.0 % 1_000 == 0;
        for number in 1..=100_000 {
            deadlines.heap.push(Reverse(deadline(number)));
            deadlines.prune(is_open);
            assert!(deadlines.heap.len() <= FEW, "{} deadlines", deadlines.heap.len());
        }
        let open: Vec<i64> = std::iter::from_fn(|| deadlines.pop(Timestamp(100_000)))
            .filter(is_open)
            .map(|deadline| deadline.at.0)
            .collect();
        assert_eq!(open, (1..=100).map(|n| n * 1_000).collect::<Vec<_>>());
    }
}
