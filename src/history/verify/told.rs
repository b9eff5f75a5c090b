//! What the journal says: the events of its counting steps, in order, each as it has to be on the stream.

use super::again::Again;
use super::{Counting, EventId, Expected, Fault, Kind, Parts, VerifyError, next_record};
use crate::journal::record::{EffectsThrough, JournalRecord, Step, Transition};
use crate::journal::rule::{ReadersRule, Verdict};
use crate::log::cursor::Cursor;
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
    early: BTreeMap<String, Link>,
}

/// The last event of a subject before the journal's first record.
struct Link {
    sequence: u64,
    chain: [u8; 16],
    /// Whether what is there begins after the subject's first event, and has no gap so far.
    is_beheaded: bool,
}

/// How an event stands to those of its subject that are known.
#[derive(PartialEq, Eq)]
pub(super) enum Place {
    /// It follows the event with this chain.
    After([u8; 16]),
    /// It follows one that has been removed, so that its chain is taken at its word.
    AfterRemoved,
    /// Its first record has been removed, and this is a further one.
    Repetition,
}

impl Place {
    /// The chain before it; none: it is not known.
    pub(super) fn chain(self) -> Option<[u8; 16]> {
        match self {
            Self::After(chain) => Some(chain),
            Self::AfterRemoved | Self::Repetition => None,
        }
    }
}

impl Chains {
    /// Where an event of the journal stands.
    pub(super) fn place(&self, id: &EventId) -> Place {
        self.told.get(&id.subject).map_or_else(|| self.of_early(id), |chain| Place::After(*chain))
    }

    /// Where an event before the journal stands, in a stream that has lost its beginning or not.
    pub(super) fn place_early(&self, id: &EventId, is_cut: bool) -> Place {
        let is_told = self.told.contains_key(&id.subject) && !self.early.contains_key(&id.subject);
        if is_cut && is_told { Place::Repetition } else { self.of_early(id) }
    }

    /// A stream that has lost its beginning can begin with further records of events whose first ones are gone, and what
    /// follows those need not be there: such a gap cannot be told from a removed record. It is let pass once.
    fn of_early(&self, id: &EventId) -> Place {
        match self.early.get(&id.subject) {
            None if id.sequence == 1 => Place::After(chain::START),
            None => Place::AfterRemoved,
            Some(last) if last.is_beheaded && id.sequence <= last.sequence => Place::Repetition,
            Some(last) if last.is_beheaded && id.sequence > last.sequence + 1 => Place::AfterRemoved,
            Some(last) => Place::After(last.chain),
        }
    }

    /// The chain after an event of the journal. A run that has ended is forgotten.
    pub(super) fn set(&mut self, id: &EventId, published: &Published, chain: [u8; 16]) {
        if ends_its_subject(published) {
            self.told.remove(&id.subject);
        } else {
            self.told.insert(id.subject.clone(), chain);
        }
    }

    /// The chain after an event before the journal, whose first record may have been removed or not.
    pub(super) fn set_early(&mut self, id: &EventId, published: &Published, chain: [u8; 16], may_be_repeated: bool) {
        let is_beheaded = match self.early.get(&id.subject) {
            None => may_be_repeated && id.sequence > 1,
            Some(last) => last.is_beheaded && id.sequence == last.sequence + 1,
        };
        if ends_its_subject(published) {
            self.early.remove(&id.subject);
        } else {
            self.early.insert(id.subject.clone(), Link { sequence: id.sequence, chain, is_beheaded });
        }
    }
}

fn ends_its_subject(published: &Published) -> bool {
    matches!(published, Published::Run(recorded) if recorded.event.ends_the_run())
}

/// Reads the journal as it is asked for events.
pub(super) struct Told<'a> {
    parts: Parts<'a>,
    cursor: Cursor,
    rule: ReadersRule,
    /// Whether the journal begins with what it began with.
    is_whole: bool,
    next: VecDeque<Expected>,
    /// What is read a second time.
    again: Again,
    /// Records that do not count.
    void: BTreeSet<u64>,
    /// Everything up to there had been done when the stream was asked for its end.
    through: Option<EffectsThrough>,
    /// The first offset that is there.
    pub(super) low: u64,
    /// The offset at which it ended when it was asked.
    end: u64,
    /// How many records were read.
    pub(super) records: u64,
}

impl<'a> Told<'a> {
    /// Reads the journal between its first offset and `end`. Up to `sure` it was there before the stream was asked for
    /// its end.
    pub(super) fn new(parts: Parts<'a>, low: u64, sure: u64, end: u64) -> Result<Self, VerifyError> {
        Ok(Self {
            parts,
            cursor: Cursor::new(parts.log, &Topic::Journal, parts.partition, low..end)?,
            rule: ReadersRule::default(),
            is_whole: low == 0,
            next: VecDeque::new(),
            again: Again::default(),
            void: BTreeSet::new(),
            through: done_through(parts, low, sure)?,
            low,
            end,
            records: 0,
        })
    }

    /// The next event.
    pub(super) fn peek(&mut self, chains: &mut Chains, to: &mut Counting) -> Result<Option<&Expected>, VerifyError> {
        while self.next.is_empty() {
            let Some(record) = next_record(&mut self.cursor)? else { break };
            self.records += 1;
            self.read(&record, chains, to)?;
        }
        Ok(self.next.front())
    }

    /// Whether an event that stands at this offset, if there is one, comes after what was taken.
    pub(super) fn is_to_come(&self, id: &EventId, offset: u64) -> bool {
        self.next.front().is_some_and(|next| offset > next.journal_offset)
            || self.next.iter().any(|next| next.id == *id)
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
        let Some(decoded) = decoded(record)? else {
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
                    let known = chains.place(&event.id).chain();
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
    pub(super) fn look_back(&mut self, offset: u64, id: &EventId) -> Result<Option<Expected>, VerifyError> {
        if offset < self.low || self.void.contains(&offset) {
            return Ok(None);
        }
        self.look(offset, id)
    }

    /// The event with this id in a record of the journal, wherever it is.
    pub(super) fn look(&mut self, offset: u64, id: &EventId) -> Result<Option<Expected>, VerifyError> {
        if offset >= self.end {
            return Ok(None);
        }
        let events = self.again.events(self.parts, offset, decoded)?;
        Ok(events.iter().find(|event| event.id == *id).cloned())
    }
}

/// `None`: nobody who keeps to the format wrote it, so it cannot count.
fn decoded(record: &Record) -> Result<Option<JournalRecord>, VerifyError> {
    let value = record.value.clone().unwrap_or_default();
    match journal::decode(&value) {
        Ok(decoded) => Ok(Some(decoded)),
        Err(fault @ WireError::Newer { .. }) => {
            Err(VerifyError::Newer { partition: record.partition, offset: record.offset, fault })
        }
        Err(_) => Ok(None),
    }
}

/// Up to where everything is known to be done, by what stands below an offset of the journal. That of a step that does
/// not count holds as well: its owner had seen those effects done.
fn done_through(parts: Parts, low: u64, below: u64) -> Result<Option<EffectsThrough>, VerifyError> {
    let tail = below.saturating_sub(TAIL).max(low)..below;
    let mut tail = Cursor::new(parts.log, &Topic::Journal, parts.partition, tail)?;
    let mut through = None;
    while let Some(record) = next_record(&mut tail)? {
        if let Ok(JournalRecord::Step(step)) = journal::decode(&record.value.unwrap_or_default()) {
            through = through.max(step.effects_through);
        }
    }
    Ok(through)
}

/// The events of a transition, with the chain before the first of them.
pub(super) fn events(partition: u32, offset: u64, transition: &Transition) -> Vec<Result<Expected, Box<Fault>>> {
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
