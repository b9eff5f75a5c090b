//! What the journal says: the events of its counting steps, in order, each as it has to be on the stream.

use super::{Counting, EventId, Expected, Fault, Kind, Parts, VerifyError};
use crate::history::cursor::Cursor;
use crate::installation::records::read_one;
use crate::journal::record::{EffectsThrough, JournalRecord, Step, Transition};
use crate::journal::rule::{ReadersRule, Verdict};
use crate::log::{Record, Topic};
use crate::wire::event::{self, Published};
use crate::wire::{WireError, chain, journal};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Among so many records of the journal there is one that says up to where all is done: each step does.
const TAIL: u64 = 256;

/// The hash chains of the runs that have not ended, and of the partition, by subject.
#[derive(Default)]
pub(super) struct Chains {
    told: BTreeMap<String, [u8; 16]>,
    /// Of what stands before the journal's first record, by the stream alone. Apart, since the journal is read ahead.
    early: BTreeMap<String, [u8; 16]>,
}

impl Chains {
    /// The chain of a subject; none: it is not known.
    pub(super) fn get(&self, subject: &str) -> Option<[u8; 16]> {
        self.told.get(subject).or_else(|| self.early.get(subject)).copied()
    }

    /// The same before the journal begins.
    pub(super) fn get_early(&self, subject: &str) -> Option<[u8; 16]> {
        self.early.get(subject).copied()
    }

    /// The chain after an event of the journal. A run that has ended is forgotten.
    pub(super) fn set(&mut self, id: &EventId, published: &Published, chain: [u8; 16]) {
        Self::set_in(&mut self.told, id, published, chain);
    }

    /// The chain after an event before the journal.
    pub(super) fn set_early(&mut self, id: &EventId, published: &Published, chain: [u8; 16]) {
        Self::set_in(&mut self.early, id, published, chain);
    }

    fn set_in(of: &mut BTreeMap<String, [u8; 16]>, id: &EventId, published: &Published, chain: [u8; 16]) {
        match published {
            Published::Run(recorded) if recorded.event.ends_the_run() => drop(of.remove(&id.subject)),
            _ => drop(of.insert(id.subject.clone(), chain)),
        }
    }
}

/// Reads the journal as it is asked for events.
pub(super) struct Told<'a> {
    parts: Parts<'a>,
    cursor: Cursor,
    rule: ReadersRule,
    /// Whether the journal begins with what it began with.
    is_whole: bool,
    next: VecDeque<Expected>,
    /// Records that do not count.
    void: BTreeSet<u64>,
    /// Everything up to there had been done when the stream was asked for its end.
    through: Option<EffectsThrough>,
    /// The first offset that is there.
    pub(super) low: u64,
    /// How many records were read.
    pub(super) records: u64,
}

impl<'a> Told<'a> {
    /// Reads the journal between its first offset and `end`. Up to `sure` it was there before the stream was asked for
    /// its end.
    pub(super) fn new(parts: Parts<'a>, low: u64, sure: u64, end: u64) -> Result<Self, VerifyError> {
        Ok(Self {
            parts,
            cursor: Cursor::new(parts.log, &Topic::Journal, parts.partition, low, end)?,
            rule: ReadersRule::default(),
            is_whole: low == 0,
            next: VecDeque::new(),
            void: BTreeSet::new(),
            through: done_through(parts, low, sure)?,
            low,
            records: 0,
        })
    }

    /// The next event.
    pub(super) fn peek(&mut self, chains: &mut Chains, to: &mut Counting) -> Result<Option<&Expected>, VerifyError> {
        while self.next.is_empty() {
            let Some(record) = self.cursor.read()? else { break };
            self.records += 1;
            self.read(&record, chains, to)?;
        }
        Ok(self.next.front())
    }

    /// Takes the event that was looked at.
    pub(super) fn take(&mut self) -> Option<Expected> {
        self.next.pop_front()
    }

    /// How many records do not count.
    pub(super) fn void_records(&self) -> u64 {
        self.rule.void_records
    }

    /// Whether an event had to be on the stream when that was asked for its end.
    pub(super) fn had_to_be_published(&self, event: &Expected) -> bool {
        self.through.is_some_and(|through| event.journal_offset <= through.offset)
    }

    fn read(&mut self, record: &Record, chains: &mut Chains, to: &mut Counting) -> Result<(), VerifyError> {
        let Some(decoded) = self.decoded(record)? else {
            self.rule.unreadable();
            self.void.insert(record.offset);
            return Ok(());
        };
        // The first record of a trimmed journal counts by construction.
        if let (false, JournalRecord::Step(step)) = (self.is_whole, &decoded) {
            self.rule = ReadersRule::seeded(step);
            self.is_whole = true;
        } else if self.rule.read(&decoded) != Verdict::Counts {
            self.void.insert(record.offset);
            return Ok(());
        }
        let JournalRecord::Step(step) = decoded else { return Ok(()) };
        self.step(record.offset, step, chains, to);
        Ok(())
    }

    /// `None`: nobody who keeps to the format wrote it, so it cannot count.
    fn decoded(&self, record: &Record) -> Result<Option<JournalRecord>, VerifyError> {
        let value = record.value.clone().unwrap_or_default();
        match journal::decode(&value) {
            Ok(decoded) => Ok(Some(decoded)),
            Err(fault @ WireError::Newer { .. }) => {
                Err(VerifyError::Newer { partition: record.partition, offset: record.offset, fault })
            }
            Err(_) => Ok(None),
        }
    }

    fn step(&mut self, offset: u64, step: Step, chains: &mut Chains, to: &mut Counting) {
        for transition in step.transitions {
            self.transition(offset, &transition, chains, to);
        }
    }

    fn transition(&mut self, offset: u64, transition: &Transition, chains: &mut Chains, to: &mut Counting) {
        let mut running = transition.chain;
        for (at, event) in events(self.parts.partition, offset, transition).into_iter().enumerate() {
            match event {
                Ok(mut event) => {
                    let known = chains.get(&event.id.subject).or((event.id.sequence == 1).then_some(chain::START));
                    if let (0, Some(known), true) = (at, known, known != Some(running)) {
                        to.fault(
                            Fault::new(
                                Kind::JournalChain,
                                self.parts.partition,
                                hex::encode(known),
                                hex::encode(running),
                            )
                            .of(&event),
                        );
                        // From here on by what the events say.
                        running = known;
                    }
                    running = chain::next(&running, &event.body);
                    event.chain = running;
                    chains.set(&event.id, &event.published, running);
                    self.next.push_back(event);
                }
                Err(fault) => to.fault(*fault),
            }
        }
    }

    /// The event with this id in a record that has been read already, and counts; none: it is not there.
    pub(super) fn look_back(&self, offset: u64, id: &EventId) -> Result<Option<Expected>, VerifyError> {
        if offset < self.low || self.void.contains(&offset) {
            return Ok(None);
        }
        self.look(offset, id)
    }

    /// The event with this id in a record of the journal, wherever it is.
    pub(super) fn look(&self, offset: u64, id: &EventId) -> Result<Option<Expected>, VerifyError> {
        let Some(record) = read_one(self.parts.log, &Topic::Journal, self.parts.partition, offset)? else {
            return Ok(None);
        };
        let Some(JournalRecord::Step(step)) = self.decoded(&record)? else { return Ok(None) };
        for transition in &step.transitions {
            let mut running = transition.chain;
            for event in events(self.parts.partition, offset, transition).into_iter().flatten() {
                running = chain::next(&running, &event.body);
                if event.id == *id {
                    return Ok(Some(Expected { chain: running, ..event }));
                }
            }
        }
        Ok(None)
    }
}

/// Up to where everything is known to be done, by what stands below an offset of the journal. That of a step that does
/// not count holds as well: its owner had seen those effects done.
fn done_through(parts: Parts, low: u64, below: u64) -> Result<Option<EffectsThrough>, VerifyError> {
    let mut tail =
        Cursor::new(parts.log, &Topic::Journal, parts.partition, below.saturating_sub(TAIL).max(low), below)?;
    let mut through = None;
    while let Some(record) = tail.read()? {
        if let Ok(JournalRecord::Step(step)) = journal::decode(&record.value.unwrap_or_default()) {
            through = through.max(step.effects_through);
        }
    }
    Ok(through)
}

/// The events of a transition, with the chain before the first of them.
fn events(partition: u32, offset: u64, transition: &Transition) -> Vec<Result<Expected, Box<Fault>>> {
    let read = |body: &bytes::Bytes| match event::decode(body) {
        Ok(published) => Ok(Expected {
            id: EventId::of(&published),
            published,
            body: body.clone(),
            chain: transition.chain,
            journal_offset: offset,
            traceparent: transition.traceparent.clone(),
            input: transition.input.clone(),
        }),
        Err(error) => {
            let fault = Fault::new(Kind::JournalUnreadable, partition, "an event", error.to_string());
            Err(Box::new(Fault { journal_offset: Some(offset), ..fault }))
        }
    };
    transition.events.iter().map(read).collect()
}
