//! One partition's life in the projector: start from the store, check that the journal is still there, follow it,
//! commit.

mod check;

use super::codec::Codec;
use super::folding::{Decoded, Folding};
use super::{Progress, ProjectorError, StoreAnswer};
use crate::core::time::Timestamp;
use crate::journal::record::{InputRecord, JournalRecord, Step};
use crate::journal::rule::{ReadersRule, Verdict};
use crate::log::{Delivery, Record};
use crate::planted::{Bug, is_planted};
use crate::store::row::ProjectionBatch;
use crate::store::{JournalMark, Position, Store, StoreError};
use crate::wire::WireError;
use bytes::Bytes;
use std::collections::VecDeque;

/// A batch has at most so many records and (about) so many bytes: enough to make the cost of a transaction
/// disappear, small enough to be written in well under a second.
pub const MAX_BATCH_RECORDS: usize = 2_000;
/// See [`MAX_BATCH_RECORDS`].
pub const MAX_BATCH_BYTES: usize = 8 << 20;
/// What may wait to be folded, in bytes: two batches, so that reading goes on during a commit.
const MAX_QUEUE_BYTES: usize = 2 * MAX_BATCH_BYTES;

/// Where a partition stands.
enum Stage {
    /// The store has to be asked.
    Unstarted,
    /// Records below the store's position are read: they seed the readers' rule and show that the journal is the
    /// one the store was projected from.
    Checking {
        /// The record that the position remembers, until it has come by.
        mark: Option<JournalMark>,
        /// Where the position stands.
        until: u64,
    },
    /// Records are folded.
    Following,
    /// It goes no further.
    Stopped(ProjectorError),
}

/// The projector of one partition, without its reader.
pub struct Part {
    partition: u32,
    codec: Codec,
    stage: Stage,
    rule: ReadersRule,
    folding: Folding,
    queue: VecDeque<Delivery>,
    queue_bytes: usize,
    /// A batch that the store has not taken yet, with its number of records.
    pending: Option<(ProjectionBatch, usize)>,
    /// Why it will stop once the batch before is in the store.
    halt: Option<ProjectorError>,
    committed: u64,
    events: u64,
    at_end: bool,
    /// Why the store did not take what it was last given.
    away: Option<StoreError>,
}

impl Part {
    /// A partition that has not been started.
    pub fn new(partition: u32, codec: Codec) -> Self {
        Self {
            partition,
            codec,
            stage: Stage::Unstarted,
            rule: ReadersRule::default(),
            folding: Folding::new(partition, None, codec.chain),
            queue: VecDeque::new(),
            queue_bytes: 0,
            pending: None,
            halt: None,
            committed: 0,
            events: 0,
            at_end: false,
            away: None,
        }
    }

    /// Its number.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Whether it has to be started before anything else.
    pub fn wants_start(&self) -> bool {
        matches!(self.stage, Stage::Unstarted)
    }

    /// Whether it has room for more records.
    pub fn wants_records(&self) -> bool {
        matches!(self.stage, Stage::Checking { .. } | Stage::Following)
            && self.pending.is_none()
            && self.halt.is_none()
            && self.queue_bytes < MAX_QUEUE_BYTES
    }

    /// Whether [`Part::advance`] has something to do.
    pub fn has_work(&self) -> bool {
        !self.is_stopped() && (self.pending.is_some() || self.halt.is_some() || !self.queue.is_empty())
    }

    /// Whether a whole batch is there.
    pub fn is_full(&self) -> bool {
        self.pending.is_some() || self.queue.len() >= MAX_BATCH_RECORDS || self.queue_bytes >= MAX_BATCH_BYTES
    }

    /// Why the store did not take what it was last given; none: it did.
    pub fn why_away(&self) -> Option<&StoreError> {
        self.away.as_ref()
    }

    /// How many events it has folded.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether it goes no further.
    pub fn is_stopped(&self) -> bool {
        matches!(self.stage, Stage::Stopped(_))
    }

    /// Asks the store where it stands. The offset from which the journal has to be read; `None` while the store is
    /// away.
    pub fn start(&mut self, store: &dyn Store) -> Result<Option<u64>, ProjectorError> {
        // What has ended is of no interest here: no event of it can come any more.
        let snapshot = match store.snapshot(self.partition, Timestamp(i64::MAX), 0) {
            Ok(snapshot) => snapshot,
            Err(fault) => return self.store_fault(store, fault).map(|()| None),
        };
        self.store_is_back(store);
        (self.rule, self.at_end) = (ReadersRule::default(), false);
        self.queue.clear();
        (self.queue_bytes, self.pending, self.halt) = (0, None, None);
        let position = snapshot.as_ref().map(|snapshot| &snapshot.position);
        let (mark, until) = position.map_or((None, 0), |position| (position.mark, position.next_offset));
        self.stage = if until == 0 { Stage::Following } else { Stage::Checking { mark, until } };
        self.committed = until;
        self.folding = Folding::new(self.partition, snapshot, self.codec.chain);
        tracing::info!(partition = self.partition, next_offset = until, "projecting the journal");
        Ok(Some(mark.map_or(0, |mark| mark.offset)))
    }

    /// Takes what the reader hands out.
    pub fn offer(&mut self, delivery: Delivery) {
        if self.wants_start() || self.is_stopped() {
            return;
        }
        self.queue_bytes += weight(&delivery);
        self.queue.push_back(delivery);
    }

    /// Folds what has been offered, up to one batch, and commits it.
    pub fn advance(&mut self, store: &dyn Store) -> Result<Progress, ProjectorError> {
        if let Stage::Stopped(error) = &self.stage {
            return Err(error.clone());
        }
        if self.pending.is_none() {
            self.fold_a_batch()?;
        }
        let Some((mut batch, records)) = self.pending.take() else {
            return match self.halt.take() {
                Some(error) => Err(self.stop(error)),
                None => Ok(self.progress(StoreAnswer::Done)),
            };
        };
        batch.results.retain(|_| !is_planted(Bug::ProjectsNoResults));
        match store.commit(&batch) {
            Ok(()) => {
                self.store_is_back(store);
                self.committed = batch.next.next_offset;
                self.folding.committed(batch);
                Ok(Progress { committed: records, ..self.progress(StoreAnswer::Done) })
            }
            Err(fault @ StoreError::Fenced { .. }) => {
                tracing::info!(partition = self.partition, "{fault}; its state is read anew");
                self.stage = Stage::Unstarted;
                Ok(self.progress(StoreAnswer::Fenced))
            }
            Err(StoreError::MadeAnew { .. }) => Ok(self.load_anew()),
            Err(fault) => {
                self.pending = Some((batch, records));
                self.store_fault(store, fault)?;
                Ok(self.progress(StoreAnswer::Away))
            }
        }
    }

    /// With nothing to commit: whether the store still is where it was. A database that crashed may have lost its last
    /// commits, and no commit would find out as long as no record comes.
    pub fn verify(&mut self, store: &dyn Store) -> Result<Progress, ProjectorError> {
        if self.wants_start() || self.has_work() {
            return Ok(self.progress(StoreAnswer::Done));
        }
        match store.position(self.partition) {
            Ok(found) if found.as_ref() == self.folding.stored() => {
                self.store_is_back(store);
                Ok(self.progress(StoreAnswer::Done))
            }
            Ok(found) if self.is_of_other_tables(found.as_ref()) => Ok(self.load_anew()),
            Ok(found) => {
                let found = found.map_or(0, |position| position.next_offset);
                let (partition, expected) = (self.partition, self.committed);
                tracing::info!(partition, expected, found, "the store has moved; its state is read anew");
                self.stage = Stage::Unstarted;
                Ok(self.progress(StoreAnswer::Fenced))
            }
            Err(fault) => self.store_fault(store, fault).map(|()| self.progress(StoreAnswer::Away)),
        }
    }

    /// A partition that has been stopped may go on once its tables have been made anew: what stopped it may have stood in
    /// them. Whether it does.
    pub fn may_go_on(&mut self, store: &dyn Store) -> bool {
        let may = self.is_stopped()
            && store.position(self.partition).is_ok_and(|found| self.is_of_other_tables(found.as_ref()));
        if may {
            self.load_anew();
        }
        may
    }

    fn is_of_other_tables(&self, found: Option<&Position>) -> bool {
        let loaded = self.folding.stored().map_or(0, |position| position.generation);
        found.is_some_and(|found| found.generation != loaded)
    }

    /// What was loaded may have been wrong, and is never written again.
    fn load_anew(&mut self) -> Progress {
        tracing::info!(
            partition = self.partition,
            "the tables have been made anew; the state that was loaded from the old ones is dropped and loaded again"
        );
        self.stage = Stage::Unstarted;
        self.progress(StoreAnswer::MadeAnew)
    }

    /// Makes the next batch. What was read before a fault of the journal still goes into the store, but for a broken
    /// history, of which a part may have been folded.
    fn fold_a_batch(&mut self) -> Result<(), ProjectorError> {
        if self.halt.is_none() {
            self.halt = self.digest().err();
        }
        if let Some(error @ ProjectorError::BrokenHistory { .. }) = &self.halt {
            let error = error.clone();
            return Err(self.stop(error));
        }
        let records = self.folding.records();
        self.pending = self.folding.take_batch().map(|batch| (batch, records));
        Ok(())
    }

    /// What can be said of a poll that committed nothing.
    pub fn progress(&self, store: StoreAnswer) -> Progress {
        let caught_up = self.at_end && self.queue.is_empty() && self.pending.is_none() && !self.wants_start();
        let void_records = self.rule.void_records;
        Progress { committed: 0, next_offset: self.committed, void_records, caught_up, store }
    }

    fn stop(&mut self, error: ProjectorError) -> ProjectorError {
        tracing::error!(partition = self.partition, "{error}");
        self.stage = Stage::Stopped(error.clone());
        error
    }

    /// Says once that the store is away; what will not heal by waiting stops the partition.
    fn store_fault(&mut self, store: &dyn Store, fault: StoreError) -> Result<(), ProjectorError> {
        if let StoreError::Newer { .. } = fault {
            return Err(self.stop(ProjectorError::Store { partition: self.partition, fault }));
        }
        if self.away.is_none() {
            let at = store.describe();
            tracing::warn!(partition = self.partition, at, "{fault}; workflows go on, the projection will catch up");
        }
        self.away = Some(fault);
        Ok(())
    }

    fn store_is_back(&mut self, store: &dyn Store) {
        if self.away.take().is_some() {
            tracing::info!(partition = self.partition, at = store.describe(), "the store answers again");
        }
    }

    /// Folds what has been offered, up to one batch.
    fn digest(&mut self) -> Result<(), ProjectorError> {
        let mut bytes = 0;
        while self.folding.records() < MAX_BATCH_RECORDS && bytes < MAX_BATCH_BYTES {
            let Some(delivery) = self.queue.pop_front() else { break };
            let weight = weight(&delivery);
            self.queue_bytes -= weight;
            bytes += weight;
            match delivery {
                Delivery::Record(record) => {
                    self.at_end = false;
                    self.record(&record)?;
                }
                Delivery::End { offset, .. } => {
                    self.reached_end(offset)?;
                    self.at_end = true;
                }
                Delivery::Lost { wanted, low, high, .. } => {
                    // Removed at the beginning; lost at the end; or lost at the end and appended anew since.
                    let (from, to) =
                        if wanted < low { (wanted, low) } else { (high.min(wanted.saturating_sub(1)), wanted) };
                    return Err(self.lost(from, to, format!("the journal now holds offsets {low} to {high}")));
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<(), ProjectorError> {
        let decoded = self.decode(record)?;
        match self.stage {
            Stage::Checking { mark, until } if record.offset < until => {
                return self.check(record.offset, mark, until, decoded.as_ref());
            }
            Stage::Checking { mark: Some(mark), until } => {
                return Err(self.lost(mark.offset, until, format!("expected {mark:?}, found nothing")));
            }
            Stage::Checking { mark: None, .. } => self.stage = Stage::Following,
            Stage::Following | Stage::Unstarted | Stage::Stopped(_) => {}
        }
        self.follow(record.offset, decoded.as_ref())
    }

    /// Reads a record; `None`: nobody who keeps to the format wrote it, so it cannot count.
    fn decode(&self, record: &Record) -> Result<Option<JournalRecord>, ProjectorError> {
        let empty = Bytes::new();
        match (self.codec.record)(record.value.as_ref().unwrap_or(&empty)) {
            Ok(decoded) => Ok(Some(decoded)),
            Err(fault @ WireError::Newer { .. }) => {
                Err(ProjectorError::Unreadable { partition: self.partition, offset: record.offset, fault })
            }
            Err(fault) => {
                tracing::error!(partition = self.partition, offset = record.offset, "{fault}: this record is void");
                Ok(None)
            }
        }
    }

    fn follow(&mut self, offset: u64, record: Option<&JournalRecord>) -> Result<(), ProjectorError> {
        let Some(record) = record else {
            self.rule.void_records += 1;
            self.folding.void(offset);
            return Ok(());
        };
        match (self.rule.read(record), record) {
            (Verdict::Counts, JournalRecord::PartitionTaken(taken)) => self.folding.taken(offset, taken),
            (Verdict::Counts, JournalRecord::Step(step)) => self.step(offset, step)?,
            (verdict, _) => {
                let void_records = self.rule.void_records;
                tracing::warn!(partition = self.partition, offset, ?verdict, void_records, "void journal record");
                self.folding.void(offset);
            }
        }
        Ok(())
    }

    fn step(&mut self, offset: u64, step: &Step) -> Result<(), ProjectorError> {
        let partition = self.partition;
        let bodies = step.transitions.iter().flat_map(|of| of.events.iter().map(|body| (body, &of.input)));
        let decode = |(body, input): (&Bytes, &Option<InputRecord>)| {
            let event = (self.codec.event)(body)?;
            Ok(Decoded { body: body.clone(), event, input: input.clone() })
        };
        let events: Result<Vec<Decoded>, WireError> = bodies.map(decode).collect();
        let events = events.map_err(|fault| ProjectorError::Unreadable { partition, offset, fault })?;
        self.events += events.len() as u64;
        let folded = self.folding.step(offset, step, &events);
        folded.map_err(|fault| ProjectorError::BrokenHistory { partition, offset, fault })
    }
}

/// What a delivery holds in memory, about.
fn weight(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Record(record) => 256 + record.value.as_ref().map_or(0, Bytes::len),
        Delivery::End { .. } | Delivery::Lost { .. } => 64,
    }
}
