//! PURE. Which attempts this process has seen: those under way, the last results, and the newest attempt of a node.
//!
//! The same attempt may be dispatched again (after a crash of the engine, or because a partition changed hands). A
//! worker that has its result sends it again, and never runs it twice.

use crate::core::id::{DispatchId, NodeId, RunId};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// How many results are remembered: what an engine may dispatch again after a crash is what was under way, some
/// hundreds per partition.
pub const REMEMBERED_RESULTS: usize = 10_000;
/// How many bytes of results are remembered: large outputs are rare, and a worker shares its machine.
pub const REMEMBERED_BYTES: usize = 32 << 20;
/// Of how many nodes the newest attempt is remembered, where it is not the first.
pub const REMEMBERED_NODES: usize = 10_000;

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// See [`REMEMBERED_RESULTS`].
    pub results: usize,
    /// See [`REMEMBERED_BYTES`].
    pub bytes: usize,
    /// See [`REMEMBERED_NODES`].
    pub nodes: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { results: REMEMBERED_RESULTS, bytes: REMEMBERED_BYTES, nodes: REMEMBERED_NODES }
    }
}

/// What is to be done with a dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin<P> {
    /// It is new: run it.
    Run,
    /// It is under way: its end covers this record too.
    UnderWay,
    /// It has been run: this was its report.
    Remembered(Bytes, P),
    /// A newer attempt of the node has been seen.
    Superseded(u32, P),
}

/// What this process knows of attempts; `P` names the place of a record.
#[derive(Debug)]
pub struct Attempts<P> {
    limits: MemoryLimits,
    under_way: HashMap<DispatchId, Vec<P>>,
    results: HashMap<DispatchId, Bytes>,
    results_in_order: VecDeque<DispatchId>,
    bytes: usize,
    newest: HashMap<(RunId, NodeId), u32>,
    newest_in_order: VecDeque<(RunId, NodeId)>,
}

impl<P> Attempts<P> {
    /// Knows nothing yet.
    pub fn new(limits: MemoryLimits) -> Self {
        Self {
            limits,
            under_way: HashMap::new(),
            results: HashMap::new(),
            results_in_order: VecDeque::new(),
            bytes: 0,
            newest: HashMap::new(),
            newest_in_order: VecDeque::new(),
        }
    }

    /// A dispatch has come, in the record at `place`.
    pub fn begin(&mut self, id: &DispatchId, place: P) -> Begin<P> {
        if let Some(places) = self.under_way.get_mut(id) {
            places.push(place);
            return Begin::UnderWay;
        }
        if let Some(report) = self.results.get(id) {
            return Begin::Remembered(report.clone(), place);
        }
        if let Some(newest) = self.see(id) {
            return Begin::Superseded(newest, place);
        }
        self.under_way.insert(id.clone(), vec![place]);
        Begin::Run
    }

    /// An attempt has ended with this report; hands out the places of all records that asked for it.
    pub fn end(&mut self, id: &DispatchId, report: &Bytes) -> Vec<P> {
        let places = self.under_way.remove(id).unwrap_or_default();
        if report.len() <= self.limits.bytes && self.limits.results > 0 {
            if let Some(old) = self.results.insert(id.clone(), report.clone()) {
                self.bytes -= old.len();
            } else {
                self.results_in_order.push_back(id.clone());
            }
            self.bytes += report.len();
            while self.bytes > self.limits.bytes || self.results.len() > self.limits.results {
                let Some(oldest) = self.results_in_order.pop_front() else { break };
                self.bytes -= self.results.remove(&oldest).map_or(0, |report| report.len());
            }
        }
        places
    }

    /// How many attempts are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Notes an attempt; hands out the newest one of its node where that is another. First attempts need no memory:
    /// nothing is below them.
    fn see(&mut self, id: &DispatchId) -> Option<u32> {
        if id.attempt == 1 && self.newest.is_empty() {
            return None;
        }
        let node = (id.run_id.clone(), id.node_id.clone());
        if let Some(newest) = self.newest.get_mut(&node) {
            if *newest > id.attempt {
                return Some(*newest);
            }
            *newest = id.attempt;
        } else if id.attempt > 1 {
            self.newest.insert(node.clone(), id.attempt);
            self.newest_in_order.push_back(node);
            if self.newest.len() > self.limits.nodes
                && let Some(oldest) = self.newest_in_order.pop_front()
            {
                self.newest.remove(&oldest);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(node: &str, attempt: u32) -> DispatchId {
        format!("0123456789abcdef0123456789abcdef/{node}/{attempt}").parse().unwrap()
    }

    #[test]
    fn a_dispatch_is_run_once_and_its_end_covers_its_repetitions() {
        let mut attempts = Attempts::new(MemoryLimits::default());
        assert_eq!(attempts.begin(&id("a", 1), 7), Begin::Run);
        assert_eq!(attempts.begin(&id("a", 1), 9), Begin::UnderWay);
        let report = Bytes::from_static(b"report");
        assert_eq!(attempts.end(&id("a", 1), &report), [7, 9]);
        assert_eq!(attempts.begin(&id("a", 1), 12), Begin::Remembered(report, 12));
        assert_eq!(attempts.under_way(), 0);
    }

    #[test]
    fn an_older_attempt_is_superseded_by_a_newer_one() {
        let mut attempts = Attempts::new(MemoryLimits::default());
        assert_eq!(attempts.begin(&id("a", 3), 1), Begin::Run);
        assert_eq!(attempts.begin(&id("a", 2), 2), Begin::Superseded(3, 2));
        assert_eq!(attempts.begin(&id("a", 1), 3), Begin::Superseded(3, 3));
        assert_eq!(attempts.begin(&id("b", 1), 4), Begin::Run);
        assert_eq!(attempts.begin(&id("a", 4), 5), Begin::Run);
    }

    #[test]
    fn memory_is_bounded_by_count_bytes_and_nodes() {
        let limits = MemoryLimits { results: 2, bytes: 100, nodes: 1 };
        let mut attempts = Attempts::new(limits);
        for (node, size) in [("a", 10), ("b", 10), ("c", 10), ("d", 95), ("e", 101)] {
            assert_eq!(attempts.begin(&id(node, 1), 0), Begin::Run, "{node}");
            attempts.end(&id(node, 1), &Bytes::from(vec![b'x'; size]));
        }
        // Of a, b, c two fit by count; d pushed both out by size; e is larger than all that may be kept.
        for (node, remembered) in [("d", true), ("a", false), ("b", false), ("c", false), ("e", false)] {
            let begin = attempts.begin(&id(node, 1), 0);
            assert_eq!(matches!(begin, Begin::Remembered(..)), remembered, "{node}: {begin:?}");
        }
        attempts.begin(&id("x", 2), 0);
        attempts.begin(&id("y", 2), 0);
        assert_eq!(attempts.begin(&id("x", 1), 0), Begin::Run);
        assert_eq!(attempts.begin(&id("y", 1), 0), Begin::Superseded(2, 0));
    }
}
