//! The engine of a process: one thread, one reader, one member of the group, and the partitions that it was given.

use super::definitions::Definitions;
use super::io::{Claimant, Io, Signal};
use super::partition::{Env, Partition, PhaseName};
use super::settings::EngineSettings;
use super::snapshots::Snapshots;
use super::thread::EngineStatus;
use crate::core::time::Timestamp;
use crate::local::{LocalAgents, LocalReport};
use crate::log::{Committed, Delivery, Group, GroupEvent, Log, LogError, Membership, Topic};
use crate::shutdown::anew::panic_message;
use crate::store::Store;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// What an engine is made of.
pub struct EngineParts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The agents of this process.
    pub local: Arc<dyn LocalAgents>,
    /// The store; none: every partition is recovered from its journal's start.
    pub store: Option<Arc<dyn Store>>,
    /// Limits.
    pub settings: EngineSettings,
    /// Seed of owner ids and pauses.
    pub seed: u64,
    /// Whether snapshots are loaded on threads of their own (the simulation has one thread).
    pub on_threads: bool,
}

/// How long effects that go along with the next request may wait for something else to wake the engine.
const GATHERING_WAIT: Duration = Duration::from_millis(1);
/// How often the position of `requests` is committed for lag tools.
const COMMIT_EVERY: Duration = Duration::from_secs(5);

/// The engine of a process.
pub struct Engine {
    settings: EngineSettings,
    io: Io,
    local: Arc<dyn LocalAgents>,
    group: Box<dyn Group>,
    definitions: Definitions,
    snapshots: Snapshots,
    rng: StdRng,
    partitions: BTreeMap<u32, Partition>,
    claims: u64,
    busy: bool,
    /// Microseconds that the clock was set back in the life of this engine.
    set_back: i64,
    last_poll: Timestamp,
    last_commit: Timestamp,
    group_events: Vec<GroupEvent>,
    deliveries: Vec<Delivery>,
    signals: Vec<(Claimant, Signal)>,
    reports: Vec<LocalReport>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.local.listen(false);
    }
}

impl Engine {
    /// Connects and joins the group.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn new(parts: EngineParts) -> Result<Self, LogError> {
        let EngineParts { log, local, store, settings, seed, on_threads } = parts;
        let mut io = Io::new(log.clone(), &settings)?;
        io.reader().assign(&Topic::Definitions, 0, 0)?;
        let group = log.group(&settings.group, &[Topic::Requests], Membership::AssignOnly)?;
        local.listen(true);
        Ok(Self {
            io,
            local,
            group,
            definitions: Definitions::default(),
            snapshots: Snapshots::new(store, on_threads),
            rng: StdRng::seed_from_u64(seed),
            partitions: BTreeMap::new(),
            claims: 0,
            busy: false,
            set_back: 0,
            last_poll: Timestamp::default(),
            last_commit: Timestamp::default(),
            group_events: Vec::new(),
            deliveries: Vec::new(),
            signals: Vec::new(),
            reports: Vec::new(),
            settings,
        })
    }

    /// Goes on with everything that is there; waits up to `wait` for something to read if there is nothing else to do.
    ///
    /// # Errors
    /// Where the log has failed in a way that cannot heal.
    pub fn poll(&mut self, now: impl Fn() -> Timestamp, wait: Duration) -> Result<(), LogError> {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        let wait = match self.busy {
            true => Duration::ZERO,
            false if self.io.is_gathering() => wait.min(GATHERING_WAIT),
            false => wait.min(self.local.look_within().unwrap_or(wait)),
        };
        self.io.reader().poll(wait, &mut deliveries)?;
        let now = self.local_time(now());
        self.follow_group(now)?;
        for delivery in deliveries.drain(..) {
            self.route(delivery, now);
        }
        self.io.delays().poll(Duration::ZERO, &mut deliveries)?;
        for delivery in deliveries.drain(..) {
            self.route(delivery, now);
        }
        self.deliveries = deliveries;
        self.pass_signals(now);
        while let Some(loaded) = self.snapshots.take_loaded() {
            let partition = loaded.partition;
            self.with(partition, now, |partition, env| partition.on_snapshot(loaded, env));
        }
        self.pass_reports(now);
        self.tick(now);
        Ok(())
    }

    /// The local time, which never runs backwards: with a clock that is set back, nothing waits for as long. What it is
    /// off by is learned from the log's append times.
    fn local_time(&mut self, wall: Timestamp) -> Timestamp {
        let local = wall.0.saturating_add(self.set_back);
        self.set_back = self.set_back.saturating_add((self.last_poll.0 - local).max(0));
        self.last_poll = self.last_poll.max(Timestamp(local));
        self.last_poll
    }

    /// Says what it is doing.
    pub fn report(&self, status: &mut EngineStatus) {
        status.settled = self.group.is_settled();
        status.fault = None;
        status.owned.clear();
        status.taking.clear();
        status.dropped.clear();
        status.unfinished = 0;
        for (id, partition) in &self.partitions {
            match partition.owned() {
                Some(owning) => {
                    status.owned.push(*id);
                    status.unfinished += owning.unfinished();
                }
                None if partition.is_ours() => {
                    status.taking.push(*id);
                    status.dropped.extend(partition.dropped().map(|why| (*id, why.to_owned())));
                }
                None => {}
            }
        }
    }

    /// What each partition that was given is doing.
    pub fn phases(&self) -> impl Iterator<Item = (u32, PhaseName)> {
        self.partitions.iter().map(|(id, partition)| (*id, partition.phase()))
    }

    /// A partition, for checks.
    pub fn partition(&self, id: u32) -> Option<&Partition> {
        self.partitions.get(&id)
    }

    /// Leaves the group, so that others need not wait.
    pub fn leave(&mut self) {
        self.group.leave();
        self.local.listen(false);
    }

    fn follow_group(&mut self, now: Timestamp) -> Result<(), LogError> {
        let mut events = std::mem::take(&mut self.group_events);
        self.group.poll(Duration::ZERO, &mut events)?;
        for event in events.drain(..) {
            match event {
                GroupEvent::Given { topic: Topic::Requests, partition, committed } => {
                    let settings = &self.settings;
                    self.partitions.entry(partition).or_insert_with(|| Partition::new(partition, settings));
                    let committed = committed.map_or(0, |committed| committed.offset);
                    self.with(partition, now, |partition, env| partition.give(committed, env));
                }
                GroupEvent::Revoked { topic: Topic::Requests, partition, thrown_out } => {
                    if thrown_out {
                        tracing::info!(
                            partition,
                            "the group has not heard of this process for a session (the log was \
                            away, or it stood still); the partition may be another's, and this process joins again"
                        );
                    } else {
                        tracing::info!(partition, "the group has given the partition to another member");
                    }
                    self.with(partition, now, |partition, env| partition.revoke(env));
                }
                GroupEvent::Given { .. } | GroupEvent::Revoked { .. } | GroupEvent::Record(_) => {}
            }
        }
        self.group_events = events;
        self.begin_claims(now);
        self.commit_positions(now);
        Ok(())
    }

    /// To keep contention low, a commit with the member's generation has to succeed before each taking.
    fn begin_claims(&mut self, now: Timestamp) {
        let due: Vec<_> =
            self.partitions.iter().filter(|(_, partition)| partition.is_due(now)).map(|(id, _)| *id).collect();
        for id in due {
            let offset = self.partitions.get(&id).map_or(0, Partition::committed);
            let position = Committed { offset, metadata: String::new() };
            match self.group.commit(&Topic::Requests, id, &position, true) {
                Ok(()) => {
                    self.claims += 1;
                    let claim = self.claims;
                    self.with(id, now, |partition, env| partition.begin(claim, env));
                }
                Err(error) => {
                    if let LogError::Unreachable { .. } = error {
                        tracing::info!(partition = id, %error, "the partition is not tried while the log does not answer");
                    } else {
                        tracing::info!(partition = id, %error, "the group does not let this member try the partition now");
                    }
                    self.with(id, now, |partition, env| partition.rest(env));
                }
            }
        }
    }

    fn commit_positions(&mut self, now: Timestamp) {
        if now.since(self.last_commit) < COMMIT_EVERY {
            return;
        }
        self.last_commit = now;
        for (id, partition) in &mut self.partitions {
            let Some(offset) = partition.advance_committed() else { continue };
            let position = Committed { offset, metadata: String::new() };
            if let Err(error) = self.group.commit(&Topic::Requests, *id, &position, false) {
                tracing::debug!(partition = id, %error, "the position for lag tools was not committed");
            }
        }
    }

    fn route(&mut self, delivery: Delivery, now: Timestamp) {
        if *delivery.topic() != Topic::Definitions {
            let partition = delivery.partition();
            self.with(partition, now, |partition, env| partition.on_delivery(delivery, env));
            return;
        }
        match delivery {
            Delivery::Record(record) => self.definitions.read(&record),
            Delivery::End { offset, .. } => self.definitions.reached(offset),
            // A compacted topic begins wherever it begins.
            Delivery::Lost { .. } => {}
        }
    }

    fn pass_signals(&mut self, now: Timestamp) {
        let mut signals = std::mem::take(&mut self.signals);
        self.io.poll(&mut signals);
        for (claimant, signal) in signals.drain(..) {
            self.with(claimant.partition, now, |partition, env| partition.on_signal(claimant.claim, signal, env));
        }
        self.signals = signals;
    }

    fn pass_reports(&mut self, now: Timestamp) {
        let mut reports = std::mem::take(&mut self.reports);
        self.local.take_reports(&mut reports);
        for report in reports.drain(..) {
            self.with(report.partition, now, |partition, env| partition.on_local_report(report, env));
        }
        self.reports = reports;
    }

    fn tick(&mut self, now: Timestamp) {
        let ids: Vec<u32> = self.partitions.keys().copied().collect();
        self.busy = false;
        for id in ids {
            let mut more = false;
            self.with(id, now, |partition, env| more = partition.tick(env));
            self.busy |= more;
        }
    }

    fn with(&mut self, id: u32, now: Timestamp, act: impl FnOnce(&mut Partition, &mut Env)) {
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        let mut env = Env {
            settings: &self.settings,
            io: &mut self.io,
            local: &*self.local,
            definitions: &mut self.definitions,
            snapshots: &mut self.snapshots,
            rng: &mut self.rng,
            now,
        };
        // A fault of one partition is not one of the others.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(partition, &mut env))) {
            partition.panicked(panic_message(&*panic), &mut env);
        }
    }
}
