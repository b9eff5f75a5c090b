//! What there is: the log, the store, and the processes around them.

use super::client::Client;
use super::installation::install;
use super::judge::{Clocks, Fault, Invariant, Judge};
use super::operator::Operator;
use super::process::{EngineSlot, ProjectorSlot};
use super::run::Report;
use super::slot::WorkerSlot;
use super::trouble::Trouble;
use super::{Options, definitions};
use crate::core::definition::DefinitionHash;
use crate::core::definition::graph::Graph;
use crate::core::time::Timestamp;
use crate::engine::owner::Owning;
use crate::log::memory::{Clock, Faults, MemoryLog, ProcessId, What};
use crate::log::{Log, Purpose};
use crate::store::memory::MemoryStore;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The simulation begins at this time: some moment in 2026.
pub(super) const BEGINNING: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// The processes that are not engines.
pub(super) const CLIENT: ProcessId = ProcessId(1_000);
const OPERATOR: ProcessId = ProcessId(1_100);
const WORKER: ProcessId = ProcessId(1_200);
const PROJECTOR: ProcessId = ProcessId(2_000);
/// How many processes of workers there are; those of engines that have agents come after them.
pub(super) const WORKERS: usize = 2;
/// How many graphs are known.
const DEFINITIONS: usize = 4;

/// All of it.
pub(super) struct World {
    pub(super) options: Options,
    pub(super) seed: u64,
    /// The action that is taken.
    pub(super) action: usize,
    /// The dice of this action: they do not depend on those before, so that a smaller run is much like a larger one.
    pub(super) rng: StdRng,
    pub(super) clock: Clock,
    pub(super) log: MemoryLog,
    pub(super) store: MemoryStore,
    pub(super) graphs: BTreeMap<DefinitionHash, Arc<Graph>>,
    pub(super) engines: Vec<EngineSlot>,
    pub(super) projectors: Vec<ProjectorSlot>,
    pub(super) workers: Vec<WorkerSlot>,
    pub(super) client: Client,
    pub(super) operator: Operator,
    pub(super) judge: Judge,
    /// How often an ownership ends, between 0 and 1.
    pub(super) often: f64,
    pub(super) published: usize,
    pub(super) operated: usize,
    pub(super) crashes: u64,
    pub(super) crashes_within: u64,
    pub(super) clocks: Clocks,
    /// Journals that have lost records which the store had seen: by partition, where they ended then.
    pub(super) unnamed: BTreeMap<u32, u64>,
    pub(super) named_losses: u64,
    pub(super) healed: bool,
    /// What happened beside the log, and when.
    pub(super) notes: Vec<(Timestamp, String)>,
}

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let clock = Clock::at(BEGINNING);
        let log = MemoryLog::new(clock.clone(), seed);
        let definitions: Vec<_> = (0..DEFINITIONS).map(|number| definitions::random(&mut rng, number)).collect();
        install(&log, options.partitions, &definitions);
        let appender = |process| log.process(process).appender(Purpose::Client).expect("no faults have begun");
        let client = Client::new(appender(CLIENT), options.partitions, &definitions);
        let operator = Operator::new(appender(OPERATOR), options.partitions);
        let wrong = options.faults && !options.without.contains(&Trouble::Clocks);
        let any = Clocks::any(&mut rng);
        let often = [1.0, 0.3, 0.1][rng.random_range(0..3)];
        let projector = |partition: u32| ProjectorSlot::new(ProcessId(PROJECTOR.0 + u64::from(partition)), partition);
        let agents = options.own_agents.min(options.engines);
        let engine = |i: usize| EngineSlot::new(ProcessId(i as u64), i < agents);
        let workers = (0..WORKERS).map(|i| WorkerSlot::new(ProcessId(WORKER.0 + i as u64), usize::MAX));
        // Few places, so that there is sometimes none.
        let own = (0..agents).map(|i| WorkerSlot::new(ProcessId(i as u64), i + 1));
        let graphs = definitions.iter().map(|d| (d.hash.clone(), Arc::new(Graph::compile(d)))).collect();
        let clocks = if wrong { any } else { Clocks::Right };
        let world = Self {
            engines: (0..options.engines).map(engine).collect(),
            projectors: (0..options.partitions).map(projector).collect(),
            workers: workers.chain(own).collect(),
            store: MemoryStore::new(),
            judge: Judge::new(log.clone(), options.partitions, &graphs, clocks),
            graphs,
            options,
            seed,
            action: 0,
            rng,
            clock,
            log,
            client,
            operator,
            often,
            published: 0,
            operated: 0,
            crashes: 0,
            crashes_within: 0,
            clocks,
            unnamed: BTreeMap::new(),
            named_losses: 0,
            healed: false,
            notes: Vec::new(),
        };
        world.log.set_faults(world.faults());
        world
    }

    /// Whether this kind of trouble may happen.
    pub(super) fn may(&self, trouble: Trouble) -> bool {
        self.options.faults && !self.options.without.contains(&trouble)
    }

    /// The dice of one action.
    pub(super) fn roll(&mut self, action: u64) {
        let seed = mix(self.seed, action);
        self.rng = StdRng::seed_from_u64(seed);
        self.log.reseed(!seed);
    }

    /// Something happens beside the log.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.notes.push((self.clock.now(), what.into()));
    }

    /// Holds what stands in the log, in the tables and in the owners' memories against what has to be.
    pub(super) fn judge(&mut self) -> Result<(), Fault> {
        self.judge.observe()?;
        self.judge.look_at(&self.store)?;
        for (i, slot) in self.engines.iter().enumerate() {
            let Some(engine) = &slot.engine else { continue };
            for id in 0..self.options.partitions {
                let Some(partition) = engine.partition(id) else { continue };
                nothing_fails(i, id, partition.dropped())?;
                if let Some(owning) = partition.owned() {
                    self.judge.compare(i, id, owning)?;
                }
            }
        }
        Ok(())
    }

    /// The last word.
    pub(super) fn conclude(&self) -> Result<Report, Fault> {
        let counts = self.judge.conclude(&self.store)?;
        let unnamed = self.unnamed.first_key_value();
        Invariant::LossesAreNamed.holds(unnamed.is_none(), || {
            format!("nobody said which journal has lost what stood at which offset and above: {unnamed:?}")
        })?;
        let refused = self.log.counts().get(&What::Refused).copied().unwrap_or(0);
        Invariant::EveryEffectHasItsEvent.holds(counts.failed_effects as u64 <= refused, || {
            format!("{} effects have failed, {refused} records were refused", counts.failed_effects)
        })?;
        Invariant::TheInnocentAreTriedFourTimes.holds(counts.takings > counts.buried * 4, || {
            format!("{} inputs are buried, in {} takings", counts.buried, counts.takings)
        })?;
        Ok(Report {
            counts,
            happened: self.log.counts(),
            crashes: self.crashes,
            crashes_within: self.crashes_within,
            named_losses: self.named_losses,
            digest: self.log.digest(),
        })
    }

    /// The owner of a partition, if an engine has it.
    pub(super) fn owner(&self, partition: u32) -> Option<&Owning> {
        self.engines.iter().find_map(|slot| slot.engine.as_ref()?.partition(partition)?.owned())
    }

    /// What goes wrong with the log: everything, but what ends an ownership more or less often: owners that stay for long
    /// meet other things than those that are replaced all the time.
    pub(super) fn faults(&self) -> Faults {
        if !self.options.faults {
            return Faults::default();
        }
        let (all, often) = (Faults::all(), self.often);
        let mut faults = Faults {
            ack_lost: all.ack_lost * often,
            never_lands: all.never_lands * often,
            lands_after_error: all.lands_after_error * often,
            twice_late: all.twice_late * often,
            refused: all.refused * often,
            fatal: all.fatal * often,
            group_lies: all.group_lies * often,
            ..all
        };
        self.options.without.iter().for_each(|trouble| trouble.spare(&mut faults));
        faults
    }
}

/// An engine drops a partition's memory for what the log does, and never for what it has done itself.
fn nothing_fails(engine: usize, partition: u32, dropped: Option<&str>) -> Result<(), Fault> {
    let fault = dropped.filter(|why| why.contains("code has failed") || why.contains("cannot be followed"));
    let what = || format!("engine {engine} has dropped partition {partition}: {}", fault.unwrap_or_default());
    Invariant::NothingFails.holds(fault.is_none(), what)
}

/// Another number for each action of each seed (SplitMix64's finalizer, by Sebastiano Vigna).
fn mix(seed: u64, action: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(action.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
