//! Owning a partition: decide what is there, append one step, read it back, act.

use super::aside::Aside;
use super::breakers::Breakers;
use super::claim::Recovered;
use super::clock::CorrectedClock;
use super::delays::Delays;
use super::input::Inputs;
use super::io::{Claimant, Signal};
use super::kept::Kept;
use super::local::LocalWork;
use super::partition::Env;
use super::perform::EffectRef;
use super::state::PartitionState;
use super::step::{PendingStep, Planned, StepDraft};
use super::timer::{Timers, add_timers};
use super::tracker::EffectsTracker;
use crate::core::command::Origin;
use crate::core::id::WorkflowId;
use crate::core::time::Timestamp;
use crate::journal::record::{EffectsThrough, InputPosition, JournalRecord, Owner, Step};
use crate::local::LocalReport;
use crate::log::{Delivery, LogError, Topic};
use crate::planted::{Bug, is_planted};
use crate::wire::journal;
use std::collections::{BTreeSet, VecDeque};

/// How many times longer than after another interruption no deadline fires after a taking.
const TAKEOVER_GRACES: u32 = 3;

/// Why an owner drops the partition's memory.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Stop {
    /// The journal's appender reports an error.
    #[error("the journal did not take a record: {0}")]
    JournalFailed(String),
    /// The event stream's appender reports an error.
    #[error("the event stream did not take a record: {0}")]
    PublicationFailed(String),
    /// A step of one's own was not read back in time.
    #[error("a record of one's own was not read back from the journal in time")]
    NotReadBack,
    /// Another engine has taken the partition.
    #[error("another engine has taken the partition (term {0})")]
    Superseded(u64),
    /// A step of one's own is missing in the journal.
    #[error("step {0} of one's own came by without the one before it")]
    Gap(u64),
    /// A record that only a newer version understands.
    #[error("the journal cannot be followed at offset {offset}: {fault}")]
    Newer {
        /// The journal offset.
        offset: u64,
        /// Which version is needed.
        fault: String,
    },
    /// A broken invariant.
    #[error("the journal cannot be followed at offset {offset}: {fault}")]
    Broken {
        /// The journal offset.
        offset: u64,
        /// What is wrong.
        fault: String,
    },
    /// What the store has projected is not in the journal.
    #[error("JournalLost: {0}")]
    JournalLost(String),
    /// The engine's own code has panicked.
    #[error("the engine's code has failed: {0}")]
    Panicked(String),
    /// The log does not answer.
    #[error("{0}")]
    Log(LogError),
}

impl Stop {
    /// Whether the engine's own code is at fault: most likely it fails again with the next taking.
    pub fn is_a_fault(&self) -> bool {
        matches!(self, Self::Panicked(_) | Self::Broken { .. })
    }
}

/// An effect that has failed for good, to be decided like an input.
pub struct FailedEffect {
    /// The step whose effect it was.
    pub step: u64,
    /// The effect.
    pub effect: EffectRef,
    /// The topic that did not take it.
    pub topic: String,
    /// Why.
    pub message: String,
}

/// A partition in its owner's hands.
pub struct Owning {
    pub(super) claimant: Claimant,
    pub(super) state: PartitionState,
    pub(super) owner: Owner,
    pub(super) term: u64,
    pub(super) clock: CorrectedClock,
    pub(super) tracker: EffectsTracker,
    pub(super) inputs: Inputs,
    pub(super) deadlines: Timers,
    /// Attempts that wait.
    pub(super) delays: Delays,
    /// Runs with ready nodes that an earlier step had no room for.
    pub(super) continuing: BTreeSet<WorkflowId>,
    pub(super) failed_effects: VecDeque<FailedEffect>,
    /// Effects that were refused and are tried again.
    pub(super) kept: Kept,
    /// The number of the last step that was decided.
    pub(super) decided: u64,
    pub(super) in_flight: VecDeque<PendingStep>,
    /// The predecessor wrote nothing: its crash may have been caused by the first input.
    pub(super) careful: bool,
    pub(super) local: LocalWork,
    /// The input that is being tried: the head of this topic.
    pub(super) trying: Option<(Topic, Origin)>,
    /// The run that is being decided, or was when deciding it failed.
    pub(super) deciding: Option<WorkflowId>,
    /// Runs that wait for a definition.
    pub(super) aside: Aside,
    /// Counts what has changed the state, so that a panic that did is told from one that did not.
    pub(super) changes: u64,
    /// Which agents are not to be called.
    pub(super) breakers: Breakers,
    /// Requests are held back.
    pub(super) full: bool,
    /// The end of `results` that was asked for last, and when: deadlines up to then may fire once it is decided.
    pub(super) results_end: Option<(Timestamp, u64)>,
    /// No deadline fires before.
    pub(super) quiet_until: Timestamp,
    pub(super) last_tick: Timestamp,
    /// Interruptions of the log that are known.
    interruptions: u64,
    idle_since: Timestamp,
    /// Counting steps whose events have not been published: nobody waits for that, so it is done last in a turn.
    pub(super) unpublished: Vec<(EffectsThrough, Vec<Planned>)>,
}

impl Owning {
    /// Takes over a recovered partition: performs again what may not be done, and reads the inputs on.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn begin(
        claimant: Claimant,
        recovered: Recovered,
        culprits: &BTreeSet<WorkflowId>,
        env: &mut Env,
    ) -> Result<Self, Stop> {
        let Recovered { mut state, pending, tail, owner, term, careful, mut clock } = recovered;
        clock.not_before(state.time);
        // Where publication stopped is known.
        env.io.reader().unassign(&Topic::Events, claimant.partition).map_err(Stop::Log)?;
        let aside = Aside::sort(&mut state, env.definitions, culprits, claimant.partition);
        let inputs = Inputs::begin(claimant.partition, &state, env)?;
        let delays = Delays::begin(claimant.partition, &state, env)?;
        let mut owning = Self {
            claimant,
            owner,
            term,
            clock,
            tracker: EffectsTracker::new(state.effects_through),
            inputs,
            deadlines: Timers::default(),
            delays,
            continuing: BTreeSet::new(),
            failed_effects: VecDeque::new(),
            local: LocalWork::new(careful),
            kept: Kept::default(),
            decided: state.rule.last_number,
            in_flight: VecDeque::new(),
            careful,
            trying: None,
            deciding: None,
            aside,
            changes: 0,
            breakers: Breakers::recovered(&state, env.settings.limits.breaker),
            full: false,
            results_end: None,
            quiet_until: Timestamp::default(),
            last_tick: env.now,
            interruptions: env.io.interruptions(),
            idle_since: env.now,
            unpublished: Vec::new(),
            state,
        };
        owning.derive_timers();
        owning.be_quiet_after_taking(env);
        let tail = owning.of_this_journal(tail, &pending, env)?;
        for step in pending {
            owning.perform_again(step, &tail, env)?;
        }
        owning.dispatch_what_was_local(env);
        tracing::info!(
            partition = claimant.partition,
            term,
            unfinished = owning.state.runs.len(),
            step = owning.decided,
            "the partition is taken"
        );
        Ok(owning)
    }

    /// The unfinished runs.
    pub fn unfinished(&self) -> usize {
        self.state.runs.len()
    }

    /// The run that is being decided, or was when deciding it failed.
    pub fn deciding(&self) -> Option<&WorkflowId> {
        self.deciding.as_ref()
    }

    /// Its term, its id and the number of the last step that it has decided, for checks.
    pub fn standing(&self) -> (u64, Owner, u64) {
        (self.term, self.owner, self.decided)
    }

    /// The state, for checks.
    pub fn state(&self) -> &PartitionState {
        &self.state
    }

    /// Whether nothing is under way: no input, no step, no effect.
    pub fn is_at_rest(&self) -> bool {
        self.in_flight.is_empty()
            && self.inputs.is_empty()
            && self.local.is_empty()
            && self.continuing.is_empty()
            && self.failed_effects.is_empty()
            && self.tracker.under_way() == 0
    }

    /// The position of `requests`.
    pub fn requests_position(&self) -> Option<u64> {
        self.state.inputs.get(&Topic::Requests.to_string()).map(|input| input.next)
    }

    /// Something was read.
    pub fn on_delivery(&mut self, delivery: Delivery, env: &mut Env) -> Result<(), Stop> {
        if matches!(delivery.topic(), Topic::Delay(_)) {
            self.on_delay(delivery);
            return Ok(());
        }
        match delivery {
            Delivery::Record(record) if record.topic == Topic::Journal => self.on_journal(&record, env),
            Delivery::Lost { topic: Topic::Journal, .. } if is_planted(Bug::ReadsOnWhereTheJournalIsLost) => Ok(()),
            Delivery::Lost { topic: Topic::Journal, wanted, low, high, .. } => {
                Err(Stop::JournalLost(format!("offset {wanted} is not there, the journal holds {low} to {high}")))
            }
            Delivery::Record(record) => {
                self.inputs.push(record, env.now);
                Ok(())
            }
            Delivery::End { topic, offset, .. } => {
                self.inputs.reached(&topic, offset);
                Ok(())
            }
            Delivery::Lost { topic, wanted, low, high, .. } => {
                self.inputs.lost(&topic, wanted, low, high);
                Ok(())
            }
        }
    }

    /// An attempt in this process was reported.
    pub fn on_local_report(&mut self, report: LocalReport) {
        self.local.push(report);
    }

    /// Something became of an append.
    pub fn on_signal(&mut self, signal: Signal, env: &mut Env) -> Result<(), Stop> {
        match signal {
            Signal::JournalFailed(reason) => Err(Stop::JournalFailed(reason)),
            Signal::PublicationFailed(reason) => Err(Stop::PublicationFailed(reason)),
            Signal::Done { step } => {
                self.tracker.done(step);
                Ok(())
            }
            Signal::EffectFailed { step, effect, record, message } => {
                self.on_refused_effect(step, effect, record, message, env);
                Ok(())
            }
        }
    }

    /// Goes on: decides one step from what is there, if memory is not too far ahead. Whether more is to be decided.
    ///
    /// # Errors
    /// Where the memory has to be dropped.
    pub fn tick(&mut self, env: &mut Env) -> Result<bool, Stop> {
        let more = self.decide(env)?;
        // What others wait for has been set off: attempts, answers, the next step.
        self.publish(env);
        Ok(more)
    }

    fn decide(&mut self, env: &mut Env) -> Result<bool, Stop> {
        let interruptions = env.io.interruptions();
        if env.now.since(self.last_tick) > env.settings.interruption || interruptions != self.interruptions {
            self.be_quiet(env);
        }
        self.interruptions = interruptions;
        self.last_tick = env.now;
        let unread = self.in_flight.front().map(|step| step.sent);
        if unread.is_some_and(|sent| env.now.since(sent) > env.settings.journal_timeout) {
            return Err(Stop::NotReadBack);
        }
        self.hold_back(env)?;
        self.take_up(env.definitions);
        self.perform_kept(env);
        self.wake(env)?;
        self.deadlines.prune(|deadline| self.state.awaits(deadline));
        if self.in_flight.len() >= env.settings.max_steps_ahead {
            return Ok(false);
        }
        let draft = self.decide_step(env)?;
        if !draft.is_empty() {
            self.append(draft, env);
            self.idle_since = env.now;
            return Ok(!self.inputs.is_empty() || !self.continuing.is_empty() || !self.local.is_empty());
        }
        let idle = self.in_flight.is_empty() && env.now.since(self.idle_since) >= env.settings.mark_after;
        // A mark moves the place where recovery begins to read, and may not pass what was tried and not decided yet.
        if idle && self.state.trying.is_none() && self.tracker.worth_a_mark() {
            self.append(StepDraft::default(), env);
        }
        Ok(false)
    }

    fn append(&mut self, draft: StepDraft, env: &mut Env) {
        self.decided += 1;
        self.note_delays();
        self.tracker.recorded();
        self.state.effects_through = self.tracker.through();
        let step = Step {
            term: self.term,
            owner: self.owner,
            number: self.decided,
            time: self.clock.at(env.now),
            positions: self.state.inputs.values().filter(|input| is_written(input)).cloned().collect(),
            effects_through: self.tracker.through(),
            transitions: draft.transitions(),
        };
        let record = JournalRecord::Step(step);
        let bytes = journal::encode(&record);
        env.io.append_journal(self.claimant, bytes.clone());
        let StepDraft { planned, mut settles, .. } = draft;
        settles.append(&mut self.local.take_settled());
        if is_planted(Bug::ActsBeforeReadBack) {
            self.act_too_early(&planned, env);
        }
        if is_planted(Bug::HandsOverBeforeReadBack) {
            self.hand_over_too_early(&planned, env);
        }
        let number = self.decided;
        self.in_flight.push_back(PendingStep { number, sent: env.now, record, bytes, planned, settles });
    }

    /// Backpressure: `requests` waits while there is too much that can move without it.
    fn hold_back(&mut self, env: &mut Env) -> Result<(), Stop> {
        let settings = env.settings;
        self.full = (self.full && is_planted(Bug::HoldsRequestsBackForGood))
            || self.state.runs.len() >= settings.max_unfinished
            || self.state.bytes >= settings.max_unfinished_bytes
            || self.tracker.under_way() >= settings.max_effects_under_way;
        self.inputs.flow(self.full, env).map_err(Stop::Log)
    }

    /// Reading stood still: no deadline fires for a while, results may be on their way.
    pub(super) fn be_quiet(&mut self, env: &Env) {
        self.quiet_until = self.quiet_until.max(env.now.after(env.settings.deadline_grace));
    }

    /// The process that had the partition may have had workers too: what they worked on comes to others once their
    /// session is over (10 s) and their group has been rearranged.
    fn be_quiet_after_taking(&mut self, env: &Env) {
        self.be_quiet(env);
        if self.deadlines.next().is_some() {
            self.quiet_until = env.now.after(env.settings.deadline_grace * TAKEOVER_GRACES);
        }
    }

    fn derive_timers(&mut self) {
        let (mut nowhere, forgets) = (Timers::default(), is_planted(Bug::ForgetsRetries));
        for (workflow_id, entry) in &self.state.runs {
            let retries = if forgets { &mut nowhere } else { &mut self.delays.heap };
            add_timers(&entry.run, &mut self.deadlines, retries);
            if entry.can_go_on() {
                self.continuing.insert(workflow_id.clone());
            }
        }
    }
}

/// Every position is written with a step.
fn is_written(input: &InputPosition) -> bool {
    !is_planted(Bug::ForgetsAPosition) || input.topic != Topic::Results.to_string()
}
