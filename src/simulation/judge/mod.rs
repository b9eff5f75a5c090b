//! What has to hold, held against what stands in the log: after every action, and once more after everything has come
//! to rest.
//!
//! The judge reads everything that lands, once, in the order in which it landed. It has its own readers' rule, and
//! knows of nothing that the engines believe. [`invariant`] names what has to hold. [`journal`] says what counts and what
//! follows from it, [`through`] whether what is said to be done is done, [`life`] whether an event follows from the state
//! before it, [`readers`] whether the same counts for everyone, [`effects`] and [`stream`] whether what follows, and nothing
//! else, was done, [`memory`] whether an owner's memory is the fold of its journal, [`requests`] what became of each
//! request, [`timeouts`] whether a deadline fired too early, [`projection`] and [`store`] whether the tables are the fold,
//! at every step and at rest, [`history`] whether replay gives what was lived through, and `verify` finds nothing.

mod effects;
mod history;
mod invariant;
mod journal;
mod life;
mod memory;
mod projection;
mod readers;
mod requests;
mod store;
mod stream;
mod through;
mod timeouts;

use crate::core::definition::DefinitionHash;
use crate::core::definition::graph::Graph;
use crate::core::run::Run;
use crate::engine::owner::Owning;
use crate::log::Topic;
use crate::log::memory::MemoryLog;
use crate::simulation::hand_over::HandOvers;
use crate::store::memory::MemoryStore;
use effects::{EffectId, Performed};
use invariant::Breaks;
pub use invariant::{Fault, Invariant};
use journal::Told;
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stream::Stream;

/// The graphs of all definitions.
type Graphs = BTreeMap<DefinitionHash, Arc<Graph>>;

/// What the engines' clocks are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// All are right.
    Right,
    /// Some are minutes off, for as long as an engine lives.
    Wrong,
    /// Some are minutes off, and are set while an engine lives.
    Jumping,
}

impl Clocks {
    /// One of these.
    pub fn any(rng: &mut StdRng) -> Self {
        [Self::Right, Self::Right, Self::Wrong, Self::Jumping][rng.random_range(0..4)]
    }
}

/// What the judge has counted, so that a pass is not an empty one.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Runs that ended.
    pub runs: usize,
    /// Counting steps.
    pub steps: u64,
    /// Void records of journals.
    pub void_records: u64,
    /// Counting takings.
    pub takings: u64,
    /// Publications beyond the first of each event.
    pub repeated_publications: u64,
    /// How often an owner's memory was compared with the fold of its journal.
    pub memories: u64,
    /// Dead letters of refused requests and of failed nodes.
    pub dead_letters: usize,
    /// Requests that were sent on to their partition.
    pub forwarded: usize,
    /// Effects that were refused for good, and recorded as that.
    pub failed_effects: usize,
    /// Attempts that were handed over in memory.
    pub handed_over: usize,
    /// How often that was done again, after a taking.
    pub handed_over_again: u64,
    /// Of those that were handed over in memory: so many had begun before their end was recorded.
    pub begun_in_memory: usize,
    /// Deadlines that fired.
    pub timeouts: usize,
    /// States of runs that owners held in memory, and that replay gave again.
    pub replayed: usize,
    /// How often the tables were held against the fold.
    pub projections: u64,
    /// Inputs that were buried because the process had ended four times while they were tried. Each takes five takings.
    pub buried: u64,
    /// Dead letters that someone has handled.
    pub handled: usize,
    /// Runs that took up another one, or forked it.
    pub descended: usize,
    /// Nodes that were given their output by hand.
    pub supplied: usize,
    /// How often breakers have changed.
    pub breaker_changes: usize,
}

/// Reads along, and says what does not hold.
pub struct Judge {
    log: MemoryLog,
    partitions: u32,
    graphs: Graphs,
    /// What each partition's journal says.
    told: Vec<Told>,
    /// What was said by journals that have lost it since. It was acted upon.
    forgotten: Forgotten,
    performed: Performed,
    /// What engines hand over in memory.
    hand_overs: HandOvers,
    streams: Vec<Stream>,
    /// Input partitions that have lost records.
    lossy: BTreeSet<(Topic, u32)>,
    /// What of each owner's memory was compared last.
    compared: BTreeMap<(usize, u32), memory::Standing>,
    memories: u64,
    /// As many changes of the log have been read.
    changes: u64,
    /// Where the tables were looked at last.
    projected: projection::Seen,
    projections: u64,
    lived: history::Lived,
    clocks: Clocks,
}

/// What journals said that have lost it since.
#[derive(Default)]
struct Forgotten {
    effects: BTreeSet<EffectId>,
    /// Bodies of events, with the chain after each.
    events: BTreeSet<(bytes::Bytes, [u8; 16])>,
    /// Partitions whose journals have lost records.
    partitions: BTreeSet<u32>,
}

impl Judge {
    /// Judges a log in which nothing has happened yet.
    pub fn new(log: MemoryLog, partitions: u32, graphs: &Graphs, clocks: Clocks) -> Self {
        Self {
            log,
            partitions,
            graphs: graphs.clone(),
            told: (0..partitions).map(Told::new).collect(),
            forgotten: Forgotten::default(),
            performed: Performed::default(),
            hand_overs: HandOvers::default(),
            streams: (0..partitions).map(|_| Stream::default()).collect(),
            lossy: BTreeSet::new(),
            compared: BTreeMap::new(),
            memories: 0,
            changes: 0,
            projected: BTreeMap::new(),
            projections: 0,
            lived: history::Lived::new(),
            clocks,
        }
    }

    /// Reads what has landed since the last time.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn observe(&mut self) -> Result<(), Fault> {
        self.read()?;
        for hand_over in self.hand_overs.take() {
            self.performed.hand_over(hand_over, &self.told, &self.forgotten)?;
        }
        for (told, stream) in self.told.iter_mut().zip(&self.streams) {
            told.effects_through_is_true(&self.performed, stream)
                .map_err(|fault| fault.at(format!("journal {}", told.partition)))?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Fault> {
        let changes = self.log.changes();
        if std::mem::replace(&mut self.changes, changes) == changes {
            return Ok(());
        }
        // All of it is one moment: what counts is known before anything is held against it.
        for told in &mut self.told {
            told.read(&self.log, &self.graphs, self.clocks)
                .map_err(|fault| fault.at(format!("journal {}", told.partition)))?;
        }
        self.performed.read(&self.log, self.partitions, &self.told, &self.forgotten)?;
        for (stream, told) in self.streams.iter_mut().zip(&self.told) {
            stream
                .read(&self.log, told, &self.forgotten)
                .breaks(Invariant::TheStreamIsWhole)
                .map_err(|fault| fault.at(format!("events {}", told.partition)))?;
        }
        Ok(())
    }

    /// Where engines say what they hand over in memory.
    pub fn hand_overs(&self) -> HandOvers {
        self.hand_overs.clone()
    }

    /// Holds the tables against the fold, whenever they have moved. What a journal has lost they may still hold.
    ///
    /// # Errors
    /// What differs.
    pub fn look_at(&mut self, store: &MemoryStore) -> Result<(), Fault> {
        for told in self.told.iter().filter(|told| !self.forgotten.partitions.contains(&told.partition)) {
            projection::projection_is_the_fold(store, told, &mut self.projected, &mut self.projections)
                .map_err(|fault| fault.at(format!("tables of {}", told.partition)))?;
        }
        Ok(())
    }

    /// Compares an engine's memory of a partition with the fold of the journal, if the journal holds all that the
    /// owner has decided.
    ///
    /// # Errors
    /// What differs.
    pub fn compare(&mut self, engine: usize, partition: u32, owning: &Owning) -> Result<(), Fault> {
        let told = &self.told[partition as usize];
        let standing = memory::Standing::of(owning);
        if !told.holds_all_of(&standing) || self.compared.get(&(engine, partition)) == Some(&standing) {
            return Ok(());
        }
        memory::compare(owning, told, &self.graphs)
            .breaks(Invariant::MemoryIsTheFold)
            .map_err(|fault| fault.at(format!("engine {engine}'s memory of partition {partition} at {standing:?}")))?;
        self.compared.insert((engine, partition), standing);
        history::remember(&mut self.lived, owning);
        self.memories += 1;
        Ok(())
    }

    /// A journal or an input topic has lost its last records: what they said is tolerated, and expected no longer.
    pub fn lose(&mut self, topic: &Topic, partition: u32) {
        self.changes = 0;
        if *topic == Topic::Journal {
            let told = std::mem::replace(&mut self.told[partition as usize], Told::new(partition));
            told.forget_into(&mut self.forgotten);
            self.forgotten.partitions.insert(partition);
            self.compared.clear();
        } else {
            self.performed.forget_place(topic, partition, self.log.records(topic, partition).len() as u64);
            self.lossy.insert((topic.clone(), partition));
        }
    }

    /// Whether a partition's journal is known to have lost records.
    pub fn has_lost(&self, partition: u32) -> bool {
        self.forgotten.partitions.contains(&partition)
    }

    /// Whether reports of workers are lost.
    pub fn has_lost_results(&self) -> bool {
        self.lossy.iter().any(|(topic, _)| *topic == Topic::Results)
    }

    /// The state of every run, as the journals tell it.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.told.iter().flat_map(|told| told.runs.values())
    }

    /// The last word, after everything has come to rest: everything that has to be there is there.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn conclude(&self, store: &MemoryStore) -> Result<Counts, Fault> {
        let mut counts = Counts { memories: self.memories, projections: self.projections, ..Counts::default() };
        for (told, stream) in self.told.iter().zip(&self.streams) {
            self.conclude_partition(told, stream, store)
                .map_err(|fault| fault.at(format!("partition {}", told.partition)))?;
            counts.add(told, stream);
        }
        self.performed.no_effect_is_missing(&self.told)?;
        requests::check(&self.log, &self.told, &self.lossy).breaks(Invariant::EveryRequestGetsItsDue)?;
        counts.dead_letters = self.performed.count("letter");
        (counts.handed_over, counts.handed_over_again) = self.performed.handed_over();
        counts.forwarded = self.performed.count("forward");
        counts.replayed = history::check(self, store).breaks(Invariant::MemoryIsTheFold)?;
        Ok(counts)
    }

    fn conclude_partition(&self, told: &Told, stream: &Stream, store: &MemoryStore) -> Result<(), Fault> {
        told.every_request_ends()?;
        readers::all_readers_agree(&self.log, told)?;
        stream.check_complete(told).breaks(Invariant::TheStreamIsWhole)?;
        self.every_input_is_decided_once(told)?;
        store::check(&self.log, store, told).breaks(Invariant::ProjectionIsTheFold)?;
        timeouts::check(&self.log, told).breaks(Invariant::DeadlinesWaitForResults)
    }

    /// Every input record led to exactly one transition: none is dropped in silence, none is decided twice (but where
    /// the topic has lost records, and is read again).
    fn every_input_is_decided_once(&self, told: &Told) -> Result<(), Fault> {
        for topic in [Topic::Requests, Topic::Results, Topic::Signals] {
            let again = self.lossy.contains(&(topic.clone(), told.partition));
            for record in self.log.records(&topic, told.partition) {
                // A forwarded record is counted under its first origin, as often as it was forwarded.
                if record.header(crate::wire::headers::ORIGIN).is_some() {
                    continue;
                }
                let times = told.outcomes_of(&effects::origin_of(&record)).len();
                Invariant::EveryInputIsDecidedOnce.holds(times == 1 || (again && times > 0), || {
                    format!("the record at offset {} of {topic} was decided {times} times", record.offset)
                })?;
            }
        }
        Ok(())
    }
}

impl Counts {
    fn add(&mut self, told: &Told, stream: &Stream) {
        self.runs += told.runs.len();
        self.steps += told.last_number();
        self.takings += told.takings;
        self.void_records += told.void_records;
        self.repeated_publications += stream.repeated;
        self.failed_effects += told.failed_effects;
        self.begun_in_memory += told.begun_in_memory;
        self.timeouts += told.timeouts.len();
        self.buried += told.buried;
        self.handled += told.handled;
        self.descended += told.descended;
        self.supplied += told.supplied;
        self.breaker_changes += told.breaker_changes;
    }
}
