//! A partition's journal folded into rows: what was read, decoded and found to count comes in, a batch goes out.

use super::rows::Rows;
use crate::core::apply::{HistoryFault, fold};
use crate::core::breaker;
use crate::core::event::{Event, NodeCompleted, NodeRecovered, PartitionEvent, Recorded};
use crate::core::id::{NodeId, RunId};
use crate::journal::record::{InputPosition, InputRecord, PartitionTaken, Step};
use crate::store::row::{ProjectionBatch, RunRow, partition_subject};
use crate::store::{JournalMark, Position, Snapshot, StoredRun};
use crate::wire::chain;
use crate::wire::event::{PartitionRecorded, Published};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// An event as it stands in the journal: its bytes, which the chain is made of, and what they say.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The bytes.
    pub body: Bytes,
    /// The event.
    pub event: Published,
    /// The input record that the journal keeps beside it.
    pub input: Option<InputRecord>,
}

/// The state of a partition between two commits.
pub struct Folding {
    partition: u32,
    chain: fn(&[u8; 16], &[u8]) -> [u8; 16],
    /// What the store says.
    expected: Option<Position>,
    /// Where the folded state stands.
    next: Position,
    /// Unfinished runs, without the outputs of their nodes, and those that ended since the last commit.
    runs: BTreeMap<RunId, StoredRun>,
    changed: BTreeSet<RunId>,
    rows: Rows,
    records: usize,
}

impl Folding {
    /// Goes on from what the store holds of a partition.
    pub fn new(partition: u32, snapshot: Option<Snapshot>, chain: fn(&[u8; 16], &[u8]) -> [u8; 16]) -> Self {
        let (expected, runs) = match snapshot {
            Some(snapshot) => (Some(snapshot.position), snapshot.runs),
            None => (None, Vec::new()),
        };
        Self {
            partition,
            chain,
            next: expected.clone().unwrap_or_else(at_the_start),
            expected,
            runs: runs.into_iter().map(|stored| (stored.run.run_id.clone(), without_outputs(stored))).collect(),
            changed: BTreeSet::new(),
            rows: Rows::default(),
            records: 0,
        }
    }

    /// Where the folded state stands.
    pub fn position(&self) -> &Position {
        &self.next
    }

    /// The position that the store had when it last answered.
    pub fn stored(&self) -> Option<&Position> {
        self.expected.as_ref()
    }

    /// How many journal records are in the batch so far.
    pub fn records(&self) -> usize {
        self.records
    }

    /// A record that does not count moves nothing but the place to read on from.
    pub fn void(&mut self, offset: u64) {
        self.records += 1;
        self.next.next_offset = offset + 1;
    }

    /// A taking that counts.
    pub fn taken(&mut self, offset: u64, taken: &PartitionTaken) {
        self.void(offset);
        // Until there is a step, the first taking is what the position is checked by.
        self.next.mark.get_or_insert(JournalMark { offset, term: taken.term, owner: taken.owner.0, number: None });
    }

    /// A step that counts, with its events.
    ///
    /// # Errors
    /// Where an event is not its run's next one: the journal is broken, and the batch must not be committed.
    pub fn step(&mut self, offset: u64, step: &Step, events: &[Decoded]) -> Result<(), HistoryFault> {
        for event in events {
            match &event.event {
                Published::Run(recorded) => self.run_event(Some(offset), recorded, &event.body)?,
                Published::Partition(recorded) => self.partition_event(Some(offset), recorded, event)?,
            }
        }
        self.void(offset);
        self.next.mark = Some(JournalMark { offset, term: step.term, owner: step.owner.0, number: Some(step.number) });
        for position in &step.positions {
            replace(&mut self.next.inputs, position);
        }
        self.next.effects_through = step.effects_through.or(self.next.effects_through);
        self.next.time = step.time;
        Ok(())
    }

    /// An event whose journal record is no more; the events before it have been folded. The position stays at the
    /// journal's start.
    ///
    /// # Errors
    /// As [`Folding::step`].
    pub fn early(&mut self, event: &Decoded) -> Result<(), HistoryFault> {
        self.records += 1;
        match &event.event {
            Published::Run(recorded) => self.run_event(None, recorded, &event.body),
            Published::Partition(recorded) => self.partition_event(None, recorded, event),
        }
    }

    fn run_event(&mut self, offset: Option<u64>, recorded: &Recorded, body: &[u8]) -> Result<(), HistoryFault> {
        let (mut run, previous) = match self.runs.remove(&recorded.run_id) {
            Some(stored) => (Some(stored.run), stored.chain),
            None => (None, chain::START),
        };
        fold(&mut run, recorded)?;
        // `fold` leaves a run behind wherever it succeeds.
        let Some(mut run) = run else { return Ok(()) };
        self.rows.run_event(recorded, &run, offset);
        match &recorded.event {
            Event::NodeCompleted(NodeCompleted { node_id, .. })
            | Event::NodeRecovered(NodeRecovered { node_id, .. }) => {
                forget_output(&mut run, node_id);
            }
            Event::WorkflowStarted(_) => run.nodes.values_mut().for_each(|node| node.output = None),
            _ => {}
        }
        if !self.changed.contains(&recorded.run_id) {
            self.changed.insert(recorded.run_id.clone());
        }
        let chain = (self.chain)(&previous, body);
        self.runs.insert(recorded.run_id.clone(), StoredRun { run, chain });
        Ok(())
    }

    fn partition_event(
        &mut self,
        offset: Option<u64>,
        recorded: &PartitionRecorded,
        decoded: &Decoded,
    ) -> Result<(), HistoryFault> {
        let expected = self.next.partition_sequence + 1;
        if recorded.sequence != expected {
            let run_id = partition_subject(self.partition);
            return Err(HistoryFault::Sequence { run_id, expected, found: recorded.sequence });
        }
        self.next.partition_sequence = recorded.sequence;
        self.next.partition_chain = (self.chain)(&self.next.partition_chain, &decoded.body);
        if let PartitionEvent::BreakerChanged(change) = &recorded.event {
            breaker::record(&mut self.next.breakers, change, recorded.time);
        }
        self.rows.partition_event(recorded, decoded.input.as_ref(), offset);
        Ok(())
    }

    /// Takes the batch out; `None` where nothing was read since the last one. The changed runs go with it, and come
    /// back with [`Folding::committed`].
    pub fn take_batch(&mut self) -> Option<ProjectionBatch> {
        if self.records == 0 {
            return None;
        }
        self.records = 0;
        let rows = std::mem::take(&mut self.rows);
        let changed = std::mem::take(&mut self.changed);
        let runs = changed.into_iter().filter_map(|run_id| self.runs.remove(&run_id));
        Some(ProjectionBatch {
            partition: self.partition,
            expected: self.expected.clone(),
            next: self.next.clone(),
            runs: runs.map(|stored| RunRow { run: stored.run, chain: stored.chain }).collect(),
            carried: rows.carried,
            results: rows.results,
            operations: rows.operations,
            errors: rows.errors,
            letters: rows.letters,
            handled: rows.handled.into_values().collect(),
            metrics: rows.metrics.into_values().collect(),
            offsets: Rows::offset_rows(rows.offsets),
            workflow_offsets: Rows::workflow_offset_rows(rows.workflow_offsets),
        })
    }

    /// The batch is in the store: goes on from there. Runs that have ended are forgotten.
    pub fn committed(&mut self, batch: ProjectionBatch) {
        self.expected = Some(batch.next);
        let unfinished = batch.runs.into_iter().filter(|row| row.run.ended_at.is_none());
        self.runs.extend(unfinished.map(|row| {
            let RunRow { run, chain } = row;
            (run.run_id.clone(), StoredRun { run, chain })
        }));
    }
}

/// The position of a partition of which nothing has been read.
fn at_the_start() -> Position {
    Position {
        next_offset: 0,
        mark: None,
        inputs: Vec::new(),
        effects_through: None,
        partition_sequence: 0,
        partition_chain: chain::START,
        time: crate::core::time::Timestamp(0),
        breakers: BTreeMap::new(),
        generation: 0,
    }
}

fn without_outputs(mut stored: StoredRun) -> StoredRun {
    for node in stored.run.nodes.values_mut() {
        node.output = None;
    }
    stored
}

/// The output is in its result's row; the state of the run does without. Those that were taken over have rows, too.
fn forget_output(run: &mut crate::core::run::Run, node_id: &NodeId) {
    if let Some(node) = run.nodes.get_mut(node_id) {
        node.output = None;
    }
}

fn replace(positions: &mut Vec<InputPosition>, new: &InputPosition) {
    match positions.iter_mut().find(|position| position.topic == new.topic) {
        Some(position) => position.clone_from(new),
        None => positions.push(new.clone()),
    }
}
