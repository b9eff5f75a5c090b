//! Times that come: deadlines of attempts, and attempts that are due. Heaps in memory, derived from the state; what fires
//! is checked against the state again.

use crate::core::id::{NodeId, RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A time that concerns one attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When it comes.
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

/// Fewer timers than this are not worth being looked through.
const FEW: usize = 4_096;

/// All timers of a kind of a partition, the earliest first; among them some of attempts that have ended since.
#[derive(Clone, Debug)]
pub struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    /// With so many it is time to drop those of attempts that have ended.
    limit: usize,
}

impl Default for Timers {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), limit: FEW }
    }
}

impl Timers {
    /// Drops those of attempts that have ended, once they may be half of all: most attempts end long before their
    /// deadline, and with long timeouts the heap would hold hours of them.
    pub fn prune(&mut self, is_open: impl Fn(&Timer) -> bool) {
        if self.heap.len() >= self.limit {
            self.heap.retain(|Reverse(timer)| is_open(timer));
            self.limit = (self.heap.len() * 2).max(FEW);
        }
    }

    /// Adds one.
    pub fn add(&mut self, timer: Timer) {
        self.heap.push(Reverse(timer));
    }

    /// Drops those of attempts that have ended from the front, as far as they have passed.
    pub fn drop_ended(&mut self, until: Timestamp, is_open: impl Fn(&Timer) -> bool) {
        while self.heap.peek().is_some_and(|Reverse(first)| first.at <= until && !is_open(first)) {
            self.heap.pop();
        }
    }

    /// When the earliest passes.
    pub fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse(deadline)| deadline.at)
    }

    /// Takes the earliest, if it passes at or before `until`.
    pub fn pop(&mut self, until: Timestamp) -> Option<Timer> {
        if self.next()? > until {
            return None;
        }
        self.heap.pop().map(|Reverse(deadline)| deadline)
    }
}

/// The deadline of a node's attempt, if it runs.
pub fn deadline(run: &Run, node_id: &NodeId) -> Option<Timer> {
    let node = run.nodes.get(node_id).filter(|node| node.status == NodeStatus::Running)?;
    let at = node.started_at?.after(Duration::from_millis(node.timeout_ms));
    Some(timer(run, node_id, node.attempt, at))
}

/// When a node's next attempt is due, if one is awaited.
pub fn retry(run: &Run, node_id: &NodeId) -> Option<Timer> {
    let node = run.nodes.get(node_id).filter(|node| node.status == NodeStatus::AwaitingRetry)?;
    Some(timer(run, node_id, node.attempt + 1, node.due_at?))
}

/// Adds what a run waits for: the deadlines of its running attempts, and the attempts that it awaits.
pub fn add_timers(run: &Run, deadlines: &mut Timers, retries: &mut Timers) {
    for node_id in run.nodes.keys() {
        deadline(run, node_id).into_iter().for_each(|timer| deadlines.add(timer));
        retry(run, node_id).into_iter().for_each(|timer| retries.add(timer));
    }
}

fn timer(run: &Run, node_id: &NodeId, attempt: u32, at: Timestamp) -> Timer {
    let (workflow_id, run_id) = (run.workflow_id.clone(), run.run_id.clone());
    Timer { at, workflow_id, run_id, node_id: node_id.clone(), attempt }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(number: i64) -> Timer {
        Timer {
            at: Timestamp(number),
            workflow_id: WorkflowId::new(&format!("w{number}")).unwrap(),
            run_id: RunId::new(&"0".repeat(32)).unwrap(),
            node_id: NodeId::new("n").unwrap(),
            attempt: 1,
        }
    }

    #[test]
    fn deadlines_of_ended_attempts_do_not_pile_up_and_none_of_an_open_one_is_lost() {
        let mut deadlines = Timers::default();
        // One attempt in a thousand is still under way.
        let is_open = |deadline: &Timer| deadline.at.0 % 1_000 == 0;
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
