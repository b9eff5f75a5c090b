//! Journals into the shadow, up to given offsets.

use super::RebuildError;
use super::early::{self, Early};
use super::goal::{Positions, by_partition};
use crate::log::cursor::{PATIENCE, POLL, poll, silent};
use crate::log::{Delivery, Log, LogError, Reader, Topic};
use crate::projector::codec::Codec;
use crate::projector::part::Part;
use crate::projector::{ProjectorError, StoreAnswer};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The pause after the store did not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// How often is said how far it is.
const SAY_EVERY: Duration = Duration::from_millis(200);

/// How far reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The partition that is being read.
    pub partition: u32,
    /// Of all, with this one: which place it has among them, counted from 1.
    pub partitions: u32,
    /// Events that were folded so far.
    pub events: u64,
    /// Journal records that were read so far.
    pub records: u64,
    /// While the event stream is read instead of what the journal has lost: how far that is.
    pub stream: Option<Stretch>,
}

/// How far the event stream has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Records that were read.
    pub read: u64,
    /// Records that there are: reading ends where the journal begins, and that is before.
    pub at_most: u64,
}

/// The shadow, being filled.
pub struct Filling<'a> {
    log: &'a dyn Log,
    shadow: Arc<dyn Store>,
    reader: Box<dyn Reader>,
    parts: Vec<Part>,
    /// Of each partition, the next offset to be read; none before its first reading.
    next: BTreeMap<u32, u64>,
    records: u64,
    /// What came from the event stream.
    early: Vec<Early>,
}

impl<'a> Filling<'a> {
    /// Nothing is read yet.
    pub fn new(log: &'a dyn Log, shadow: Arc<dyn Store>, partitions: u32) -> Result<Self, LogError> {
        let parts = (0..partitions).map(|partition| Part::new(partition, Codec::WIRE)).collect();
        Ok(Self { log, shadow, reader: log.reader()?, parts, next: BTreeMap::new(), records: 0, early: Vec::new() })
    }

    /// Where the shadow stands.
    pub fn positions(&self) -> Result<Positions, RebuildError> {
        Ok(by_partition(self.shadow.query().positions()?))
    }

    /// Events that were folded, and records that were read.
    pub fn done(&self) -> (u64, u64) {
        let early: u64 = self.early.iter().map(|early| early.events).sum();
        (early + self.parts.iter().map(Part::events).sum::<u64>(), self.records)
    }

    /// What came from the event stream, because the journal has it no more.
    pub fn early(&self) -> &[Early] {
        &self.early
    }

    /// How many journal records stand between the shadow and a goal.
    pub fn records_to(&self, goal: &BTreeMap<u32, u64>) -> Result<u64, RebuildError> {
        let at = self.positions()?;
        let missing = |(partition, until): (&u32, &u64)| {
            let low = self.log.ends(&Topic::Journal, *partition)?.low;
            let next = at.get(partition).map_or(low, |position| position.next_offset);
            Ok(until.saturating_sub(next))
        };
        goal.iter().map(missing).sum::<Result<_, LogError>>().map_err(RebuildError::from)
    }

    /// Reads the journals of `goal` up to the offsets given there, and commits what they hold.
    pub fn fill(&mut self, goal: &BTreeMap<u32, u64>, say: &mut impl FnMut(Seen)) -> Result<(), RebuildError> {
        for (partition, until) in goal {
            self.fill_one(*partition, *until, say)?;
        }
        Ok(())
    }

    fn fill_one(&mut self, partition: u32, until: u64, say: &mut impl FnMut(Seen)) -> Result<(), RebuildError> {
        let index = partition as usize;
        let mut turn = Turn { heard: Instant::now(), said: Instant::now(), reached: false };
        if self.parts[index].wants_start() {
            self.begin(partition, say)?;
            self.start(index, &mut turn)?;
        }
        let from = self.next.get(&partition).copied().unwrap_or(0);
        if from >= until && !self.parts[index].has_work() {
            return Ok(());
        }
        self.reader.assign(&Topic::Journal, partition, from)?;
        while !turn.reached || self.parts[index].has_work() {
            if !turn.reached && self.parts[index].wants_records() && !self.parts[index].is_full() {
                self.read(index, until, &mut turn)?;
            }
            if turn.reached || self.parts[index].is_full() {
                self.commit(index, &mut turn)?;
            }
            if turn.said.elapsed() > SAY_EVERY {
                turn.said = Instant::now();
                say(self.seen(partition));
            }
        }
        self.reader.unassign(&Topic::Journal, partition)?;
        say(self.seen(partition));
        Ok(())
    }

    fn seen(&self, partition: u32) -> Seen {
        let (events, records) = self.done();
        Seen { partition, partitions: self.parts.len() as u32, events, records, stream: None }
    }

    /// Where nothing of the partition is in the shadow, and its journal has lost its beginning, that comes from the
    /// event stream.
    fn begin(&mut self, partition: u32, say: &mut impl FnMut(Seen)) -> Result<(), RebuildError> {
        let low = self.log.ends(&Topic::Journal, partition)?.low;
        if low > 0 && self.shadow.position(partition)?.is_none() {
            let (before, mut said) = (self.seen(partition), Instant::now());
            let early = early::fold(self.log, &*self.shadow, partition, low, |events, stretch| {
                if said.elapsed() > SAY_EVERY {
                    said = Instant::now();
                    say(Seen { events: before.events + events, stream: Some(stretch), ..before });
                }
            })?;
            say(Seen { events: before.events + early.events, stream: Some(early.read), ..before });
            self.early.push(early);
        }
        Ok(())
    }

    /// Asks the shadow where it stands.
    fn start(&mut self, index: usize, turn: &mut Turn) -> Result<(), RebuildError> {
        loop {
            let part = &mut self.parts[index];
            if let Some(offset) = part.start(&*self.shadow)? {
                self.next.insert(part.partition(), offset);
                return Ok(());
            }
            self.wait_for_store(index, turn)?;
        }
    }

    /// Offers what the reader hands out below `until`; what it has beyond is read again the next time.
    fn read(&mut self, index: usize, until: u64, turn: &mut Turn) -> Result<(), RebuildError> {
        let deliveries = poll(self.reader.as_mut(), POLL)?;
        if deliveries.is_empty() && turn.heard.elapsed() > PATIENCE {
            return Err(silent(&self.log.cluster(), &Topic::Journal).into());
        }
        let part = &mut self.parts[index];
        for delivery in deliveries {
            turn.heard = Instant::now();
            match &delivery {
                Delivery::Record(record) if record.offset >= until => turn.reached = true,
                Delivery::Record(record) => {
                    let next = record.offset + 1;
                    turn.reached |= next >= until;
                    self.next.insert(record.partition, next);
                    self.records += 1;
                    part.offer(delivery);
                }
                // Nothing more is there below the goal, or what was there is gone, which the part says.
                Delivery::End { .. } | Delivery::Lost { .. } => {
                    turn.reached = true;
                    part.offer(delivery);
                }
            }
            if turn.reached {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, index: usize, turn: &mut Turn) -> Result<(), RebuildError> {
        let progress = self.parts[index].advance(&*self.shadow)?;
        match progress.store {
            StoreAnswer::Done => {
                turn.heard = Instant::now();
                Ok(())
            }
            StoreAnswer::Away => self.wait_for_store(index, turn),
            StoreAnswer::Fenced | StoreAnswer::MadeAnew => {
                let partition = self.parts[index].partition();
                let words = "somebody else writes the tables that are being made anew";
                let fault = StoreError::Refused(words.to_owned());
                Err(ProjectorError::Store { partition, fault }.into())
            }
        }
    }

    /// The store did not take it; one that stays away as long as a log may ends the rebuild, and so does one that will never take it.
    fn wait_for_store(&self, index: usize, turn: &Turn) -> Result<(), RebuildError> {
        match self.parts[index].why_away() {
            Some(fault @ StoreError::Unreachable { .. }) if turn.heard.elapsed() > PATIENCE => {
                Err(fault.clone().into())
            }
            Some(StoreError::Unreachable { .. }) | None => {
                std::thread::sleep(PAUSE);
                Ok(())
            }
            Some(fault) => Err(fault.clone().into()),
        }
    }
}

/// Reading one partition once.
struct Turn {
    /// When log or store last gave something.
    heard: Instant,
    /// When was last said how far it is.
    said: Instant,
    /// The goal has been read.
    reached: bool,
}
