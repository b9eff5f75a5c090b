//! The thread of one agent: a member of the group that shares the partitions of its `ready` topic.

use super::super::progress::{Progress, Verdict};
use super::worker::{Job, Place, Worker};
use super::{attempt, lock};
use crate::core::time::millis;
use crate::log::{Committed, Group, GroupEvent, LogError, Membership, Record, Topic, plan};
use crate::wire::headers::TRACEPARENT;
use crate::wire::{WireError, task};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a poll waits where nothing is under way: how soon `stop` is seen.
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// How long it waits where reports are under way: how soon their acknowledgements count.
const BUSY_WAIT: Duration = Duration::from_millis(20);
/// How long it waits where partitions are held back or the runner stops: how soon they go on, or it ends.
const HELD_WAIT: Duration = Duration::from_millis(10);
/// Within a batch of records: how long a finished report may wait for an appender that moves when it is polled.
const PUMP_INTERVAL: Duration = Duration::from_millis(1);
/// First and longest pause before the group is joined again where the log is away.
const JOIN_PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What a member waits for that has joined its group.
const UNSETTLED: &str = "the group has not said yet which partitions are this worker's";

/// Works until `stop` is set and what is under way is done.
pub(super) fn run(worker: Arc<Worker>, stop: &AtomicBool) {
    let mut pause = JOIN_PAUSES.0;
    let mut deadline = None;
    while !stop.load(Ordering::Relaxed) {
        let ended = join(&worker).and_then(|(group, results)| {
            pause = JOIN_PAUSES.0;
            Member::new(worker.clone(), group, results).serve(stop, &mut deadline)
        });
        if let Err(fault) = ended {
            tracing::warn!(agent = %worker.name, pause_ms = millis(pause), "no tasks are taken, and it is tried again: {fault}");
            worker.shared.standing.waits(&worker.name, fault.to_string());
            wait(&worker, pause, stop);
            pause = (pause * 2).min(JOIN_PAUSES.1);
        }
    }
    // Also where the log was lost before `stop` came: what runs is finished and reported.
    worker.desk.close();
    let deadline = deadline.unwrap_or_else(|| Instant::now() + worker.shared.settings.stop_timeout);
    while !finished(&worker) && Instant::now() < deadline {
        std::thread::sleep(HELD_WAIT);
        worker.shared.outbox.pump();
    }
    if !finished(&worker) {
        let (unconfirmed, _) = worker.shared.outbox.load();
        tracing::warn!(agent = %worker.name, running = worker.desk.running(), unconfirmed,
            "stopped at the time limit; what was under way will be run again");
    }
}

fn finished(worker: &Worker) -> bool {
    worker.desk.running() == 0 && worker.shared.outbox.load().0 == 0
}

/// Waits, while reports go on.
fn wait(worker: &Worker, pause: Duration, stop: &AtomicBool) {
    let end = Instant::now() + pause;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(BUSY_WAIT.min(pause));
        worker.shared.outbox.pump();
    }
}

/// Joins the group of the agent, whose topics are created where they are not there. Also how many partitions `results`
/// has; none: it is not there yet.
fn join(worker: &Worker) -> Result<(Box<dyn Group>, Option<u32>), LogError> {
    let (log, settings) = (&worker.shared.log, &worker.shared.settings);
    let topic = Topic::Ready(worker.name.clone());
    if log.partitions(&topic)?.is_none() {
        log.create_topics(&plan::agent_topics(&worker.name, settings.ready_partitions, log.brokers()?))?;
    }
    let results = log.partitions(&Topic::Results)?;
    Ok((log.group(&settings.group(&worker.name), &[topic], Membership::Fetch)?, results))
}

/// A partition that is ours.
struct Given {
    progress: Arc<Mutex<Progress>>,
    committed: Option<Committed>,
}

/// Why a record is not run.
enum NoJob {
    /// It never will be, by any worker of this agent.
    Rubbish(String),
    /// A newer worker will understand it: it is not done.
    Newer(String),
}

impl From<WireError> for NoJob {
    fn from(fault: WireError) -> Self {
        match fault {
            WireError::Malformed { .. } => Self::Rubbish(fault.to_string()),
            WireError::Newer { .. } => Self::Newer(fault.to_string()),
        }
    }
}

struct Member {
    worker: Arc<Worker>,
    topic: Topic,
    group: Box<dyn Group>,
    /// How many partitions `results` has, if that is known.
    results: Option<u32>,
    partitions: BTreeMap<u32, Given>,
    held: bool,
    /// Whether it was said that tasks are taken.
    settled: bool,
    commit_at: Instant,
}

impl Member {
    fn new(worker: Arc<Worker>, group: Box<dyn Group>, results: Option<u32>) -> Self {
        let topic = Topic::Ready(worker.name.clone());
        worker.shared.standing.waits(&worker.name, UNSETTLED.to_owned());
        let (partitions, commit_at) = (BTreeMap::new(), Instant::now());
        Self { worker, topic, group, results, partitions, held: false, settled: false, commit_at }
    }

    /// Says whether the group has told this member what is its.
    fn say_if_settled(&mut self) {
        let settled = self.group.is_settled();
        if settled == std::mem::replace(&mut self.settled, settled) {
            return;
        }
        let agent = &self.worker.name;
        if settled {
            tracing::info!(%agent, partitions = self.partitions.len(), "waits for tasks");
            self.worker.shared.standing.works(agent);
        } else {
            tracing::warn!(%agent, "the group has not heard of this worker for a session (the log was away, or it stood \
                still); it joins again, and what it works on may be run elsewhere too");
            self.worker.shared.standing.waits(agent, UNSETTLED.to_owned());
        }
    }

    /// Takes tasks until `stop`, then finishes until `deadline`, which it sets, and leaves. An error means that the
    /// group has to be joined anew.
    fn serve(mut self, stop: &AtomicBool, deadline: &mut Option<Instant>) -> Result<(), LogError> {
        let mut events = Vec::new();
        let ended = loop {
            if deadline.is_none() && stop.load(Ordering::Relaxed) {
                *deadline = Some(Instant::now() + self.worker.shared.settings.stop_timeout);
                self.worker.desk.close();
            }
            if deadline.is_some_and(|deadline| finished(&self.worker) || Instant::now() >= deadline) {
                break Ok(());
            }
            let stopping = deadline.is_some();
            if let Err(fault) = self.group.poll(self.patience(stopping), &mut events) {
                break Err(fault);
            }
            for event in events.drain(..) {
                self.handle(event, stopping);
                self.worker.shared.outbox.pump_every(PUMP_INTERVAL);
            }
            self.say_if_settled();
            self.worker.shared.outbox.pump();
            self.regulate(stopping);
            self.commit_if_due();
        };
        self.leave();
        ended
    }

    fn patience(&self, stopping: bool) -> Duration {
        if stopping || self.held {
            HELD_WAIT
        } else if self.worker.shared.outbox.load().0 > 0 || self.worker.desk.running() > 0 {
            BUSY_WAIT
        } else {
            IDLE_WAIT
        }
    }

    fn handle(&mut self, event: GroupEvent, stopping: bool) {
        match event {
            GroupEvent::Given { partition, committed, .. } => self.given(partition, committed),
            GroupEvent::Revoked { partition, .. } => self.revoked(partition),
            // Not taken and so not committed: another worker will have it.
            GroupEvent::Record(_) if stopping => {}
            GroupEvent::Record(record) => self.take(&record),
        }
    }

    fn given(&mut self, partition: u32, committed: Option<Committed>) {
        let (progress, fault) = Progress::resume(committed.as_ref());
        if let Some(fault) = fault {
            tracing::warn!(agent = %self.worker.name, partition,
                "what was done above the committed offset is not known and may be run again: {fault}");
        }
        self.worker.desk.forget(|job| job.partition == partition);
        self.partitions.insert(partition, Given { progress: Arc::new(Mutex::new(progress)), committed });
        if self.held {
            self.hold(partition, true);
        }
    }

    /// What runs goes on and is reported (the engine takes the first result); what only waits is run elsewhere.
    fn revoked(&mut self, partition: u32) {
        self.worker.desk.forget(|job| job.partition == partition);
        self.worker.shared.outbox.pump();
        self.commit(partition, true);
        self.partitions.remove(&partition);
    }

    fn take(&mut self, record: &Record) {
        let Some(place) = self.place(record) else { return };
        match self.job(record, &place) {
            Ok(job) => {
                if let Some(job) = self.worker.desk.admit(job) {
                    attempt::start(&self.worker, job);
                }
            }
            Err(NoJob::Newer(fault)) => {
                tracing::error!(topic = %record.topic, partition = record.partition, offset = record.offset,
                    "a task is left to a newer worker, which gets it when this one ends: {fault}");
            }
            Err(NoJob::Rubbish(fault)) => {
                tracing::warn!(topic = %record.topic, partition = record.partition, offset = record.offset,
                    "a record is skipped that is no task of this worker: {fault}");
                place.done();
            }
        }
    }

    /// The record's place in the progress of its partition; none: it is done, taken already, or not ours.
    fn place(&mut self, record: &Record) -> Option<Place> {
        let given = self.partitions.get_mut(&record.partition)?;
        let mut verdict = lock(&given.progress).take(record.offset);
        if verdict == Verdict::WentBack {
            tracing::warn!(topic = %record.topic, partition = record.partition, offset = record.offset,
                "the partition begins again below what was committed; was the topic made anew? It is read from here");
            given.progress = Arc::default();
            verdict = lock(&given.progress).take(record.offset);
        }
        let place = Place::Record { progress: given.progress.clone(), offset: record.offset };
        (verdict == Verdict::Take).then_some(place)
    }

    /// The task in a record, or why it is none for this worker.
    fn job(&self, record: &Record, place: &Place) -> Result<Job, NoJob> {
        let value = record.value.as_ref();
        let value = value.ok_or_else(|| NoJob::Rubbish("expected a task, found a record without value".to_owned()))?;
        let task = task::decode(value).map_err(NoJob::from)?;
        if task.agent_name != self.worker.name {
            let (mine, found) = (&self.worker.name, &task.agent_name);
            return Err(NoJob::Rubbish(format!("expected a task for {mine:?}, found one for {found:?}")));
        }
        let (results, found) = (&self.worker.shared.results_topic, &task.reply_topic);
        if found != results {
            return Err(NoJob::Rubbish(format!("expected {results:?} as the topic to reply to, found {found:?}")));
        }
        let found = task.reply_partition;
        if let Some(count) = self.results.filter(|count| found >= *count) {
            let last = count.saturating_sub(1);
            return Err(NoJob::Rubbish(format!("expected a partition of {results:?} from 0 to {last}, found {found}")));
        }
        let traceparent = record.header(TRACEPARENT).map(Bytes::copy_from_slice);
        Ok(Job { task, traceparent, partition: record.partition, place: place.clone() })
    }

    /// Holds all partitions back where as many tasks wait as run, or too many reports are not confirmed, and lets
    /// them go on once half of that has gone.
    fn regulate(&mut self, stopping: bool) {
        let settings = &self.worker.shared.settings;
        let (reports, bytes) = self.worker.shared.outbox.load();
        let over = |part: usize| {
            reports * part >= settings.max_unconfirmed_reports.max(1)
                || bytes * part >= settings.max_unconfirmed_bytes.max(1)
        };
        let held = if self.held { over(2) || !self.worker.desk.roomy() } else { over(1) || self.worker.desk.full() };
        let held = held || stopping;
        if held != self.held {
            self.held = held;
            let partitions: Vec<u32> = self.partitions.keys().copied().collect();
            partitions.into_iter().for_each(|partition| self.hold(partition, held));
        }
    }

    fn hold(&mut self, partition: u32, held: bool) {
        let done =
            if held { self.group.pause(&self.topic, partition) } else { self.group.resume(&self.topic, partition) };
        if let Err(fault) = done {
            tracing::warn!(agent = %self.worker.name, partition, held, "a partition is not held back or let go: {fault}");
        }
    }

    fn commit_if_due(&mut self) {
        let now = Instant::now();
        if now < self.commit_at {
            return;
        }
        self.commit_at = now + self.worker.shared.settings.commit_interval;
        let partitions: Vec<u32> = self.partitions.keys().copied().collect();
        partitions.into_iter().for_each(|partition| self.commit(partition, false));
    }

    /// Commits what is done of a partition: where that has changed, or with `wait` in any case.
    fn commit(&mut self, partition: u32, wait: bool) {
        let Some(given) = self.partitions.get_mut(&partition) else { return };
        let Some(snapshot) = lock(&given.progress).snapshot() else { return };
        if !wait && given.committed.as_ref() == Some(&snapshot) {
            return;
        }
        match self.group.commit(&self.topic, partition, &snapshot, wait) {
            Ok(()) => given.committed = Some(snapshot),
            // Nothing is lost: what is done is recognised, or run again.
            Err(fault) => tracing::debug!(agent = %self.worker.name, partition, "progress is not committed: {fault}"),
        }
    }

    fn leave(&mut self) {
        self.worker.shared.outbox.pump();
        let partitions: Vec<u32> = self.partitions.keys().copied().collect();
        for partition in partitions {
            self.worker.desk.forget(|job| job.partition == partition);
            self.commit(partition, true);
        }
        self.group.leave();
    }
}
