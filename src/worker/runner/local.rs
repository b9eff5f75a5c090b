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

/// Who runs what the engine of the process hands over: a runner, while it runs.
pub(crate) trait Hands: Send + Sync {
    /// Takes a place for an attempt of this agent; `false`: there is none, or no such agent.
    fn take_place(&self, agent: &AgentName) -> bool;

    /// Begins an attempt for which a place was taken. Work that ends at once may have been reported when this returns.
    fn start(&self, task: Task, traceparent: Option<Bytes>, place: Arc<LocalPlace>);

    /// Sends a report to the log.
    fn send_to_log(&self, report: LocalReport);
}

/// What a runner and the engine of its process share.
#[derive(Default)]
pub struct LocalDesk {
    /// Who runs attempts; nobody before the runner has begun and after it has ended.
    hands: Mutex<Option<Arc<dyn Hands>>>,
    inbox: Arc<Inbox>,
}

/// What the engine is told of attempts that it has handed over.
#[derive(Default)]
pub(crate) struct Inbox {
    listens: AtomicBool,
    reports: Mutex<Vec<LocalReport>>,
    under_way: AtomicUsize,
}

impl Inbox {
    /// Hands a report to the engine, or back where no engine listens.
    pub fn deliver(&self, report: LocalReport) -> Option<LocalReport> {
        let mut reports = lock(&self.reports);
        // Looked at under the lock: who stops listening takes what came before.
        if !self.listens.load(Ordering::Acquire) {
            return Some(report);
        }
        reports.push(report);
        None
    }
}

impl LocalDesk {
    /// Attempts are taken from now on.
    pub(crate) fn open(&self, hands: Arc<dyn Hands>) {
        *lock(&self.hands) = Some(hands);
    }

    /// The runner has ended.
    pub(crate) fn end(&self) {
        *lock(&self.hands) = None;
    }

    fn hands(&self) -> Option<Arc<dyn Hands>> {
        lock(&self.hands).clone()
    }
}

impl LocalAgents for LocalDesk {
    fn listen(&self, listens: bool) {
        let left = {
            let mut reports = lock(&self.inbox.reports);
            self.inbox.listens.store(listens, Ordering::Release);
            std::mem::take(&mut *reports)
        };
        left.into_iter().for_each(|report| self.give_back(report));
    }

    fn begin(&self, task: Task, traceparent: Option<Bytes>) -> Option<Task> {
        let Some(hands) = self.hands().filter(|hands| hands.take_place(&task.agent_name)) else { return Some(task) };
        let place = LocalPlace::new(&self.inbox, &task);
        hands.start(task, traceparent, Arc::new(place));
        None
    }

    fn take_reports(&self, reports: &mut Vec<LocalReport>) {
        reports.append(&mut lock(&self.inbox.reports));
    }

    fn give_back(&self, report: LocalReport) {
        // Of an attempt that was dropped there is nothing to say: whoever takes the partition performs its dispatch again.
        if let Some(hands) = self.hands().filter(|_| report.value.is_some()) {
            hands.send_to_log(report);
        }
    }

    fn look_within(&self) -> Option<Duration> {
        (self.inbox.under_way.load(Ordering::Acquire) > 0).then_some(LOOK_WITHIN)
    }
}

/// How the engine finds the runner's agents.
pub(super) struct RunnerHands {
    shared: Arc<Shared>,
    workers: BTreeMap<AgentName, Arc<Worker>>,
}

impl RunnerHands {
    pub fn new(shared: &Arc<Shared>, workers: &[Arc<Worker>]) -> Self {
        let workers = workers.iter().map(|worker| (worker.name.clone(), worker.clone())).collect();
        Self { shared: shared.clone(), workers }
    }
}

impl Hands for RunnerHands {
    fn take_place(&self, agent: &AgentName) -> bool {
        self.workers.get(agent).is_some_and(|worker| worker.desk.take_place())
    }

    fn start(&self, task: Task, traceparent: Option<Bytes>, place: Arc<LocalPlace>) {
        // One for which nobody took a place is dropped, which the engine is told.
        if let Some(worker) = self.workers.get(&task.agent_name) {
            let partition = task.reply_partition;
            attempt::start_local(worker, Job { task, traceparent, partition, place: Place::Local(place) });
        }
    }

    fn send_to_log(&self, report: LocalReport) {
        self.shared.send_to_log(report);
    }
}

/// An attempt that was taken over from the engine. Where it goes without having been reported, the engine is told.
pub(crate) struct LocalPlace {
    inbox: Arc<Inbox>,
    dispatch_id: DispatchId,
    workflow_id: WorkflowId,
    partition: u32,
    is_reported: AtomicBool,
}

impl LocalPlace {
    fn new(inbox: &Arc<Inbox>, task: &Task) -> Self {
        inbox.under_way.fetch_add(1, Ordering::AcqRel);
        Self {
            inbox: inbox.clone(),
            dispatch_id: task.dispatch_id.clone(),
            workflow_id: task.workflow_id.clone(),
            partition: task.reply_partition,
            is_reported: AtomicBool::new(false),
        }
    }

    /// Where the engine that asked for it takes reports.
    pub fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Its end is on its way to the engine, or to the log.
    fn reported(&self) {
        self.is_reported.store(true, Ordering::Release);
    }
}

/// Reports the end of an attempt to the engine where that alone has asked for it, by all of these (none: a record has);
/// hands it back where it has to go to the log.
pub(crate) fn report_end<'a>(
    report: LocalReport,
    asked: impl Iterator<Item = Option<&'a LocalPlace>>,
) -> Option<LocalReport> {
    let (mut inbox, mut is_local) = (None, true);
    for place in asked {
        match place {
            Some(place) => {
                place.reported();
                inbox = Some(place.inbox());
            }
            None => is_local = false,
        }
    }
    match inbox {
        Some(inbox) if is_local => inbox.deliver(report),
        _ => Some(report),
    }
}

impl Drop for LocalPlace {
    fn drop(&mut self) {
        self.inbox.under_way.fetch_sub(1, Ordering::AcqRel);
        if !self.is_reported.load(Ordering::Acquire) {
            let (dispatch_id, workflow_id) = (self.dispatch_id.clone(), self.workflow_id.clone());
            let partition = self.partition;
            let lost = LocalReport { dispatch_id, workflow_id, partition, value: None, traceparent: None };
            // Where no engine listens, whoever takes the partition performs the dispatch again.
            let _ = self.inbox.deliver(lost);
        }
    }
}
