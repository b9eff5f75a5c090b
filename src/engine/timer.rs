//! Times that come: deadlines, and attempts that are due. Heaps in memory, derived from the state; what fires is checked
//! against the state again.

use crate::core::command::Command;
use crate::core::id::{NodeId, RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A time that concerns a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When it comes.
    pub at: Timestamp,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// What it means.
    pub what: What,
}

/// What a time means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// An attempt has to have ended.
    Attempt(NodeId, u32),
    /// A node has to have ended, over all its attempts.
    Node(NodeId),
    /// The run has to have ended.
    Workflow,
    /// An attempt is due.
    Retry(NodeId, u32),
}

impl Timer {
    /// What it asks of the run when it comes.
    pub fn command(&self) -> Command {
        match self.what.clone() {
            What::Attempt(node_id, attempt) => Command::ExpireAttempt { node_id, attempt },
            What::Node(node_id) => Command::ExpireNode { node_id },
            What::Workflow => Command::ExpireWorkflow,
            What::Retry(node_id, attempt) => Command::RetryNode { node_id, attempt },
        }
    }

    /// Whether it still means something.
    pub fn holds(&self, run: &Run) -> bool {
        let current = match &self.what {
            What::Attempt(node_id, _) => attempt(run, node_id),
            What::Node(node_id) => node(run, node_id),
            What::Workflow => workflow(run),
            What::Retry(node_id, _) => retry(run, node_id),
        };
        current.is_some_and(|current| current == *self)
    }
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
pub fn attempt(run: &Run, node_id: &NodeId) -> Option<Timer> {
    let node = run.nodes.get(node_id).filter(|node| node.status == NodeStatus::Running)?;
    let at = node.timeout_began()?.after(Duration::from_millis(node.timeout_ms));
    Some(timer(run, What::Attempt(node_id.clone(), node.attempt), at))
}

/// The deadline of a node over all its attempts, if it has one.
pub fn node(run: &Run, node_id: &NodeId) -> Option<Timer> {
    let node = run.nodes.get(node_id).filter(|node| node.status.awaits())?;
    Some(timer(run, What::Node(node_id.clone()), node.deadline?))
}

/// The deadline of a run, if it has one.
pub fn workflow(run: &Run) -> Option<Timer> {
    let timeout = run.settings.timeout_ms.filter(|_| !run.status.has_ended())?;
    Some(timer(run, What::Workflow, run.started_at.after(Duration::from_millis(timeout))))
}

/// When a node's next attempt is due, if one is awaited.
pub fn retry(run: &Run, node_id: &NodeId) -> Option<Timer> {
    let node = run.nodes.get(node_id).filter(|node| node.status == NodeStatus::AwaitingRetry)?;
    Some(timer(run, What::Retry(node_id.clone(), node.attempt + 1), node.due_at?))
}

/// Adds what a run waits for: deadlines, and the attempts that it awaits.
pub fn add_timers(run: &Run, deadlines: &mut Timers, retries: &mut Timers) {
    workflow(run).into_iter().for_each(|timer| deadlines.add(timer));
    for node_id in run.nodes.keys() {
        [attempt(run, node_id), node(run, node_id)].into_iter().flatten().for_each(|timer| deadlines.add(timer));
        retry(run, node_id).into_iter().for_each(|timer| retries.add(timer));
    }
}

fn timer(run: &Run, what: What, at: Timestamp) -> Timer {
    Timer { at, workflow_id: run.workflow_id.clone(), run_id: run.run_id.clone(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(number: i64) -> Timer {
        Timer {
            at: Timestamp(number),
            workflow_id: WorkflowId::new(&format!("w{number}")).unwrap(),
            run_id: RunId::new(&"0".repeat(32)).unwrap(),
            what: What::Attempt(NodeId::new("n").unwrap(), 1),
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
