//! The agents of a runner for the engine of the same process: attempts come in memory, and so do their reports go.

use super::worker::{Job, Place, Shared, Worker};
use super::{attempt, lock};
use crate::core::id::{AgentName, DispatchId, WorkflowId};
use crate::local::{LocalAgents, LocalReport};
use crate::wire::task::Task;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How soon the engine looks for the report of an attempt that goes on: what waits for its agent longer than that can wait
/// so long for its engine, and a thousand looks a second are a hundredth of a core.
const LOOK_WITHIN: Duration = Duration::from_millis(1);

/// What a runner and the engine of its process share.
#[derive(Default)]
pub struct LocalDesk {
    /// The agents that run; none before the runner has begun and after it has ended.
    workers: Mutex<BTreeMap<AgentName, Arc<Worker>>>,
    /// The way to the log, while the runner runs.
    shared: Mutex<Option<Arc<Shared>>>,
    listens: AtomicBool,
    reports: Mutex<Vec<LocalReport>>,
    under_way: AtomicUsize,
}

impl LocalDesk {
    /// Attempts are taken from now on.
    pub(super) fn open(&self, shared: &Arc<Shared>, workers: &[Arc<Worker>]) {
        *lock(&self.shared) = Some(shared.clone());
        *lock(&self.workers) = workers.iter().map(|worker| (worker.name.clone(), worker.clone())).collect();
    }

    /// The runner has ended.
    pub(super) fn end(&self) {
        lock(&self.workers).clear();
        *lock(&self.shared) = None;
    }

    /// Hands a report to the engine, or back where no engine listens.
    pub(super) fn deliver(&self, report: LocalReport) -> Option<LocalReport> {
        let mut reports = lock(&self.reports);
        // Looked at under the lock: who stops listening takes what came before.
        if !self.listens.load(Ordering::Acquire) {
            return Some(report);
        }
        reports.push(report);
        None
    }
}

impl LocalAgents for LocalDesk {
    fn listen(&self, listens: bool) {
        let left = {
            let mut reports = lock(&self.reports);
            self.listens.store(listens, Ordering::Release);
            std::mem::take(&mut *reports)
        };
        left.into_iter().for_each(|report| self.give_back(report));
    }

    fn begin(&self, task: Task, traceparent: Option<Bytes>) -> Option<Task> {
        let worker = lock(&self.workers).get(&task.agent_name).cloned();
        let Some(worker) = worker.filter(|worker| worker.desk.take_place()) else { return Some(task) };
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let place = LocalPlace {
            desk: worker.shared.local.clone(),
            dispatch_id: task.dispatch_id.clone(),
            workflow_id: task.workflow_id.clone(),
            partition: task.reply_partition,
            is_reported: AtomicBool::new(false),
        };
        let partition = task.reply_partition;
        attempt::start_local(&worker, Job { task, traceparent, partition, place: Place::Local(Arc::new(place)) });
        None
    }

    fn take_reports(&self, reports: &mut Vec<LocalReport>) {
        reports.append(&mut lock(&self.reports));
    }

    fn give_back(&self, report: LocalReport) {
        let shared = lock(&self.shared).clone();
        if let Some(shared) = shared {
            shared.send_to_log(report);
        }
    }

    fn look_within(&self) -> Option<Duration> {
        (self.under_way.load(Ordering::Acquire) > 0).then_some(LOOK_WITHIN)
    }
}

/// An attempt that was taken over from the engine. Where it goes without having been reported, the engine is told.
pub(super) struct LocalPlace {
    pub desk: Arc<LocalDesk>,
    dispatch_id: DispatchId,
    workflow_id: WorkflowId,
    partition: u32,
    is_reported: AtomicBool,
}

impl LocalPlace {
    /// Its end is on its way to the engine, or to the log.
    pub fn reported(&self) {
        self.is_reported.store(true, Ordering::Release);
    }
}

impl Drop for LocalPlace {
    fn drop(&mut self) {
        self.desk.under_way.fetch_sub(1, Ordering::AcqRel);
        if !self.is_reported.load(Ordering::Acquire) {
            let (dispatch_id, workflow_id) = (self.dispatch_id.clone(), self.workflow_id.clone());
            let partition = self.partition;
            let lost = LocalReport { dispatch_id, workflow_id, partition, value: None, traceparent: None };
            // Where no engine listens, whoever takes the partition performs the dispatch again.
            let _ = self.desk.deliver(lost);
        }
    }
}
