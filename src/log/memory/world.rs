//! The one state behind all handles: topics, processes, what is under way.

use super::faults::Faults;
use super::flight::{AppenderState, Orphan};
use super::group::GroupState;
use super::trace::{Happening, Trace, What};
use super::{Clock, ProcessId};
use crate::core::time::Timestamp;
use crate::log::{Ends, LogError, NewRecord, Record, Token, Topic};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// A topic's partition.
pub(super) type Place = (Topic, u32);

/// Which incarnation of a process a part belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) process: ProcessId,
    pub(super) incarnation: u32,
}

#[derive(Default)]
struct Process {
    incarnation: u32,
    frozen: bool,
    /// What happens to it before an operation, and after how many others.
    doom: Option<(u32, Doom)>,
}

/// What may happen to a process in the middle of what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doom {
    /// It dies.
    Dies,
    /// It stands still.
    Freezes,
}

/// How a part's process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Alive,
    Frozen,
    Dead,
}

pub(super) struct TopicState {
    pub(super) settings: Vec<(String, String)>,
    pub(super) partitions: Vec<Vec<Record>>,
    /// Partitions that lost their last records, and where they ended then.
    pub(super) losses: Vec<(u32, u64)>,
}

pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) seed: u64,
    pub(super) rng: StdRng,
    pub(super) faults: Faults,
    pub(super) topics: BTreeMap<Topic, TopicState>,
    processes: BTreeMap<ProcessId, Process>,
    pub(super) appenders: BTreeMap<u64, AppenderState>,
    /// Records that nobody waits for any more, each row in order.
    pub(super) orphans: Vec<Orphan>,
    pub(super) groups: BTreeMap<String, GroupState>,
    pub(super) trace: Trace,
    /// How often what stands in the log has changed.
    pub(super) changes: u64,
    /// Nothing lands before; the beginning of time where that is not known.
    pub(super) next_due: Timestamp,
    last_part: u64,
}

impl World {
    pub(super) fn new(clock: Clock, seed: u64) -> Self {
        Self {
            clock,
            seed,
            rng: StdRng::seed_from_u64(seed),
            faults: Faults::default(),
            topics: BTreeMap::new(),
            processes: BTreeMap::new(),
            appenders: BTreeMap::new(),
            orphans: vec![],
            groups: BTreeMap::new(),
            trace: Trace::default(),
            changes: 0,
            next_due: Timestamp(i64::MIN),
            last_part: 0,
        }
    }

    pub(super) fn next_part(&mut self) -> u64 {
        self.last_part += 1;
        self.last_part
    }

    /// Rolls the dice. Asks for no number where the fault is switched off.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.random_bool(probability.min(1.0))
    }

    /// A point up to `longest` from now.
    pub(super) fn within(&mut self, longest: Duration) -> Timestamp {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        let delay = Duration::from_micros(self.rng.random_range(0..=micros));
        self.clock.now().after(delay)
    }

    pub(super) fn note(&mut self, what: What, process: Option<ProcessId>, place: Option<&Place>) {
        self.note_append(what, process, place, None, None);
    }

    pub(super) fn note_append(
        &mut self,
        what: What,
        process: Option<ProcessId>,
        place: Option<&Place>,
        offset: Option<u64>,
        token: Option<Token>,
    ) {
        let at = self.clock.now();
        self.trace.push(Happening { at, what, process, place: place.cloned(), offset, token });
    }

    // Processes

    pub(super) fn life(&mut self, process: ProcessId) -> Life {
        Life { process, incarnation: self.processes.entry(process).or_default().incarnation }
    }

    pub(super) fn standing(&self, life: Life) -> Standing {
        match self.processes.get(&life.process) {
            Some(process) if process.incarnation != life.incarnation => Standing::Dead,
            Some(process) if process.frozen => Standing::Frozen,
            Some(_) => Standing::Alive,
            None => Standing::Dead,
        }
    }

    pub(super) fn doom(&mut self, process: ProcessId, operations: u32, doom: Doom) {
        self.processes.entry(process).or_default().doom = Some((operations, doom));
    }

    pub(super) fn pardon(&mut self, process: ProcessId) {
        self.processes.entry(process).or_default().doom = None;
    }

    pub(super) fn is_frozen(&self, process: ProcessId) -> bool {
        self.processes.get(&process).is_some_and(|process| process.frozen)
    }

    /// A process does something: it may come to its doom before.
    pub(super) fn operate(&mut self, life: Life) {
        let Some(process) = self.processes.get_mut(&life.process) else { return };
        if process.incarnation != life.incarnation || process.frozen {
            return;
        }
        match &mut process.doom {
            Some((0, doom)) => {
                let doom = *doom;
                process.doom = None;
                match doom {
                    Doom::Dies => self.drop_process(life.process),
                    Doom::Freezes => self.freeze(life.process),
                }
            }
            Some((operations, _)) => *operations -= 1,
            None => {}
        }
    }

    pub(super) fn freeze(&mut self, process: ProcessId) {
        self.processes.entry(process).or_default().frozen = true;
        self.note(What::Frozen, Some(process), None);
        self.hold_back(process);
    }

    pub(super) fn thaw(&mut self, process: ProcessId) {
        self.processes.entry(process).or_default().frozen = false;
        self.note(What::Thawed, Some(process), None);
        self.let_go(process);
    }

    pub(super) fn drop_process(&mut self, process: ProcessId) {
        let state = self.processes.entry(process).or_default();
        state.incarnation += 1;
        state.frozen = false;
        state.doom = None;
        self.note(What::Dropped, Some(process), None);
        let parts: Vec<u64> =
            self.appenders.iter().filter(|(_, a)| a.life.process == process).map(|(id, _)| *id).collect();
        for id in parts {
            self.drop_appender(id);
        }
    }

    // Topics

    pub(super) fn partition(&self, topic: &Topic, partition: u32) -> Result<&Vec<Record>, LogError> {
        let state = self.topics.get(topic).ok_or_else(|| LogError::UnknownTopic(topic.to_string()))?;
        state.partitions.get(partition as usize).ok_or_else(|| {
            let count = state.partitions.len();
            LogError::Refused(format!("{topic} has {count} partitions; there is no partition {partition}"))
        })
    }

    pub(super) fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError> {
        Ok(Ends { low: 0, high: self.partition(topic, partition)?.len() as u64 })
    }

    /// How many losses a topic has had, and whether one after the first `known` took records below `next`.
    pub(super) fn losses(&self, (topic, partition): &Place, known: usize, next: u64) -> (usize, bool) {
        let losses = self.topics.get(topic).map_or(&[][..], |state| &state.losses);
        let new = losses.get(known..).unwrap_or_default();
        (losses.len(), new.iter().any(|(lossy, high)| lossy == partition && *high < next))
    }

    /// Puts a record at the end of its partition.
    pub(super) fn write(&mut self, (topic, partition): &Place, new: &NewRecord) -> u64 {
        let now = self.clock.now();
        self.changes += 1;
        let records = self.topics.get_mut(topic).and_then(|state| state.partitions.get_mut(*partition as usize));
        let Some(records) = records else { return 0 };
        let offset = records.len() as u64;
        let time = records.last().map_or(now, |last| last.time.max(now));
        records.push(Record {
            topic: topic.clone(),
            partition: *partition,
            offset,
            time,
            key: new.key.clone(),
            value: new.value.clone(),
            headers: new.headers.clone(),
        });
        offset
    }

    pub(super) fn lose_suffix(&mut self, topic: &Topic, partition: u32, records: usize) {
        let state = self.topics.get_mut(topic).and_then(|state| state.partitions.get_mut(partition as usize));
        let Some(state) = state.filter(|state| !state.is_empty()) else { return };
        self.changes += 1;
        state.truncate(state.len().saturating_sub(records));
        let high = state.len() as u64;
        if let Some(state) = self.topics.get_mut(topic) {
            state.losses.push((partition, high));
        }
        self.note_append(What::SuffixLost, None, Some(&(topic.clone(), partition)), Some(high), None);
    }

    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let partitions = self.topics.values().flat_map(|state| &state.partitions);
        for record in partitions.flatten() {
            hash.update(format!("{}/{}/{}/{}", record.topic, record.partition, record.offset, record.time.0));
            for bytes in [&record.key, &record.value].into_iter().flatten() {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
            record.headers.iter().for_each(|(name, value)| hash.update([name.as_bytes(), value].concat()));
        }
        hex::encode(hash.finalize())
    }
}
