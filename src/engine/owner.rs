//! Owning a partition: decide what is there, append one step, read it back, act.

use super::claim::{CountedStep, Recovered, Tail, read_journal};
use super::clock::CorrectedClock;
use super::deadline::Deadlines;
use super::input::Inputs;
use super::io::{Claimant, Signal};
use super::partition::Env;
use super::perform::{EffectRef, Place, performances, publications};
use super::state::{Entry, PartitionState};
use super::step::{PendingStep, Planned, StepDraft};
use super::tail::skip_published;
use super::tracker::EffectsTracker;
use crate::core::command::Origin;
use crate::core::frontier::Frontier;
use crate::core::id::{DispatchId, WorkflowId};
use crate::core::time::Timestamp;
use crate::journal::record::{EffectsThrough, JournalRecord, Owner, Step};
use crate::journal::rule::Verdict;
use crate::log::{Delivery, LogError, Record, Topic};
use crate::wire::journal;
use std::collections::{BTreeSet, VecDeque};

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
    /// A broken invariant, or a record of a newer version.
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
    /// The log does not answer.
    #[error("{0}")]
    Log(LogError),
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
    pub(super) deadlines: Deadlines,
    /// Runs with ready nodes that an earlier step had no room for.
    pub(super) continuing: BTreeSet<WorkflowId>,
    pub(super) failed_effects: VecDeque<FailedEffect>,
    /// The number of the last step that was decided.
    pub(super) decided: u64,
    pub(super) in_flight: VecDeque<PendingStep>,
    /// The predecessor wrote nothing: its crash may have been caused by the first input.
    pub(super) careful: bool,
    /// The input that is being tried: the head of this topic.
    pub(super) trying: Option<(Topic, Origin)>,
    /// Events are being applied to the state.
    pub(super) applying: bool,
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
}

impl Owning {
    /// Takes over a recovered partition: performs again what may not be done, and reads the inputs on.
    ///
    /// # Errors
    /// Where the log does not answer, or a definition is not known.
    pub fn begin(claimant: Claimant, recovered: Recovered, env: &mut Env) -> Result<Self, Stop> {
        let Recovered { mut state, pending, tail, owner, term, next, careful, mut clock } = recovered;
        clock.not_before(state.time);
        // Where publication stopped is known.
        env.io.reader().unassign(&Topic::Events, claimant.partition).map_err(Stop::Log)?;
        build_frontiers(&mut state, env, next)?;
        let inputs = Inputs::begin(claimant.partition, &state, env)?;
        let mut owning = Self {
            claimant,
            owner,
            term,
            clock,
            tracker: EffectsTracker::new(state.effects_through),
            inputs,
            deadlines: Deadlines::default(),
            continuing: BTreeSet::new(),
            failed_effects: VecDeque::new(),
            decided: state.rule.last_number,
            in_flight: VecDeque::new(),
            careful,
            trying: None,
            applying: false,
            full: false,
            results_end: None,
            quiet_until: env.now.after(env.settings.deadline_grace),
            last_tick: env.now,
            interruptions: env.io.interruptions(),
            idle_since: env.now,
            state,
        };
        owning.derive_timers();
        let tail = owning.of_this_journal(tail, &pending, env)?;
        for step in pending {
            owning.perform_again(step, &tail, env)?;
        }
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
        match delivery {
            Delivery::Record(record) if record.topic == Topic::Journal => self.on_journal(&record, env),
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

    /// Something became of an append.
    pub fn on_signal(&mut self, signal: Signal, _: &mut Env) -> Result<(), Stop> {
        match signal {
            Signal::JournalFailed(reason) => Err(Stop::JournalFailed(reason)),
            Signal::PublicationFailed(reason) => Err(Stop::PublicationFailed(reason)),
            Signal::Done { step } => {
                self.tracker.done(step);
                Ok(())
            }
            Signal::EffectFailed { step, effect, topic, message } => {
                tracing::error!(
                    partition = self.claimant.partition,
                    step,
                    kind = effect.kind.as_str(),
                    topic,
                    why = message,
                    "an effect has failed for good"
                );
                self.failed_effects.push_back(FailedEffect { step, effect, topic, message });
                Ok(())
            }
        }
    }

    /// A record of the journal came by: one's own step counts, and is acted on; anything else that counts ends this.
    fn on_journal(&mut self, record: &Record, env: &mut Env) -> Result<(), Stop> {
        let Some(decoded) = read_journal(record, &mut self.state)? else { return Ok(()) };
        let verdict = self.state.judge(&decoded);
        match decoded {
            JournalRecord::PartitionTaken(taken) if verdict == Verdict::Counts => Err(Stop::Superseded(taken.term)),
            JournalRecord::Step(step) if verdict == Verdict::Counts => self.act(&step, record, env),
            JournalRecord::Step(step) if verdict == Verdict::Gap => Err(Stop::Gap(step.number)),
            JournalRecord::PartitionTaken(_) | JournalRecord::Step(_) => {
                tracing::debug!(offset = record.offset, ?verdict, "a void record of the journal");
                Ok(())
            }
        }
    }

    fn act(&mut self, step: &Step, record: &Record, env: &mut Env) -> Result<(), Stop> {
        // The rule lets no step count that is not the current owner's: it is the oldest of ours.
        let Some(pending) = self.in_flight.pop_front().filter(|pending| pending.number == step.number) else {
            let fault = format!("step {} counts, and is not the one that was appended", step.number);
            return Err(Stop::Broken { offset: record.offset, fault });
        };
        self.clock.observe(pending.sent, env.now, record.time);
        if env.now.since(pending.sent) > env.settings.interruption {
            self.be_quiet(env);
        }
        for settled in &pending.settles {
            self.tracker.done(*settled);
        }
        let at = EffectsThrough { step: step.number, offset: record.offset };
        let everything = |_: &EffectRef| true;
        self.perform(at, &pending.planned, everything, None, env);
        Ok(())
    }

    /// Performs the effects of a counting step: publications first, in journal order.
    fn perform(
        &mut self,
        at: EffectsThrough,
        planned: &[Planned],
        wanted: impl Fn(&EffectRef) -> bool,
        published: Option<&Tail>,
        env: &mut Env,
    ) {
        let place = self.place(at.offset, env);
        let mut records: Vec<_> = planned.iter().flat_map(|p| publications(p, place)).collect();
        if let Some(tail) = published {
            skip_published(&mut records, tail, at.offset);
        }
        let performances: Vec<_> =
            planned.iter().flat_map(|p| performances(p, place)).filter(|(effect, _)| wanted(effect)).collect();
        self.tracker.set_off(at, records.len() + performances.len(), planned.is_empty());
        for record in records {
            env.io.publish(self.claimant, at.step, record);
        }
        for (effect, record) in performances {
            env.io.perform(self.claimant, at.step, effect, record);
        }
    }

    pub(super) fn place<'a>(&self, offset: u64, env: &'a Env) -> Place<'a> {
        let (partition, partitions) = (self.claimant.partition, env.settings.partitions);
        Place { namespace: &env.settings.namespace, partition, partitions, offset }
    }

    /// After a takeover: every response, dead letter, forward and publication again, and the dispatches of attempts
    /// that are still open. Duplicates with the same ids, never losses.
    fn perform_again(&mut self, step: CountedStep, tail: &Tail, env: &mut Env) -> Result<(), Stop> {
        let planned = step.planned()?;
        let open = open_dispatches(&self.state, &planned);
        let wanted = |effect: &EffectRef| match (&effect.kind, &effect.dispatch_id) {
            (super::perform::EffectKind::Dispatch, Some(id)) => open.contains(id),
            _ => true,
        };
        let at = EffectsThrough { step: step.number, offset: step.offset };
        self.perform(at, &planned, wanted, Some(tail), env);
        Ok(())
    }

    /// Goes on: decides one step from what is there, if memory is not too far ahead. Whether more is to be decided.
    ///
    /// # Errors
    /// Where the memory has to be dropped.
    pub fn tick(&mut self, env: &mut Env) -> Result<bool, Stop> {
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
        if self.in_flight.len() >= env.settings.max_steps_ahead {
            return Ok(false);
        }
        let draft = self.decide_step(env)?;
        if !draft.is_empty() {
            self.append(draft, env);
            self.idle_since = env.now;
            return Ok(!self.inputs.is_empty() || !self.continuing.is_empty());
        }
        let idle = self.in_flight.is_empty() && env.now.since(self.idle_since) >= env.settings.mark_after;
        if idle && self.tracker.worth_a_mark() {
            self.append(StepDraft::default(), env);
        }
        Ok(false)
    }

    fn append(&mut self, draft: StepDraft, env: &mut Env) {
        self.decided += 1;
        self.tracker.recorded();
        self.state.effects_through = self.tracker.through();
        let step = Step {
            term: self.term,
            owner: self.owner,
            number: self.decided,
            time: self.clock.at(env.now),
            positions: self.state.inputs.values().cloned().collect(),
            effects_through: self.tracker.through(),
            transitions: draft.transitions(),
        };
        env.io.append_journal(self.claimant, journal::encode(&JournalRecord::Step(step)));
        let StepDraft { planned, settles, .. } = draft;
        self.in_flight.push_back(PendingStep { number: self.decided, sent: env.now, planned, settles });
    }

    /// Backpressure: `requests` waits while there is too much that can move without it.
    fn hold_back(&mut self, env: &mut Env) -> Result<(), Stop> {
        let settings = env.settings;
        self.full = self.state.runs.len() >= settings.max_unfinished
            || self.tracker.under_way() >= settings.max_effects_under_way;
        self.inputs.flow(self.full, settings.max_inbox, env).map_err(Stop::Log)
    }

    /// Reading stood still: no deadline fires for a while, results may be on their way.
    pub(super) fn be_quiet(&mut self, env: &Env) {
        self.quiet_until = env.now.after(env.settings.deadline_grace);
    }

    fn derive_timers(&mut self) {
        for (workflow_id, entry) in &self.state.runs {
            self.deadlines.add_run(&entry.run);
            if entry.frontier.as_ref().is_some_and(|frontier| !frontier.ready().is_empty()) {
                self.continuing.insert(workflow_id.clone());
            }
        }
    }
}

fn build_frontiers(state: &mut PartitionState, env: &Env, offset: u64) -> Result<(), Stop> {
    for Entry { run, frontier, .. } in state.runs.values_mut() {
        let hash = &run.definition.hash;
        let broken = |fault: String| Stop::Broken { offset, fault };
        let graph = env.definitions.graph(hash).ok_or_else(|| {
            broken(format!(
                "run {} names definition {} ({hash}), which is not in `definitions`",
                run.run_id, run.definition.name
            ))
        })?;
        *frontier = Some(Frontier::of(run, &graph).map_err(|failure| broken(failure.message))?);
    }
    Ok(())
}

/// The dispatches of these transitions whose attempts are still under way.
fn open_dispatches(state: &PartitionState, planned: &[Planned]) -> BTreeSet<DispatchId> {
    let mut open = BTreeSet::new();
    for transition in planned {
        for (published, _) in &transition.events {
            let crate::wire::event::Published::Run(recorded) = published else { continue };
            let crate::core::event::Event::NodeScheduled(event) = &recorded.event else { continue };
            let run = state.runs.get(&recorded.workflow_id).map(|entry| &entry.run);
            let node = run.filter(|run| run.run_id == recorded.run_id).and_then(|run| run.nodes.get(&event.node_id));
            if node.is_some_and(|node| node.status.is_open() && node.attempt == event.attempt) {
                open.insert(DispatchId {
                    run_id: recorded.run_id.clone(),
                    node_id: event.node_id.clone(),
                    attempt: event.attempt,
                });
            }
        }
    }
    open
}
