//! One partition of this process: the phases from being given it to owning it, and what each does with what comes in.

use super::claim::{Claim, Progress};
use super::definitions::Definitions;
use super::faults::Faults;
use super::io::{Claimant, Io, Signal};
use super::owner::{Owning, Stop};
use super::settings::EngineSettings;
use super::snapshots::{Loaded, Snapshots};
use crate::core::time::{Timestamp, millis};
use crate::local::{LocalAgents, LocalReport};
use crate::log::topic::DelayTier;
use crate::log::{Delivery, Topic};
use crate::store::StoreError;
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;

/// What the phases need from their surroundings.
pub struct Env<'a> {
    /// Limits.
    pub settings: &'a EngineSettings,
    /// Clients.
    pub io: &'a mut Io,
    /// The agents of this process.
    pub local: &'a dyn LocalAgents,
    /// Definitions.
    pub definitions: &'a mut Definitions,
    /// Where snapshots come from.
    pub snapshots: &'a mut Snapshots,
    /// Randomness for owner ids and pauses.
    pub rng: &'a mut StdRng,
    /// The local clock.
    pub now: Timestamp,
}

/// A partition that the group has spoken of.
pub struct Partition {
    id: u32,
    claim: u64,
    phase: Phase,
    pause: Duration,
    /// The position of `requests` that the group knows.
    committed: u64,
    faults: Faults,
    /// When it was taken last.
    taken_at: Timestamp,
    /// Why it was dropped last; none once it is owned, or another's.
    dropped: Option<String>,
}

enum Phase {
    /// The group has given it to someone else, or it has not been tried yet.
    Away,
    /// Ours to try, not before a time.
    Resting(Timestamp),
    /// Waiting for the store's snapshot.
    Loading(Loading),
    /// The store's position does not fit the journal: reading begins anew, at the journal's start, at the next turn.
    Restarting,
    /// Reading the journal, up to one's own taking and the tail of the event stream.
    Claiming(Box<Claim>),
    /// Deciding.
    Owning(Box<Owning>),
}

/// How a snapshot is being waited for.
struct Loading {
    since: Timestamp,
    /// The store did not answer: when it is asked again.
    ask_at: Option<Timestamp>,
}

/// What a partition is doing, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseName {
    /// Not ours.
    Away,
    /// Ours to try, after a pause.
    Resting,
    /// Being taken.
    Claiming,
    /// Owned.
    Owning,
}

impl Partition {
    /// A partition that is not ours.
    pub fn new(id: u32, settings: &EngineSettings) -> Self {
        Self {
            id,
            claim: 0,
            phase: Phase::Away,
            pause: settings.min_retry_pause,
            committed: 0,
            faults: Faults::default(),
            taken_at: Timestamp::default(),
            dropped: None,
        }
    }

    /// What it is doing.
    pub fn phase(&self) -> PhaseName {
        match &self.phase {
            Phase::Away => PhaseName::Away,
            Phase::Resting(_) => PhaseName::Resting,
            Phase::Loading(_) | Phase::Restarting | Phase::Claiming(_) => PhaseName::Claiming,
            Phase::Owning(_) => PhaseName::Owning,
        }
    }

    /// The owner's view, while it is owned.
    pub fn owned(&self) -> Option<&Owning> {
        match &self.phase {
            Phase::Owning(owning) => Some(owning),
            _ => None,
        }
    }

    /// Whether the group has given it to this process.
    pub fn is_ours(&self) -> bool {
        !matches!(self.phase, Phase::Away)
    }

    /// The group says: try, and what was committed last.
    pub fn give(&mut self, committed: u64, env: &Env) {
        self.committed = self.committed.max(committed);
        if matches!(self.phase, Phase::Away) {
            self.phase = Phase::Resting(env.now);
        }
    }

    /// The group says: leave it.
    pub fn revoke(&mut self, env: &mut Env) {
        self.let_go(env);
        self.phase = Phase::Away;
        self.dropped = None;
        self.pause = env.settings.min_retry_pause;
        self.faults = Faults::default();
    }

    /// Whether it rests and may be tried now. The caller then commits to the group, and begins.
    pub fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.phase, Phase::Resting(until) if until <= now)
    }

    /// The position of `requests` that the group knows.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The position of `requests` for the group's lag tools, if it has moved.
    pub fn advance_committed(&mut self) -> Option<u64> {
        let position = self.owned().and_then(Owning::requests_position)?;
        (position > std::mem::replace(&mut self.committed, position)).then_some(position)
    }

    /// Begins to take the partition.
    pub fn begin(&mut self, claim: u64, env: &mut Env) {
        self.claim = claim;
        env.io.begin_claim(self.claimant());
        self.ask_for_snapshot(env);
        self.phase = Phase::Loading(Loading { since: env.now, ask_at: None });
    }

    fn ask_for_snapshot(&self, env: &mut Env) {
        let window = env.settings.duplicate_window;
        let since = Timestamp(env.now.0 - i64::try_from(window.as_micros()).unwrap_or(i64::MAX));
        env.snapshots.ask(self.id, self.claim, since, env.settings.duplicate_limit);
    }

    /// Why it was dropped last, while it is ours and not owned.
    pub fn dropped(&self) -> Option<&str> {
        self.dropped.as_deref()
    }

    /// Tries again after a pause that doubles, with jitter.
    pub fn rest(&mut self, env: &mut Env) {
        self.rest_longer(env.settings.max_retry_pause, env);
    }

    fn rest_longer(&mut self, longest: Duration, env: &mut Env) {
        // A taking alone is no success: what ended it may end the next one as soon.
        if self.owned().is_some() && env.now.since(self.taken_at) > env.settings.max_retry_pause {
            self.pause = env.settings.min_retry_pause;
        }
        self.rest_for(self.pause, env);
        self.pause = (self.pause * 2).min(longest);
    }

    fn rest_for(&mut self, pause: Duration, env: &mut Env) {
        self.let_go(env);
        let jitter = env.rng.random_range(0.5..1.0);
        self.phase = Phase::Resting(env.now.after(pause.mul_f64(jitter)));
    }

    /// The store's snapshot has come.
    pub fn on_snapshot(&mut self, loaded: Loaded, env: &mut Env) {
        let Phase::Loading(loading) = &mut self.phase else { return };
        if loaded.claim != self.claim {
            return;
        }
        match loaded.result {
            Ok(snapshot) => self.start_claim(snapshot, env),
            // A journal is long: a store that is busy, or just being started, is asked again for a while.
            Err(error @ StoreError::Unreachable { .. })
                if env.now.since(loading.since) < env.settings.store_timeout =>
            {
                tracing::debug!(partition = self.id, %error, "the store is asked again");
                loading.ask_at = Some(env.now.after(env.settings.min_retry_pause));
            }
            Err(error) => {
                tracing::warn!(partition = self.id, %error, "recovering from the start of the journal instead");
                self.start_claim(None, env);
            }
        }
    }

    fn start_claim(&mut self, snapshot: Option<crate::store::Snapshot>, env: &mut Env) {
        match Claim::start(self.claimant(), snapshot, env) {
            Ok(claim) => self.phase = Phase::Claiming(Box::new(claim)),
            Err(error) => {
                tracing::warn!(partition = self.id, %error, "the partition cannot be taken now");
                self.rest(env);
            }
        }
    }

    /// Something was read.
    pub fn on_delivery(&mut self, delivery: Delivery, env: &mut Env) {
        match &mut self.phase {
            Phase::Claiming(claim) => {
                let progress = claim.on_delivery(delivery, env);
                self.after_claim(progress, env);
            }
            Phase::Owning(owning) => {
                if let Err(stop) = owning.on_delivery(delivery, env) {
                    self.drop_memory(&stop, env);
                }
            }
            Phase::Away | Phase::Resting(_) | Phase::Loading(_) | Phase::Restarting => {}
        }
    }

    /// An attempt in this process was reported. Where the partition is not owned, its next owner may make use of it.
    pub fn on_local_report(&mut self, report: LocalReport, env: &Env) {
        match &mut self.phase {
            Phase::Owning(owning) => owning.on_local_report(report),
            _ => env.local.give_back(report),
        }
    }

    /// Something became of an append.
    pub fn on_signal(&mut self, claim: u64, signal: Signal, env: &mut Env) {
        if claim != self.claim {
            return;
        }
        match &mut self.phase {
            Phase::Claiming(_) => {
                if let Signal::JournalFailed(reason) = signal {
                    self.drop_memory(&Stop::JournalFailed(reason), env);
                }
            }
            Phase::Owning(owning) => {
                if let Err(stop) = owning.on_signal(signal, env) {
                    self.drop_memory(&stop, env);
                }
            }
            Phase::Away | Phase::Resting(_) | Phase::Loading(_) | Phase::Restarting => {}
        }
    }

    /// Goes on. Whether there is more to do at once.
    pub fn tick(&mut self, env: &mut Env) -> bool {
        match &mut self.phase {
            Phase::Claiming(claim) => {
                let progress = claim.tick(env);
                self.after_claim(progress, env);
                false
            }
            Phase::Owning(owning) => match owning.tick(env) {
                Ok(more) => more,
                Err(stop) => {
                    self.drop_memory(&stop, env);
                    false
                }
            },
            Phase::Loading(loading) if loading.ask_at.is_some_and(|at| at <= env.now) => {
                loading.ask_at = None;
                self.ask_for_snapshot(env);
                false
            }
            Phase::Loading(loading) if env.now.since(loading.since) > env.settings.snapshot_timeout => {
                tracing::warn!(
                    partition = self.id,
                    "the store takes too long; recovering from the start of the journal"
                );
                self.start_claim(None, env);
                false
            }
            Phase::Restarting => {
                self.start_claim(None, env);
                false
            }
            Phase::Away | Phase::Resting(_) | Phase::Loading(_) => false,
        }
    }

    fn after_claim(&mut self, progress: Progress, env: &mut Env) {
        match progress {
            Progress::Under => {}
            Progress::Lost => {
                tracing::info!(partition = self.id, "another engine has taken the partition; trying again later");
                self.rest(env);
            }
            Progress::Stopped(stop) => self.drop_memory(&stop, env),
            // Not here: what was read before is still being handed out.
            Progress::StoreUseless => {
                self.stop_reading(env);
                self.phase = Phase::Restarting;
            }
            Progress::Taken(recovered) => {
                match Owning::begin(self.claimant(), *recovered, &self.faults.culprits(), env) {
                    Ok(owning) => {
                        self.taken_at = env.now;
                        self.dropped = None;
                        self.phase = Phase::Owning(Box::new(owning));
                    }
                    Err(stop) => self.drop_memory(&stop, env),
                }
            }
        }
    }

    /// The engine's own code has panicked in what it did for this partition.
    pub fn panicked(&mut self, what: String, env: &mut Env) {
        self.drop_memory(&Stop::Panicked(what), env);
    }

    /// There is one way to recover: forget everything, and take the partition again.
    fn drop_memory(&mut self, stop: &Stop, env: &mut Env) {
        self.dropped = Some(stop.to_string());
        if let Stop::Newer { .. } = stop {
            // It does not pass by itself.
            tracing::error!(partition = self.id, reason = %stop, "the partition waits for a newer version of orchestrator");
            return self.rest_longer(env.settings.max_fault_pause, env);
        }
        if !stop.is_a_fault() {
            tracing::warn!(partition = self.id, reason = %stop, "dropping the partition's memory; it will be taken again");
            self.rest(env);
            return;
        }
        let workflow_id = self.owned().and_then(Owning::deciding).cloned();
        let owned_for = self.owned().map_or(Duration::ZERO, |_| env.now.since(self.taken_at));
        let pause = self.faults.note(workflow_id.as_ref(), owned_for, env.settings);
        tracing::error!(
            partition = self.id,
            workflow_id = workflow_id.as_ref().map(tracing::field::display),
            reason = %stop,
            pause_ms = millis(pause),
            "a fault of the engine: dropping the partition's memory; it will be taken again after a pause"
        );
        self.rest_for(pause, env);
    }

    /// Stops reading, and trying what is under way: whoever takes the partition performs it again.
    fn let_go(&mut self, env: &mut Env) {
        self.stop_reading(env);
        env.io.end_claim(self.id);
    }

    fn stop_reading(&mut self, env: &mut Env) {
        if matches!(self.phase, Phase::Claiming(_) | Phase::Owning(_)) {
            for topic in [Topic::Journal, Topic::Events, Topic::Requests, Topic::Signals, Topic::Results] {
                if let Err(error) = env.io.reader().unassign(&topic, self.id) {
                    tracing::debug!(%topic, partition = self.id, %error, "reading could not be stopped");
                }
            }
            for topic in DelayTier::ALL.map(Topic::Delay) {
                if let Err(error) = env.io.delays().unassign(&topic, self.id) {
                    tracing::debug!(%topic, partition = self.id, %error, "reading could not be stopped");
                }
            }
        }
    }

    fn claimant(&self) -> Claimant {
        Claimant { partition: self.id, claim: self.claim }
    }
}
