//! What engines hand over in memory, written down as it happens: no topic tells of it.

use crate::core::id::DispatchId;
use crate::local::{LocalAgents, LocalReport};
use crate::log::Topic;
use crate::log::memory::{MemoryLog, MemoryProcess};
use crate::wire::task::{self, Task};
use crate::worker::LocalDesk;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An attempt that an agent of the engine's process has taken.
#[derive(Clone, Debug)]
pub struct HandOver {
    /// The partition of its run.
    pub partition: u32,
    /// The attempt.
    pub dispatch_id: DispatchId,
    /// What would stand in its topic.
    pub value: Bytes,
    /// Where the partition's journal ended then.
    pub journal_end: u64,
}

/// All that was handed over and has not been read. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct HandOvers(Arc<Mutex<Vec<HandOver>>>);

impl HandOvers {
    /// Takes what was handed over since.
    pub fn take(&self) -> Vec<HandOver> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, hand_over: HandOver) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(hand_over);
    }
}

/// The desk of a process, as the judge sees it used. The process may die between two hand-overs, too.
pub struct Watched {
    /// The production desk.
    pub desk: Arc<LocalDesk>,
    /// Where it is written down.
    pub hand_overs: HandOvers,
    /// The log, as the judge sees it.
    pub log: MemoryLog,
    /// The process.
    pub process: MemoryProcess,
}

impl LocalAgents for Watched {
    fn listen(&self, listens: bool) {
        self.desk.listen(listens);
    }

    fn begin(&self, task: Task, traceparent: Option<Bytes>) -> Option<Task> {
        // One that stands still from here on goes on with this.
        self.process.operate();
        if self.process.is_dead() {
            return None;
        }
        let hand_over = HandOver {
            partition: task.reply_partition,
            dispatch_id: task.dispatch_id.clone(),
            value: task::encode(&task),
            journal_end: self.log.records(&Topic::Journal, task.reply_partition).len() as u64,
        };
        let left = self.desk.begin(task, traceparent);
        if left.is_none() {
            self.hand_overs.add(hand_over);
        }
        left
    }

    /// Where a runner ends, chance decides in which order it drops its attempts: here the order is always the same.
    fn take_reports(&self, reports: &mut Vec<LocalReport>) {
        let first = reports.len();
        self.desk.take_reports(reports);
        let of_dropped = |report: &LocalReport| report.value.is_none().then(|| report.dispatch_id.clone());
        reports[first..].sort_by_key(of_dropped);
    }

    fn give_back(&self, report: LocalReport) {
        self.desk.give_back(report);
    }

    fn look_within(&self) -> Option<Duration> {
        self.desk.look_within()
    }
}
