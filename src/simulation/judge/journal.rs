//! What a journal says: which records count, by the judge's own rule, and what follows from those.

use super::effects::{self, Due, EffectId, Performed};
use super::stream::{self, Stream};
use super::timeouts::Timeout;
use super::{Clocks, Forgotten, Graphs, memory};
use crate::core::apply::fold;
use crate::core::breaker::{self, BreakerState, BreakerStatus};
use crate::core::definition::graph::StandsBy;
use crate::core::event::{Event, NodeScheduled, PartitionEvent, Recorded};
use crate::core::frontier::Frontier;
use crate::core::id::{AgentName, RunId, WorkflowId};
use crate::core::run::{NodeRun, Run};
use crate::core::time::Timestamp;

use crate::core::status::NodeStatus;
use crate::engine::EngineSettings;
use crate::engine::state::PartitionState;
use crate::journal::record::{Cause, EffectsThrough, JournalRecord, Owner, PartitionTaken, Step, Transition};
use crate::journal::rule::Verdict;
use crate::log::memory::MemoryLog;
use crate::log::{Record, Topic};
use crate::wire::event::{Published, decode};
use crate::wire::{chain, journal, request};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How far a step's time may be from its append time: less than wrong clocks are wrong, and more than the longest that
/// an engine stands still, for that bounds what it can learn of the log's clock.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(400);

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
    workflows: BTreeSet<WorkflowId>,
    positions: BTreeMap<String, u64>,
    /// What follows from what counts, with the step.
    pub(super) due: BTreeMap<EffectId, Due>,
    /// What no step has said to be done.
    not_through: VecDeque<(u64, Item)>,
    /// What steps say to be done and is still to be looked for.
    claimed: Option<u64>,
    through: Option<EffectsThrough>,
    offsets: BTreeMap<u64, u64>,
    /// Effects that failed for good, by step, kind and workflow.
    failed: BTreeSet<(u64, String, Option<WorkflowId>)>,
    /// Dispatches that failed for good, and those of attempts that ended without having been heard of.
    moot_dispatches: BTreeSet<EffectId>,
    pub(super) failed_effects: usize,
    outcomes: BTreeMap<String, Vec<Outcome>>,
    /// Breakers that are not closed.
    breakers: BTreeMap<AgentName, BreakerState>,
    /// The bodies of each subject's events, with the chain after each.
    pub(super) stream: BTreeMap<String, Vec<(Bytes, [u8; 16])>>,
    pub(super) timeouts: Vec<Timeout>,
}

enum Item {
    Effect(EffectId),
    Publication { subject: String, sequence: u64 },
}

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
            workflows: BTreeSet::new(),
            positions: BTreeMap::new(),
            due: BTreeMap::new(),
            not_through: VecDeque::new(),
            claimed: None,
            through: None,
            offsets: BTreeMap::new(),
            failed: BTreeSet::new(),
            moot_dispatches: BTreeSet::new(),
            failed_effects: 0,
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
    pub(super) fn read(&mut self, log: &MemoryLog, graphs: &Graphs, clocks: Clocks) -> Result<(), String> {
        for record in log.records_from(&Topic::Journal, self.partition, self.next) {
            self.next = record.offset + 1;
            let value = record.value.as_ref().ok_or("a record without value")?;
            let decoded = journal::decode(value).map_err(|error| error.to_string())?;
            let counts = self.counts(&decoded);
            let verdict = self.state.judge(&decoded);
            if counts != (verdict == Verdict::Counts) {
                return Err(format!("the record at offset {} counts: {counts}, found {verdict:?}", record.offset));
            }
            match decoded {
                _ if !counts => self.void_records += 1,
                JournalRecord::PartitionTaken(taken) => self.taken(&taken)?,
                JournalRecord::Step(step) => {
                    self.step(&step, &record, graphs, clocks).map_err(|what| format!("step {}: {what}", step.number))?
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

    fn taken(&mut self, taken: &PartitionTaken) -> Result<(), String> {
        if !self.owners.insert(taken.owner) {
            return Err(format!("the owner of term {} is not a new one", taken.term));
        }
        self.current = Some((taken.term, taken.owner));
        self.takings += 1;
        Ok(())
    }

    fn step(&mut self, step: &Step, record: &Record, graphs: &Graphs, clocks: Clocks) -> Result<(), String> {
        self.last_number = step.number;
        self.offsets.insert(step.number, record.offset);
        for input in &step.positions {
            let before = self.positions.insert(input.topic.clone(), input.next).unwrap_or(0);
            let lost = step.transitions.iter().any(|transition| says_lost(transition, &input.topic));
            if input.next < before && !lost {
                return Err(format!("{} goes back from {before} to {}", input.topic, input.next));
            }
        }
        let wrong = step.time.since(record.time).max(record.time.since(step.time));
        // One that is set between two records of its own misleads its engine until the next.
        if clocks != Clocks::Jumping && wrong > CLOCK_TOLERANCE {
            return Err(format!("its time is {wrong:?} off the log's"));
        }
        self.claim_through(step)?;
        for transition in &step.transitions {
            self.transition(step, transition, graphs, clocks)?;
        }
        self.state.fold(step).map_err(|fault| fault.to_string())
    }

    /// `effects_through` names a counting step below this one, and never goes back.
    fn claim_through(&mut self, step: &Step) -> Result<(), String> {
        let Some(through) = step.effects_through else {
            return self.through.map_or(Ok(()), |before| Err(format!("effects_through is gone after {before:?}")));
        };
        let below = through.step < step.number && self.offsets.get(&through.step) == Some(&through.offset);
        if !below || self.through.is_some_and(|before| through < before) {
            return Err(format!("effects_through goes from {:?} to {through:?}", self.through));
        }
        self.through = Some(through);
        self.claimed = Some(through.step);
        Ok(())
    }

    fn transition(
        &mut self,
        step: &Step,
        transition: &Transition,
        graphs: &Graphs,
        clocks: Clocks,
    ) -> Result<(), String> {
        let mut after = transition.chain;
        let mut outcome = Some(Outcome::Decided);
        for body in &transition.events {
            let event = decode(body).map_err(|error| error.to_string())?;
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
                Published::Partition(recorded) => outcome = self.partition_event(&recorded.event),
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

    fn partition_event(&mut self, event: &PartitionEvent) -> Option<Outcome> {
        Some(match event {
            PartitionEvent::InputRefused(refused) => Outcome::Refused(refused.reason.clone()),
            PartitionEvent::InputRejected(rejected) => Outcome::Rejected(rejected.reason.clone()),
            PartitionEvent::InputForwarded(forwarded) => Outcome::Forwarded(forwarded.to_partition),
            PartitionEvent::EffectFailed(failed) => {
                self.failed_effects += 1;
                self.failed.insert((failed.step, failed.effect.clone(), failed.workflow_id.clone()));
                Outcome::Decided
            }
            PartitionEvent::InputLost(_) | PartitionEvent::DeadLetterHandled(_) => Outcome::Decided,
            PartitionEvent::Trying(_) => return None,
            PartitionEvent::BreakerChanged(change) => {
                breaker::record(&mut self.breakers, change, Timestamp::default());
                Outcome::Decided
            }
        })
    }

    fn run_event(&mut self, step: &Step, recorded: &Recorded, graphs: &Graphs, clocks: Clocks) -> Result<(), String> {
        let mut run = self.runs.remove(&recorded.run_id);
        match &run {
            Some(run) => check_event(recorded, run, graphs)?,
            // A run lasts seconds here, and a repeated request is recognised for a day.
            None if !self.workflows.insert(recorded.workflow_id.clone()) => {
                return Err(format!("workflow {:?} is started twice", recorded.workflow_id));
            }
            None => {}
        }
        if let Event::NodeScheduled(event) = &recorded.event
            && self.breakers.get(&event.agent_name).is_some_and(|breaker| breaker.status == BreakerStatus::Open)
        {
            return Err(format!("{} is called while its breaker is open", event.agent_name));
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
        if let (Event::WorkflowFailed(_), Some(run)) = (&recorded.event, &run) {
            let open = run.nodes.iter().filter(|(_, node)| node.status.is_open());
            let dispatches = open.map(|(id, node)| effects::dispatch(&recorded.run_id, id, node.attempt));
            self.moot_dispatches.extend(dispatches);
        }
        fold(&mut run, recorded).map_err(|fault| fault.to_string())?;
        self.runs.extend(run.map(|run| (recorded.run_id.clone(), run)));
        Ok(())
    }

    /// What a step says to be done is done: every effect and every publication of every step up to there, but those
    /// that failed for good and were recorded as that.
    pub(super) fn check_through(&mut self, performed: &Performed, stream: &Stream) -> Result<(), String> {
        let Some(claimed) = self.claimed.take() else { return Ok(()) };
        while let Some((step, item)) = self.not_through.pop_front() {
            if step > claimed {
                self.not_through.push_front((step, item));
                break;
            }
            let done = match &item {
                Item::Effect(id) => performed.has(id) || self.has_failed(id),
                Item::Publication { subject, sequence } => {
                    let body = self.stream.get(subject).and_then(|bodies| bodies.get(*sequence as usize - 1));
                    body.is_some_and(|(body, _)| stream.has(subject, *sequence, body))
                }
            };
            if !done {
                let what = match item {
                    Item::Effect(id) => id.to_string(),
                    Item::Publication { subject, sequence } => format!("the publication of {subject}/{sequence}"),
                };
                return Err(format!("effects_through {claimed} is over step {step}, whose effect is not done: {what}"));
            }
        }
        Ok(())
    }

    /// Whether it is recorded that an effect failed for good.
    pub(super) fn has_failed(&self, id: &EffectId) -> bool {
        let failed = |due: &Due| self.failed.contains(&(due.step, due.kind.to_owned(), due.workflow_id.clone()));
        self.moot_dispatches.contains(id) || self.due.get(id).is_some_and(failed)
    }

    /// Every run has ended.
    pub(super) fn check_ends(&self) -> Result<(), String> {
        match self.runs.values().find(|run| !run.status.has_ended()) {
            Some(run) => Err(format!("run {} of {:?} has not ended: {}", run.run_id, run.workflow_id, run.status)),
            None => Ok(()),
        }
    }
}

fn says_lost(transition: &Transition, topic: &str) -> bool {
    transition.events.iter().any(|body| {
        matches!(decode(body), Ok(Published::Partition(recorded))
            if matches!(&recorded.event, PartitionEvent::InputLost(lost) if lost.topic == topic))
    })
}

/// An event, held against the state before it.
fn check_event(recorded: &Recorded, run: &Run, graphs: &Graphs) -> Result<(), String> {
    let place = format!("event {} of run {}", recorded.sequence, run.run_id);
    if run.status.has_ended() && !recorded.event.ends_the_run() {
        return Err(format!("{place}: {} after the end", recorded.event.name()));
    }
    if recorded.time < run.time {
        return Err(format!("{place}: time runs backwards"));
    }
    match &recorded.event {
        Event::NodeScheduled(event) => {
            if let Some(node) = run.nodes.get(&event.node_id) {
                return check_retry(recorded, event, node, run).map_err(|fault| format!("{place}: {fault}"));
            }
            let graph = graphs.get(&run.definition.hash).ok_or("an unknown definition")?;
            let frontier = Frontier::of(run, graph).map_err(|failure| failure.message)?;
            let index = frontier.index(&event.node_id).ok_or_else(|| format!("{place}: an unknown node"))?;
            if let Some(StandsBy::Undo(of)) = frontier.graph.nodes[index].stands_by {
                return check_undo(run, &frontier, of).map_err(|fault| format!("{place}: {fault}"));
            }
            if run.failed_node.is_some() {
                return Err(format!("{place}: {} is scheduled after the run has failed", event.node_id));
            }
            if !frontier.ready().contains(&index) {
                return Err(format!("{place}: {} is scheduled before its dependencies", event.node_id));
            }
        }
        Event::NodeCompleted(event) => {
            let status = run.nodes.get(&event.node_id).map(|node| node.status);
            if !status.is_some_and(NodeStatus::is_open) {
                return Err(format!("{place}: {} completes while it is {status:?}", event.node_id));
            }
        }
        Event::NodeRecovered(event) => {
            let node = run.nodes.get(&event.node_id);
            if !node.is_some_and(|node| node.status == NodeStatus::Failed && node.handling.is_some()) {
                return Err(format!("{place}: {} is recovered and has not failed", event.node_id));
            }
        }
        Event::WorkflowFailed(event) if event.node_id.is_none() && event.code != "workflow_timeout" => {
            return Err(format!("{place}: the run fails by nothing: {}", event.message));
        }
        Event::WorkflowCompleted(_) if run.failed_node.is_some() => {
            return Err(format!("{place}: a run completes that has failed"));
        }
        _ => {}
    }
    Ok(())
}

/// What has completed is undone, once nothing else is under way, the last first.
fn check_undo(run: &Run, frontier: &Frontier, of: usize) -> Result<(), String> {
    let graph = &frontier.graph;
    let state = |index: usize| run.nodes.get(&graph.nodes[index].node.node_id);
    let completed = |index: usize| state(index).filter(|node| node.status == NodeStatus::Completed);
    let Some(undone) = completed(of).filter(|_| run.compensating) else {
        return Err(format!("{} is undone and has not completed", graph.nodes[of].node.node_id));
    };
    let waits = |i: &usize| {
        let undo = graph.nodes[*i].undo.is_some_and(|undo| state(undo).is_none());
        undo && completed(*i).is_some_and(|node| node.ended_by > undone.ended_by)
    };
    if let Some(later) = (0..graph.nodes.len()).find(waits) {
        let (first, later) = (&graph.nodes[of].node.node_id, &graph.nodes[later].node.node_id);
        return Err(format!("{first} is undone before {later}, which completed after it"));
    }
    match frontier.open() {
        0 => Ok(()),
        open => Err(format!("something is undone while {open} attempts are under way")),
    }
}

/// A further attempt of a node: awaited, due, and one of those that its policy allows.
fn check_retry(recorded: &Recorded, event: &NodeScheduled, node: &NodeRun, run: &Run) -> Result<(), String> {
    let what = format!("attempt {} of {}", event.attempt, event.node_id);
    if node.status != NodeStatus::AwaitingRetry || event.attempt != node.attempt + 1 {
        return Err(format!("{what} is scheduled while attempt {} is {}", node.attempt, node.status));
    }
    if node.due_at.is_none_or(|due| recorded.time < due) {
        return Err(format!("{what} is scheduled at {} and due at {:?}", recorded.time.0, node.due_at));
    }
    if event.attempt > run.settings.retry.max_retries + 1 {
        return Err(format!("{what}: there are at most {} retries", run.settings.retry.max_retries));
    }
    Ok(())
}
