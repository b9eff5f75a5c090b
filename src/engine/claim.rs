//! Taking a partition: recover its state, append `PartitionTaken`, read on through one's own taking, and look where
//! publication stopped. Only then does anybody act.

use super::clock::CorrectedClock;
use super::io::Claimant;
use super::owner::Stop;
use super::partition::Env;
use super::state::{PartitionState, StateFault};
use super::step::Planned;
use super::tail::Tail;
use crate::core::time::Timestamp;
use crate::journal::record::{JournalRecord, Owner, PartitionTaken, Step, Transition};
use crate::journal::rule::Verdict;
use crate::log::{Delivery, LogError, Record, Topic};
use crate::planted::{Bug, is_planted};
use crate::store::{JournalMark, Snapshot};
use crate::wire::{WireError, journal};
use bytes::Bytes;
use rand::Rng;
use std::collections::VecDeque;

/// A taking under way.
pub struct Claim {
    claimant: Claimant,
    state: PartitionState,
    /// Steps at or above this offset are not in the store's state yet.
    fold_from: u64,
    /// The record that reading begins with: it counts by construction.
    seed: Option<u64>,
    /// A record that the store remembers: it must still be there, unchanged.
    mark: Option<JournalMark>,
    next: u64,
    end: u64,
    highest_term: u64,
    pending: VecDeque<CountedStep>,
    since: Timestamp,
    stage: Stage,
    clock: CorrectedClock,
}

/// How far a taking has come.
enum Stage {
    /// Reading to the end that the journal had.
    Reading,
    /// `PartitionTaken` is appended, and has not come by.
    Appended(Mine),
    /// It counts. Where publication stopped is looked for, and the definitions are read.
    Won {
        mine: Mine,
        /// Whether somebody owned the partition before, and decided nothing.
        careful: bool,
        /// Not known yet: none.
        tail: Option<Tail>,
    },
}

/// One's own taking.
#[derive(Clone, Copy)]
struct Mine {
    owner: Owner,
    term: u64,
    sent: Timestamp,
}

/// A counting step whose effects may not be done.
pub struct CountedStep {
    /// Its number.
    pub number: u64,
    /// Its offset.
    pub offset: u64,
    /// What it holds.
    pub transitions: Vec<Transition>,
}

impl CountedStep {
    /// What it holds, with its events at hand.
    ///
    /// # Errors
    /// Where an event cannot be read.
    pub fn planned(&self) -> Result<Vec<Planned>, Stop> {
        let planned = self.transitions.iter().map(Planned::of).collect::<Result<_, _>>();
        planned.map_err(|error| stop_at(self.offset, error))
    }
}

/// What an owner begins with.
pub struct Recovered {
    /// The state.
    pub state: PartitionState,
    /// Counting steps after `effects_through`.
    pub pending: VecDeque<CountedStep>,
    /// Where publication stopped.
    pub tail: Tail,
    /// One's own id.
    pub owner: Owner,
    /// One's own term.
    pub term: u64,
    /// Whether the first input has to be tried with care.
    pub careful: bool,
    /// The log's time, as far as the taking has taught it.
    pub clock: CorrectedClock,
}

/// How a taking goes.
pub enum Progress {
    /// It goes on.
    Under,
    /// Somebody else was first.
    Lost,
    /// Something is wrong; drop everything and try again.
    Stopped(Stop),
    /// The store's position does not fit the journal; begin at the journal's start.
    StoreUseless,
    /// Ours.
    Taken(Box<Recovered>),
}

impl Claim {
    /// Begins to read the journal, from the record that the snapshot's `effects_through` names.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn start(claimant: Claimant, snapshot: Option<Snapshot>, env: &mut Env) -> Result<Self, LogError> {
        let fold_from = snapshot.as_ref().map_or(0, |s| s.position.next_offset);
        let mark = snapshot.as_ref().and_then(|s| s.position.mark);
        let seed = snapshot.as_ref().and_then(|s| s.position.effects_through).map(|through| through.offset);
        let state = match snapshot {
            Some(snapshot) => PartitionState::restore(env.settings, snapshot),
            None => PartitionState::empty(env.settings),
        };
        let from = seed.unwrap_or(0);
        let end = env.io.ends(&Topic::Journal, claimant.partition)?.high;
        env.io.reader().assign(&Topic::Journal, claimant.partition, from)?;
        Ok(Self {
            claimant,
            state,
            fold_from,
            seed,
            mark,
            next: from,
            end,
            highest_term: 0,
            pending: VecDeque::new(),
            since: env.now,
            stage: Stage::Reading,
            clock: CorrectedClock::default(),
        })
    }

    /// Something was read.
    pub fn on_delivery(&mut self, delivery: Delivery, env: &mut Env) -> Progress {
        let read = match delivery {
            Delivery::Record(record) if record.topic == Topic::Journal => self.on_journal(&record, env),
            Delivery::Record(record) if record.topic == Topic::Events => {
                self.found(Tail::of(&record));
                Ok(None)
            }
            Delivery::End { topic: Topic::Journal, offset, .. } => self.reached_end(offset, env),
            Delivery::End { topic: Topic::Events, .. } | Delivery::Lost { topic: Topic::Events, .. } => {
                if let Stage::Won { tail: None, .. } = self.stage {
                    self.found(Tail::Empty);
                }
                Ok(None)
            }
            Delivery::Lost { topic: Topic::Journal, wanted, low, high, .. } => Ok(Some(
                self.journal_lost(format!("the record at offset {wanted} is gone: the journal holds {low} to {high}")),
            )),
            Delivery::Record(_) | Delivery::End { .. } | Delivery::Lost { .. } => Ok(None),
        };
        match read {
            Ok(Some(progress)) => progress,
            Ok(None) => self.tick(env),
            Err(stop) => Progress::Stopped(stop),
        }
    }

    /// Goes on: claims at the journal's end, ends when the taking and the tail are known.
    pub fn tick(&mut self, env: &mut Env) -> Progress {
        match &self.stage {
            Stage::Reading if self.next < self.end => Progress::Under,
            Stage::Reading if self.next < self.fold_from || self.mark.is_some() => {
                self.journal_lost(format!("the journal ends at offset {}", self.next))
            }
            Stage::Reading => {
                self.append_taken(env);
                Progress::Under
            }
            Stage::Appended(mine) if env.now.since(mine.sent) > env.settings.journal_timeout => {
                Progress::Stopped(Stop::NotReadBack)
            }
            // The runs that are taken over name their definitions by hash: what was there when the taking began is
            // needed. What has been won is not given away because nobody says how far that goes.
            Stage::Won { mine, careful, tail: Some(tail) }
                if env.definitions.up_to_date(self.since, env.now, env.io) =>
            {
                let (mine, careful, tail) = (*mine, *careful, tail.clone());
                Progress::Taken(Box::new(self.recovered(mine, careful, tail)))
            }
            Stage::Appended(_) | Stage::Won { .. } => Progress::Under,
        }
    }

    fn found(&mut self, end: Tail) {
        if let Stage::Won { tail, .. } = &mut self.stage {
            *tail = Some(end);
        }
    }

    /// A journal that ends below the end that was asked for has lost records since: its end is another one.
    fn reached_end(&mut self, offset: u64, env: &mut Env) -> Result<Option<Progress>, Stop> {
        self.next = self.next.max(offset);
        if self.next < self.end {
            self.end = env.io.ends(&Topic::Journal, self.claimant.partition).map_err(Stop::Log)?.high;
        }
        Ok(None)
    }

    fn on_journal(&mut self, record: &Record, env: &mut Env) -> Result<Option<Progress>, Stop> {
        if record.offset < self.next {
            return Ok(None);
        }
        self.next = record.offset + 1;
        let Some(decoded) = read_journal(record, &mut self.state)? else { return Ok(None) };
        if self.seed == Some(record.offset) {
            return Ok(self.plant_seed(&decoded, record.offset));
        }
        let fruitful = self.state.taking_was_fruitful;
        let had_owner = self.state.rule.current.is_some();
        let verdict = self.state.judge(&decoded);
        if let Some(lost) = self.check_mark(&decoded, record.offset, verdict) {
            return Ok(Some(lost));
        }
        match decoded {
            JournalRecord::PartitionTaken(taken) => {
                self.highest_term = self.highest_term.max(taken.term);
                match self.stage {
                    Stage::Appended(mine) if mine.owner == taken.owner => {
                        if verdict != Verdict::Counts {
                            return Ok(Some(Progress::Lost));
                        }
                        self.clock.observe(mine.sent, env.now, record.time);
                        self.stage = Stage::Won { mine, careful: had_owner && !fruitful, tail: None };
                        self.look_for_tail(env)?;
                    }
                    Stage::Won { .. } if verdict == Verdict::Counts => return Ok(Some(Progress::Lost)),
                    Stage::Reading | Stage::Appended(_) | Stage::Won { .. } => {}
                }
            }
            JournalRecord::Step(step) if verdict == Verdict::Counts => return self.on_counting(step, record.offset),
            JournalRecord::Step(_) => {}
        }
        Ok(None)
    }

    fn on_counting(&mut self, step: Step, offset: u64) -> Result<Option<Progress>, Stop> {
        if offset >= self.fold_from {
            match self.state.fold(&step) {
                Ok(()) => {}
                Err(StateFault::Wire(error)) => return Err(stop_at(offset, error)),
                // What counts fits what counted before it: the store's state is not what the journal says.
                Err(fault) if self.fold_from > 0 => {
                    return Ok(Some(self.journal_lost(format!("the step at offset {offset} does not fit: {fault}"))));
                }
                Err(fault) => return Err(Stop::Broken { offset, fault: fault.to_string() }),
            }
        }
        self.pending.push_back(CountedStep { number: step.number, offset, transitions: step.transitions });
        let through = self.state.effects_through.map_or(0, |through| through.step);
        while self.pending.front().is_some_and(|first| first.number <= through) {
            self.pending.pop_front();
        }
        Ok(None)
    }

    /// The first record that is read: all effects up to and including it are done.
    fn plant_seed(&mut self, record: &JournalRecord, offset: u64) -> Option<Progress> {
        let expected = self.state.effects_through.map(|through| through.step);
        match record {
            JournalRecord::Step(step) if Some(step.number) == expected => {
                self.state.rule = crate::journal::rule::ReadersRule::seeded(step);
                self.state.note_trying(step);
                self.highest_term = step.term;
                self.check_mark(record, offset, Verdict::Counts)
            }
            found => {
                let what = match found {
                    JournalRecord::Step(step) => format!("step {}", step.number),
                    JournalRecord::PartitionTaken(taken) => format!("the taking of term {}", taken.term),
                };
                Some(self.journal_lost(format!(
                    "expected step {} at offset {offset}, found {what}",
                    expected.unwrap_or_default()
                )))
            }
        }
    }

    /// Below the store's position stands the record that it remembers, and above that no step that counts: one that does
    /// has come where the journal has lost void records, and is not in the store's state.
    fn check_mark(&mut self, record: &JournalRecord, offset: u64, verdict: Verdict) -> Option<Progress> {
        if is_planted(Bug::TrustsTheStore) {
            self.mark = None;
            return None;
        }
        let Some(mark) = self.mark else {
            let JournalRecord::Step(step) = record else { return None };
            let is_unknown = verdict == Verdict::Counts && offset < self.fold_from;
            return is_unknown.then(|| {
                self.journal_lost(format!(
                    "expected no record that counts at offset {offset}, found step {}",
                    step.number
                ))
            });
        };
        if mark.offset != offset {
            return None;
        }
        let (term, owner, number) = match record {
            JournalRecord::Step(step) => (step.term, step.owner.0, Some(step.number)),
            JournalRecord::PartitionTaken(taken) => (taken.term, taken.owner.0, None),
        };
        if verdict == Verdict::Counts && (term, owner, number) == (mark.term, mark.owner, mark.number) {
            self.mark = None;
            return None;
        }
        Some(self.journal_lost(format!(
            "expected term {} and step {:?} at offset {offset}, found term {term} and step {number:?}",
            mark.term, mark.number
        )))
    }

    /// The journal is not the one that the store has projected. Never a silent reset: the store is not trusted until
    /// it has been rebuilt, and the partition is recovered from what the journal holds.
    fn journal_lost(&self, found: String) -> Progress {
        tracing::error!(
            partition = self.claimant.partition,
            from = self.seed.unwrap_or(0),
            to = self.fold_from,
            found,
            "JournalLost: the journal is not the one that was projected; the store is not trusted until it is rebuilt"
        );
        if self.fold_from == 0 && self.seed.is_none() {
            return Progress::Stopped(Stop::JournalLost(found));
        }
        Progress::StoreUseless
    }

    fn append_taken(&mut self, env: &mut Env) {
        let mut id = [0; 16];
        env.rng.fill_bytes(&mut id);
        let term = self.highest_term.max(self.state.rule.current.map_or(0, |(term, _)| term)) + 1;
        let taken = PartitionTaken {
            term,
            owner: Owner(id),
            time: env.now,
            group: env.settings.group.clone(),
            host: env.settings.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: env.io.cluster(),
        };
        self.stage = Stage::Appended(Mine { owner: Owner(id), term, sent: env.now });
        env.io.append_journal(self.claimant, journal::encode(&JournalRecord::PartitionTaken(taken)));
    }

    fn look_for_tail(&mut self, env: &mut Env) -> Result<(), Stop> {
        let partition = self.claimant.partition;
        let ends = env.io.ends(&Topic::Events, partition).map_err(Stop::Log)?;
        if ends.high == ends.low {
            self.found(Tail::Empty);
            return Ok(());
        }
        env.io.reader().assign(&Topic::Events, partition, ends.high - 1).map_err(Stop::Log)
    }

    fn recovered(&mut self, mine: Mine, careful: bool, tail: Tail) -> Recovered {
        Recovered {
            state: self.state.take(),
            pending: std::mem::take(&mut self.pending),
            tail,
            owner: mine.owner,
            term: mine.term,
            careful,
            clock: self.clock.clone(),
        }
    }
}

/// Reads a record of the journal. Bytes that are none are void; what a newer version wrote stops the partition.
pub fn read_journal(record: &Record, state: &mut PartitionState) -> Result<Option<JournalRecord>, Stop> {
    match journal::decode(record.value.as_ref().unwrap_or(&Bytes::new())) {
        Ok(decoded) => Ok(Some(decoded)),
        Err(error @ WireError::Newer { .. }) => Err(stop_at(record.offset, error)),
        Err(error) => {
            tracing::error!(partition = record.partition, offset = record.offset, %error,
                "a record of the journal cannot be read; it is void");
            state.rule.unreadable();
            Ok(None)
        }
    }
}

/// A record that cannot be followed stops the partition.
pub fn stop_at(offset: u64, error: WireError) -> Stop {
    let fault = error.to_string();
    if matches!(error, WireError::Newer { .. }) {
        Stop::Newer { offset, fault }
    } else {
        Stop::Broken { offset, fault }
    }
}
