//! The state of a partition: what folding the counting records of its journal gives.

use super::settings::EngineSettings;
use super::timer::Timer;
use super::window::DuplicateWindow;
use crate::core::apply::{HistoryFault, fold_first, fold_next};
use crate::core::breaker::{self, BreakerState};

use crate::core::event::{Event, PartitionEvent, Recorded, Trying};
use crate::core::frontier::Frontier;
use crate::core::id::{AgentName, WorkflowId};
use crate::core::json::Json;
use crate::core::run::{NodeRun, Run};
use crate::core::time::Timestamp;
use crate::journal::record::{EffectsThrough, InputPosition, JournalRecord, Step};
use crate::journal::rule::{ReadersRule, Verdict};
use crate::planted::{Bug, is_planted};
use crate::store::{EndedRun, Snapshot};
use crate::wire::event::{PartitionRecorded, Published};
use crate::wire::{WireError, chain, event};
use std::collections::{BTreeMap, HashMap};

/// A run in memory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its state.
    pub run: Run,
    /// The hash chain over its events.
    pub chain: [u8; 16],
    /// About how many bytes it holds: those of its events.
    pub bytes: usize,
    /// What it can do next; only owners have it.
    pub frontier: Option<Frontier>,
}

impl Entry {
    /// Whether it has something to do that no event will bring about: nodes that are ready, or that are to be undone.
    pub fn can_go_on(&self) -> bool {
        let ready = self.frontier.as_ref().is_some_and(|frontier| !frontier.ready().is_empty());
        if self.run.failed_node.is_some() { self.run.compensating } else { ready }
    }
}

/// The state of a partition.
#[derive(Clone, Debug)]
pub struct PartitionState {
    /// Who may write, and which step comes next.
    pub rule: ReadersRule,
    /// Unfinished runs.
    pub runs: HashMap<WorkflowId, Entry>,
    /// About how many bytes they hold.
    pub bytes: usize,
    /// Runs that have ended not long ago.
    pub window: DuplicateWindow,
    /// Where reading of each input topic goes on.
    pub inputs: BTreeMap<String, InputPosition>,
    /// Up to where all effects are known to be done.
    pub effects_through: Option<EffectsThrough>,
    /// How many events the partition itself has.
    pub sequence: u64,
    /// The hash chain over them.
    pub chain: [u8; 16],
    /// When the last step was decided.
    pub time: Timestamp,
    /// The input that is being tried, where nothing else has been decided since.
    pub trying: Option<Trying>,
    /// The circuit breakers that are not closed.
    pub breakers: BTreeMap<AgentName, BreakerState>,
    /// Whether the last taking has been followed by a step that decided something.
    pub taking_was_fruitful: bool,
}

/// Why a journal cannot be folded: a broken invariant, or a newer version's record.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateFault {
    /// An event does not follow from the state before it.
    #[error("{0}")]
    History(#[from] HistoryFault),
    /// A record cannot be read.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The numbers of a partition's own events are 1, 2, 3, …
    #[error("expected event {expected} of the partition, found event {found}")]
    PartitionSequence {
        /// The number that had to come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
}

impl PartitionState {
    /// The state before the first record.
    pub fn empty(settings: &EngineSettings) -> Self {
        Self {
            rule: ReadersRule::default(),
            runs: HashMap::new(),
            bytes: 0,
            window: DuplicateWindow::new(settings.duplicate_window, settings.duplicate_limit),
            inputs: BTreeMap::new(),
            effects_through: None,
            sequence: 0,
            chain: chain::START,
            time: Timestamp::default(),
            trying: None,
            breakers: BTreeMap::new(),
            taking_was_fruitful: true,
        }
    }

    /// The state that a store has projected. The rule is not part of it: it is seeded by the journal itself.
    pub fn restore(settings: &EngineSettings, snapshot: Snapshot) -> Self {
        let mut state = Self::empty(settings);
        for stored in snapshot.runs {
            let bytes = payload_bytes(&stored.run);
            let entry = Entry { run: stored.run, chain: stored.chain, bytes, frontier: None };
            state.bytes += bytes;
            state.runs.insert(entry.run.workflow_id.clone(), entry);
        }
        for ended in snapshot.ended.into_iter().filter(|_| !is_planted(Bug::ForgetsEndedRuns)) {
            state.window.insert(ended);
        }
        let position = snapshot.position;
        state.inputs = position.inputs.into_iter().map(|input| (input.topic.clone(), input)).collect();
        state.effects_through = position.effects_through;
        state.sequence = position.partition_sequence;
        state.chain = position.partition_chain;
        state.time = position.time;
        state.breakers = position.breakers;
        state
    }

    /// The state, leaving an empty one behind.
    pub fn take(&mut self) -> Self {
        let empty = Self::empty(&EngineSettings::default());
        std::mem::replace(self, empty)
    }

    /// Judges the next record by the readers' rule, without folding it.
    pub fn judge(&mut self, record: &JournalRecord) -> Verdict {
        let verdict = self.rule.read(record);
        if verdict == Verdict::Counts {
            match record {
                JournalRecord::PartitionTaken(_) => self.taking_was_fruitful = false,
                JournalRecord::Step(step) => self.note_trying(step),
            }
        }
        verdict
    }

    /// Notes which input is being tried, until another step follows. A step that only tries bears no fruit,
    /// and a mark decides nothing: it says neither that the owner got on, nor that the input was decided.
    pub fn note_trying(&mut self, step: &Step) {
        if step.transitions.is_empty() {
            return;
        }
        self.trying = tried(step);
        self.taking_was_fruitful |= self.trying.is_none();
    }

    /// Folds a counting step.
    ///
    /// # Errors
    /// Where it does not follow from the state: the journal, or the state that reading began with, is broken.
    pub fn fold(&mut self, step: &Step) -> Result<(), StateFault> {
        for transition in &step.transitions {
            for body in &transition.events {
                match event::decode(body)? {
                    Published::Run(recorded) => self.apply_run_event(&recorded, body)?,
                    Published::Partition(recorded) => self.apply_partition_event(&recorded, body)?,
                }
            }
        }
        self.inputs = step.positions.iter().map(|input| (input.topic.clone(), input.clone())).collect();
        self.effects_through = self.effects_through.max(step.effects_through);
        self.time = self.time.max(step.time);
        Ok(())
    }

    /// Folds an event of a run. A run that has ended moves into the window.
    ///
    /// # Errors
    /// Where it is not the run's next event.
    pub fn apply_run_event(&mut self, recorded: &Recorded, body: &[u8]) -> Result<(), HistoryFault> {
        let id = &recorded.workflow_id;
        if let Some(entry) = self.runs.get_mut(id) {
            fold_next(&mut entry.run, recorded)?;
            entry.chain = chain::next(&entry.chain, body);
            entry.bytes += weight(&recorded.event, body);
        } else {
            let (run, chain) = (fold_first(recorded)?, chain::next(&chain::START, body));
            self.runs.insert(id.clone(), Entry { run, chain, bytes: body.len(), frontier: None });
        }
        self.bytes += weight(&recorded.event, body);
        if recorded.event.ends_the_run() {
            self.retire(id);
        }
        Ok(())
    }

    /// Folds an event of the partition itself.
    ///
    /// # Errors
    /// Where it is not the partition's next event.
    pub fn apply_partition_event(&mut self, recorded: &PartitionRecorded, body: &[u8]) -> Result<(), StateFault> {
        let (expected, found) = (self.sequence + 1, recorded.sequence);
        if found != expected {
            return Err(StateFault::PartitionSequence { expected, found });
        }
        if let PartitionEvent::BreakerChanged(change) = &recorded.event {
            breaker::record(&mut self.breakers, change, recorded.time);
        }
        self.sequence = found;
        self.chain = chain::next(&self.chain, body);
        Ok(())
    }

    /// Whether a timer still means something.
    pub fn awaits(&self, timer: &Timer) -> bool {
        self.runs.get(&timer.workflow_id).is_some_and(|entry| timer.holds(&entry.run))
    }

    fn retire(&mut self, workflow_id: &WorkflowId) {
        if let Some(Entry { run, bytes, .. }) = self.runs.remove(workflow_id) {
            self.bytes -= bytes;
            self.window.insert(EndedRun {
                ended_at: run.ended_at.unwrap_or(run.time),
                workflow_id: run.workflow_id,
                run_id: run.run_id,
                payload_hash: run.payload_hash,
                origin: run.origin,
                status: run.status,
            });
        }
    }
}

/// How much longer an event makes what its run holds, at most: not by heartbeats, and not by inputs that it has already.
fn weight(event: &Event, body: &[u8]) -> usize {
    match event {
        Event::NodeStarted(_) | Event::NodeProgressed(_) | Event::NodeRetryScheduled(_) => 0,
        Event::NodeScheduled(event) if event.attempt > 1 => 0,
        Event::NodeFailed(event) => body.len() - event.input.as_ref().map_or(0, Json::len).min(body.len()),
        _ => body.len(),
    }
}

/// How many bytes of payloads a run holds.
fn payload_bytes(run: &Run) -> usize {
    let of_node = |node: &NodeRun| [&node.input, &node.output].into_iter().flatten().map(Json::len).sum::<usize>();
    run.input.len() + run.nodes.values().map(of_node).sum::<usize>()
}

/// The input that a step says is about to be tried, if that is what it says.
fn tried(step: &Step) -> Option<Trying> {
    let [transition] = step.transitions.as_slice() else { return None };
    let [body] = transition.events.as_slice() else { return None };
    match event::decode(body) {
        Ok(Published::Partition(PartitionRecorded { event: PartitionEvent::Trying(trying), .. })) => Some(trying),
        _ => None,
    }
}
