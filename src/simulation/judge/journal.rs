//! What a journal says: which records count, by the judge's own rule, and what follows from those.

use super::effects::{self, Due, EffectId};
use super::invariant::{Breaks, Fault, Invariant};
use super::life::check_event;
use super::stream;
use super::through::{Claimed, Item};
use super::timeouts::Timeout;
use super::{Clocks, Forgotten, Graphs, memory};
use crate::core::apply::fold;
use crate::core::breaker::{self, BreakerState, BreakerStatus};
use crate::core::event::{Event, InputRefused, PartitionEvent, Recorded};
use crate::core::failure::Recovery;
use crate::core::id::{AgentName, RunId, WorkflowId};
use crate::core::lineage::LineageKind;
use crate::core::rejection::RefusalReason;
use crate::core::run::Run;
use crate::core::status::Status;
use crate::core::time::Timestamp;
use crate::engine::EngineSettings;
use crate::engine::state::PartitionState;
use crate::journal::record::{Cause, EffectsThrough, JournalRecord, Owner, PartitionTaken, Step, Transition};
use crate::journal::rule::Verdict;
use crate::log::memory::MemoryLog;
use crate::log::{Record, Topic};
use crate::simulation::agent::LIE;
use crate::wire::event::{Published, decode};
use crate::wire::{chain, journal, request};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How far a step's time may be from its append time: less than wrong clocks are wrong, and more than the longest that
/// an engine stands still, for that bounds what it can learn of the log's clock.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(400);

/// So often an input is tried at which the process ends, before it is buried.
const TRIES: u32 = 4;

/// What one input led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A run started.
    Started(WorkflowId),
    /// It changes nothing, for this reason.
    Rejected(String),
    /// It is in the dead letters, for this reason.
    Refused(String),
    /// It was sent on.
    Forwarded(u32),
    /// Something else happened to a run.
    Decided,
}

/// What a partition's journal says.
pub(super) struct Told {
    pub(super) partition: u32,
    next: u64,
    current: Option<(u64, Owner)>,
    last_number: u64,
    pub(super) void_records: u64,
    pub(super) takings: u64,
    owners: BTreeSet<Owner>,
    /// The fold, as production does it.
    pub(super) state: PartitionState,
    /// All runs, by the core's fold alone.
    pub(super) runs: BTreeMap<RunId, Run>,
    /// The last run of each workflow.
    pub(super) workflows: BTreeMap<WorkflowId, RunId>,
    /// The state of each run after each of its events.
    pub(super) states: BTreeMap<RunId, Vec<Run>>,
    /// The partition's own sequence, chain and `effects_through` after each step that counts.
    pub(super) standings: BTreeMap<u64, Standing>,
    /// How often in a row the last input that was tried with care has been.
    tries: u32,
    /// Inputs that were buried after they had been tried so often.
    pub(super) buried: u64,
    /// Dead letters that someone has handled.
    pub(super) handled: usize,
    /// Runs that took up another one, or forked it.
    pub(super) descended: usize,
    /// Nodes that were given their output by hand.
    pub(super) supplied: usize,
    /// How often breakers have changed.
    pub(super) breaker_changes: usize,
    positions: BTreeMap<String, u64>,
    /// What follows from what counts, with the step.
    pub(super) due: BTreeMap<EffectId, Due>,
    /// What no step has said to be done.
    pub(super) not_through: VecDeque<(u64, Item)>,
    /// What steps say to be done and is still to be looked for.
    pub(super) claimed: Option<Claimed>,
    pub(super) through: Option<EffectsThrough>,
    pub(super) offsets: BTreeMap<u64, u64>,
    /// Effects that failed for good, by step, kind and workflow.
    pub(super) failed: BTreeSet<(u64, String, Option<WorkflowId>)>,
    /// Dispatches that failed for good, and those of attempts that ended without having been heard of.
    pub(super) moot_dispatches: BTreeSet<EffectId>,
    pub(super) failed_effects: usize,
    /// Attempts of which a step says that they have ended, or that they have begun in the process of their engine; the
    /// first such step.
    pub(super) recorded: BTreeMap<EffectId, u64>,
    pub(super) begun_in_memory: usize,
    outcomes: BTreeMap<String, Vec<Outcome>>,
    /// Breakers that are not closed.
    breakers: BTreeMap<AgentName, BreakerState>,
    /// The bodies of each subject's events, with the chain after each.
    pub(super) stream: BTreeMap<String, Vec<(Bytes, [u8; 16])>>,
    pub(super) timeouts: Vec<Timeout>,
}

/// Where a partition stands after a step: the number of its own events, their chain, and `effects_through`.
pub(super) type Standing = (u64, [u8; 16], Option<EffectsThrough>);

impl Told {
    pub(super) fn new(partition: u32) -> Self {
        Self {
            partition,
            next: 0,
            current: None,
            last_number: 0,
            void_records: 0,
            takings: 0,
            owners: BTreeSet::new(),
            state: PartitionState::empty(&EngineSettings::default()),
            runs: BTreeMap::new(),
            workflows: BTreeMap::new(),
            states: BTreeMap::new(),
            standings: BTreeMap::new(),
            tries: 0,
            buried: 0,
            handled: 0,
            descended: 0,
            supplied: 0,
            breaker_changes: 0,
            positions: BTreeMap::new(),
            due: BTreeMap::new(),
            not_through: VecDeque::new(),
            claimed: None,
            through: None,
            offsets: BTreeMap::new(),
            failed: BTreeSet::new(),
            moot_dispatches: BTreeSet::new(),
            failed_effects: 0,
            recorded: BTreeMap::new(),
            begun_in_memory: 0,
            outcomes: BTreeMap::new(),
            breakers: BTreeMap::new(),
            stream: BTreeMap::new(),
            timeouts: Vec::new(),
        }
    }

    pub(super) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Whether everything that an owner has decided stands here, and nobody has taken over since.
    pub(super) fn holds_all_of(&self, standing: &memory::Standing) -> bool {
        self.current == Some((standing.term, standing.owner)) && self.last_number == standing.decided
    }

    pub(super) fn outcomes_of(&self, origin: &str) -> &[Outcome] {
        self.outcomes.get(origin).map_or(&[], Vec::as_slice)
    }

    pub(super) fn forget_into(self, forgotten: &mut Forgotten) {
        forgotten.effects.extend(self.due.into_keys());
        forgotten.events.extend(self.stream.into_values().flatten());
    }

    /// Reads what has landed.
    pub(super) fn read(&mut self, log: &MemoryLog, graphs: &Graphs, clocks: Clocks) -> Result<(), Fault> {
        for record in log.records_from(&Topic::Journal, self.partition, self.next) {
            self.next = record.offset + 1;
            let value = record.value.as_ref().ok_or("a record without value").breaks(Invariant::NothingFails)?;
            let decoded = journal::decode(value).breaks(Invariant::NothingFails)?;
            let counts = self.counts(&decoded);
            let verdict = self.state.judge(&decoded);
            Invariant::AllReadersAgree.holds(counts == (verdict == Verdict::Counts), || {
                format!("the record at offset {} counts: {counts}, found {verdict:?}", record.offset)
            })?;
            match decoded {
                _ if !counts => self.void_records += 1,
                JournalRecord::PartitionTaken(taken) => self.taken(&taken)?,
                JournalRecord::Step(step) => {
                    let number = step.number;
                    self.step(&step, &record, graphs, clocks).map_err(|fault| fault.at(format!("step {number}")))?;
                }
            }
        }
        Ok(())
    }

    /// The readers' rule, written down once more: a fault of the rule has to be seen.
    fn counts(&self, record: &JournalRecord) -> bool {
        match (record, &self.current) {
            (JournalRecord::PartitionTaken(taken), Some((term, _))) => taken.term > *term,
            (JournalRecord::PartitionTaken(taken), None) => taken.term > 0,
            (JournalRecord::Step(_), None) => false,
            (JournalRecord::Step(step), Some((term, owner))) => {
                (step.term, &step.owner, step.number) == (*term, owner, self.last_number + 1)
            }
        }
    }

    fn taken(&mut self, taken: &PartitionTaken) -> Result<(), Fault> {
        let is_new = self.owners.insert(taken.owner);
        Invariant::OwnersAreNew.holds(is_new, || format!("the owner of term {} is not a new one", taken.term))?;
        self.current = Some((taken.term, taken.owner));
        self.takings += 1;
        Ok(())
    }

    fn step(&mut self, step: &Step, record: &Record, graphs: &Graphs, clocks: Clocks) -> Result<(), Fault> {
        self.last_number = step.number;
        self.offsets.insert(step.number, record.offset);
        self.positions_go_forward(step)?;
        time_is_the_logs(step, record, clocks)?;
        self.claim_through(step)?;
        for transition in &step.transitions {
            self.transition(step, transition, graphs, clocks)?;
        }
        self.state.fold(step).breaks(Invariant::OneSequence)?;
        let standing = (self.state.sequence, self.state.chain, self.state.effects_through);
        self.standings.insert(record.offset, standing);
        Ok(())
    }

    /// Every position is written with every step, and none goes back but where a loss is named.
    fn positions_go_forward(&mut self, step: &Step) -> Result<(), Fault> {
        for input in &step.positions {
            let before = self.positions.insert(input.topic.clone(), input.next).unwrap_or(0);
            let lost = step.transitions.iter().any(|transition| says_lost(transition, &input.topic));
            Invariant::PositionsGoForward.holds(input.next >= before || lost, || {
                format!("{} goes back from {before} to {}", input.topic, input.next)
            })?;
        }
        let is_there = |topic: &String| step.positions.iter().any(|input| input.topic == *topic);
        let gone = self.positions.keys().find(|topic| !is_there(topic));
        Invariant::PositionsGoForward.holds(gone.is_none(), || format!("the position of {gone:?} is gone"))
    }

    fn transition(
        &mut self,
        step: &Step,
        transition: &Transition,
        graphs: &Graphs,
        clocks: Clocks,
    ) -> Result<(), Fault> {
        let mut after = transition.chain;
        let mut outcome = Some(Outcome::Decided);
        for body in &transition.events {
            let event = decode(body).breaks(Invariant::NothingFails)?;
            after = chain::next(&after, body);
            let (subject, sequence) = stream::place_of(&event);
            self.stream.entry(subject.clone()).or_default().push((body.clone(), after));
            self.not_through.push_back((step.number, Item::Publication { subject, sequence }));
            match &event {
                Published::Run(recorded) => {
                    if let Event::WorkflowStarted(_) = recorded.event {
                        outcome = Some(Outcome::Started(recorded.workflow_id.clone()));
                    }
                    self.run_event(step, recorded, graphs, clocks)?;
                }
                Published::Partition(recorded) => outcome = self.partition_event(&recorded.event)?,
            }
            for (id, kind, workflow_id) in effects::of(&event) {
                self.due.insert(id.clone(), Due { step: step.number, kind, workflow_id });
                self.not_through.push_back((step.number, Item::Effect(id)));
            }
        }
        // A record that says what is about to be tried decides nothing.
        if let (Cause::Input(origin), Some(outcome)) = (&transition.cause, outcome) {
            self.outcomes.entry(request::write_origin(origin)).or_default().push(outcome);
        }
        Ok(())
    }

    fn partition_event(&mut self, event: &PartitionEvent) -> Result<Option<Outcome>, Fault> {
        Ok(Some(match event {
            PartitionEvent::InputRefused(refused) => {
                self.the_innocent_are_tried_four_times(refused)?;
                Outcome::Refused(refused.reason.clone())
            }
            PartitionEvent::InputRejected(rejected) => Outcome::Rejected(rejected.reason.clone()),
            PartitionEvent::InputForwarded(forwarded) => Outcome::Forwarded(forwarded.to_partition),
            PartitionEvent::EffectFailed(failed) => {
                self.failed_effects += 1;
                self.failed.insert((failed.step, failed.effect.clone(), failed.workflow_id.clone()));
                Outcome::Decided
            }
            PartitionEvent::DeadLetterHandled(_) => {
                self.handled += 1;
                Outcome::Decided
            }
            PartitionEvent::InputLost(_) => Outcome::Decided,
            PartitionEvent::Trying(trying) => {
                self.tries = trying.times;
                return Ok(None);
            }
            PartitionEvent::BreakerChanged(change) => {
                self.breaker_changes += 1;
                breaker::record(&mut self.breakers, change, Timestamp::default());
                Outcome::Decided
            }
        }))
    }

    /// An input at which the process ended four times in a row is buried: here processes end for no reason of its own.
    /// One at which the engine's code has failed is none of those.
    fn the_innocent_are_tried_four_times(&mut self, refused: &InputRefused) -> Result<(), Fault> {
        if refused.reason != RefusalReason::EngineFault.as_str() {
            return Ok(());
        }
        let was_tried = refused.message.contains("was tried");
        Invariant::NothingFails.holds(was_tried, || refused.message.clone())?;
        self.buried += 1;
        let tries = self.tries;
        Invariant::TheInnocentAreTriedFourTimes
            .holds(tries >= TRIES, || format!("{:?} is buried after {tries} tries", refused.origin))
    }

    fn run_event(&mut self, step: &Step, recorded: &Recorded, graphs: &Graphs, clocks: Clocks) -> Result<(), Fault> {
        let mut run = self.runs.remove(&recorded.run_id);
        match &run {
            Some(run) => check_event(recorded, run, graphs)?,
            None => self.one_run_per_workflow(recorded)?,
        }
        self.breakers_are_kept(recorded)?;
        self.record(step, recorded);
        if let Event::NodeRecovered(event) = &recorded.event {
            self.supplied += usize::from(event.how == Recovery::Supply);
        }
        if let (Event::NodeFailed(failed), Some(run)) = (&recorded.event, &run) {
            if failed.code == "dispatch_failed" {
                self.failed_effects += 1;
            }
            if failed.code == "dispatch_failed" || failed.code == "total_timeout" {
                self.moot_dispatches.insert(effects::dispatch(&recorded.run_id, &failed.node_id, failed.attempt));
            }
            if failed.code == "timeout" && clocks == Clocks::Right {
                let next = |input: &&crate::journal::record::InputPosition| input.topic == Topic::Results.to_string();
                let decided = step.positions.iter().find(next).map_or(0, |input| input.next);
                self.timeouts.extend(Timeout::of(run, recorded, failed, decided));
            }
        }
        // Whoever lies about an attempt, or gives it its output by hand, may do so before it is handed out.
        match (&recorded.event, &run) {
            (Event::NodeCompleted(event), _) if event.output.as_str().contains(LIE) => {
                self.moot_dispatches.insert(effects::dispatch(&recorded.run_id, &event.node_id, event.attempt));
            }
            (Event::NodeRecovered(event), Some(run)) if event.how == Recovery::Supply => {
                let attempt = run.nodes.get(&event.node_id).map_or(1, |node| node.attempt);
                self.moot_dispatches.insert(effects::dispatch(&recorded.run_id, &event.node_id, attempt));
            }
            _ => {}
        }
        if let (Event::WorkflowFailed(_), Some(run)) = (&recorded.event, &run) {
            let open = run.nodes.iter().filter(|(_, node)| node.status.is_open());
            let dispatches = open.map(|(id, node)| effects::dispatch(&recorded.run_id, id, node.attempt));
            self.moot_dispatches.extend(dispatches);
        }
        fold(&mut run, recorded).breaks(Invariant::OneSequence)?;
        if let Some(run) = run {
            self.states.entry(recorded.run_id.clone()).or_default().push(run.clone());
            self.runs.insert(recorded.run_id.clone(), run);
        }
        Ok(())
    }

    /// A run lasts seconds here, and a repeated request is recognised for a day: another one begins only where someone
    /// takes up the last one, which has failed.
    fn one_run_per_workflow(&mut self, recorded: &Recorded) -> Result<(), Fault> {
        let Event::WorkflowStarted(started) = &recorded.event else {
            let what = format!("run {} begins with {}", recorded.run_id, recorded.event.name());
            return Err(Invariant::OneSequence.broken(what));
        };
        self.descended += usize::from(started.lineage.is_some());
        let Some(last) = self.workflows.insert(recorded.workflow_id.clone(), recorded.run_id.clone()) else {
            return Ok(());
        };
        let lineage = started.lineage.as_ref().filter(|lineage| lineage.kind == LineageKind::Redrive);
        let takes_up_the_last = lineage.is_some_and(|lineage| lineage.run_id == last);
        let status = self.runs.get(&last).map(|run| run.status);
        Invariant::OneRunPerWorkflow.holds(takes_up_the_last && status == Some(Status::Failed), || {
            format!("workflow {:?} is started again after run {last}, which is {status:?}", recorded.workflow_id)
        })?;
        let ended_at = self.runs.get(&last).and_then(|run| run.ended_at);
        Invariant::OneRunPerWorkflow.holds(ended_at < Some(recorded.time), || {
            format!("run {} begins when run {last} ends, and nobody could say which is the later", recorded.run_id)
        })
    }

    fn breakers_are_kept(&self, recorded: &Recorded) -> Result<(), Fault> {
        let Event::NodeScheduled(event) = &recorded.event else { return Ok(()) };
        let breaker = self.breakers.get(&event.agent_name);
        let may_be_called = breaker.is_none_or(|breaker| breaker.status != BreakerStatus::Open);
        Invariant::BreakersAreKept
            .holds(may_be_called, || format!("{} is called while its breaker is open", event.agent_name))
    }

    /// Every run has ended.
    pub(super) fn every_request_ends(&self) -> Result<(), Fault> {
        match self.runs.values().find(|run| !run.status.has_ended()) {
            Some(run) => {
                let what = format!("run {} of {:?} has not ended: {}", run.run_id, run.workflow_id, run.status);
                Err(Invariant::EveryRequestEnds.broken(what))
            }
            None => Ok(()),
        }
    }
}

/// A step's time is the log's, as far as its owner can know it.
fn time_is_the_logs(step: &Step, record: &Record, clocks: Clocks) -> Result<(), Fault> {
    let wrong = step.time.since(record.time).max(record.time.since(step.time));
    // A clock that is set between two records of its own misleads its engine until the next.
    let is_right = clocks == Clocks::Jumping || wrong <= CLOCK_TOLERANCE;
    Invariant::TimeIsTheLogs.holds(is_right, || format!("its time is {wrong:?} off the log's"))
}

fn says_lost(transition: &Transition, topic: &str) -> bool {
    transition.events.iter().any(|body| {
        matches!(decode(body), Ok(Published::Partition(recorded))
            if matches!(&recorded.event, PartitionEvent::InputLost(lost) if lost.topic == topic))
    })
}
