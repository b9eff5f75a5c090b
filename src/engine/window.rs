//! The window in which a request is recognised as a duplicate of one whose run has ended.

use crate::core::command::Origin;
use crate::core::id::{RunId, WorkflowId};
use crate::core::status::Status;
use crate::core::time::Timestamp;
use crate::store::EndedRun;
use crate::wire::first_16;
use crate::wire::request::write_origin;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Ended runs by a 16-byte hash of their workflow id, bounded by time and by number.
#[derive(Clone, Debug)]
pub struct DuplicateWindow {
    entries: HashMap<[u8; 16], Ended>,
    order: VecDeque<(Timestamp, [u8; 16])>,
    length: Duration,
    limit: usize,
}

/// What is remembered of a run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The run.
    pub run_id: RunId,
    /// Tells requests with another payload apart, 32 hexadecimal digits.
    pub payload_hash: String,
    /// 16 bytes of SHA-256 over where its request stood first.
    pub origin: [u8; 16],
    /// How it ended.
    pub status: Status,
    /// When it ended.
    pub ended_at: Timestamp,
}

impl Ended {
    /// Whether its request stood there first.
    pub fn began_at(&self, origin: &Origin) -> bool {
        self.origin == hash(&write_origin(origin))
    }
}

impl DuplicateWindow {
    /// An empty window.
    pub fn new(length: Duration, limit: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), length, limit }
    }

    /// Remembers a run that has ended.
    pub fn insert(&mut self, ended: EndedRun) {
        let key = key(&ended.workflow_id);
        self.order.push_back((ended.ended_at, key));
        let origin = hash(&write_origin(&ended.origin));
        let EndedRun { run_id, payload_hash, status, ended_at, .. } = ended;
        self.entries.insert(key, Ended { run_id, payload_hash, origin, status, ended_at });
        while self.order.len() > self.limit {
            self.forget_oldest();
        }
    }

    /// The last run of a workflow that ended inside the window.
    pub fn find(&mut self, workflow_id: &WorkflowId, now: Timestamp) -> Option<&Ended> {
        while self.order.front().is_some_and(|(ended_at, _)| now.since(*ended_at) > self.length) {
            self.forget_oldest();
        }
        self.entries.get(&key(workflow_id))
    }

    /// How many runs are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn forget_oldest(&mut self) {
        if let Some((ended_at, key)) = self.order.pop_front() {
            // The workflow may have had another run since.
            if self.entries.get(&key).is_some_and(|entry| entry.ended_at <= ended_at) {
                self.entries.remove(&key);
            }
        }
    }
}

fn key(workflow_id: &WorkflowId) -> [u8; 16] {
    hash(workflow_id.as_str())
}

fn hash(text: &str) -> [u8; 16] {
    first_16(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(id: &str, run: u8, at: i64) -> EndedRun {
        EndedRun {
            workflow_id: WorkflowId::new(id).unwrap(),
            run_id: RunId::new(&format!("{run:032x}")).unwrap(),
            payload_hash: "00".repeat(16),
            origin: Origin { topic: "requests".to_owned(), partition: 0, offset: run.into(), time: Timestamp(at) },
            status: Status::Completed,
            ended_at: Timestamp::from_millis(at),
        }
    }

    #[test]
    fn runs_are_forgotten_by_age_and_by_number() {
        let mut window = DuplicateWindow::new(Duration::from_millis(100), 2);
        let id = |text| WorkflowId::new(text).unwrap();
        for (i, text) in ["a", "b", "c"].into_iter().enumerate() {
            window.insert(ended(text, i as u8, i as i64));
        }
        assert!(window.find(&id("a"), Timestamp::from_millis(3)).is_none());
        assert!(window.find(&id("c"), Timestamp::from_millis(102)).is_some());
        assert!(window.find(&id("c"), Timestamp::from_millis(103)).is_none());
        assert!(window.is_empty());
    }

    #[test]
    fn a_newer_run_of_the_same_workflow_outlives_the_older_entry() {
        let mut window = DuplicateWindow::new(Duration::from_millis(100), 10);
        window.insert(ended("a", 1, 0));
        window.insert(ended("a", 2, 50));
        let found = window.find(&WorkflowId::new("a").unwrap(), Timestamp::from_millis(120)).unwrap();
        assert_eq!(found.run_id.as_str(), format!("{:032x}", 2));
    }
}
