//! What there is: the log, the store, and the processes around them.

use super::client::Client;
use super::installation::install;
use super::judge::{Clocks, Judge};
use super::process::{EngineSlot, ProjectorSlot};
use super::run::Report;
use super::worker::Worker;
use super::{Options, definitions};
use crate::core::time::Timestamp;
use crate::engine::owner::Owning;
use crate::log::memory::{Clock, Faults, MemoryLog, ProcessId};
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
pub(super) const WORKER: ProcessId = ProcessId(1_001);
const PROJECTOR: ProcessId = ProcessId(2_000);

/// All of it.
pub(super) struct World {
    pub(super) options: Options,
    pub(super) rng: StdRng,
    pub(super) clock: Clock,
    pub(super) log: MemoryLog,
    pub(super) store: Arc<MemoryStore>,
    pub(super) engines: Vec<EngineSlot>,
    pub(super) projectors: Vec<ProjectorSlot>,
    pub(super) worker: Worker,
    pub(super) client: Client,
    pub(super) judge: Judge,
    /// What goes wrong until everything heals.
    pub(super) faults: Faults,
    /// How often an ownership ends, between 0 and 1.
    pub(super) often: f64,
    pub(super) published: usize,
    pub(super) crashes: u64,
    pub(super) clocks: Clocks,
    /// Journals that have lost records which the store had seen: by partition, where they ended then.
    pub(super) unnamed: BTreeMap<u32, u64>,
    pub(super) named_losses: u64,
    pub(super) healed: bool,
}

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let clock = Clock::at(BEGINNING);
        let log = MemoryLog::new(clock.clone(), seed);
        let definitions: Vec<_> = (0..4).map(|number| definitions::random(&mut rng, number)).collect();
        install(&log, options.partitions, &definitions);
        let appender = log.process(CLIENT).appender(Purpose::Client).expect("the log answers before faults begin");
        let client = Client::new(appender, options.partitions, &definitions);
        let worker =
            Worker::new(&log.process(WORKER), options.partitions).expect("the log answers before faults begin");
        let clocks = if options.faults { Clocks::any(&mut rng) } else { Clocks::Right };
        let often = [1.0, 0.3, 0.1][rng.random_range(0..3)];
        let faults = if options.faults { faults(often) } else { Faults::default() };
        log.set_faults(faults.clone());
        let projector = |partition: u32| ProjectorSlot::new(ProcessId(PROJECTOR.0 + u64::from(partition)), partition);
        Self {
            engines: (0..options.engines).map(|i| EngineSlot::new(ProcessId(i as u64))).collect(),
            projectors: (0..options.partitions).map(projector).collect(),
            store: Arc::new(MemoryStore::new()),
            judge: Judge::new(log.clone(), options.partitions, &definitions, clocks),
            options,
            rng,
            clock,
            log,
            worker,
            client,
            faults,
            often,
            published: 0,
            crashes: 0,
            clocks,
            unnamed: BTreeMap::new(),
            named_losses: 0,
            healed: false,
        }
    }

    /// Holds what stands in the log, and what the owners remember, against what has to be.
    pub(super) fn judge(&mut self) -> Result<(), String> {
        self.judge.observe()?;
        for (i, slot) in self.engines.iter().enumerate() {
            let Some(engine) = &slot.engine else { continue };
            for partition in 0..self.options.partitions {
                if let Some(owning) = engine.partition(partition).and_then(|partition| partition.owned()) {
                    self.judge.compare(i, partition, owning)?;
                }
            }
        }
        Ok(())
    }

    /// The last word.
    pub(super) fn conclude(&self) -> Result<Report, String> {
        let counts = self.judge.conclude(&self.store)?;
        if let Some((partition, end)) = self.unnamed.first_key_value() {
            return Err(format!("nobody said that journal {partition} has lost what stood at offset {end} and above"));
        }
        let refused = self.log.counts().get(&crate::log::memory::What::Refused).copied().unwrap_or(0);
        if counts.failed_effects as u64 > refused {
            return Err(format!("{} effects have failed, {refused} records were refused", counts.failed_effects));
        }
        let happened = self.log.counts();
        Ok(Report { counts, happened, crashes: self.crashes, named_losses: self.named_losses })
    }

    /// The owner of a partition, if an engine has it.
    pub(super) fn owner(&self, partition: u32) -> Option<&Owning> {
        self.engines.iter().find_map(|slot| slot.engine.as_ref()?.partition(partition)?.owned())
    }
}

/// Everything, but what ends an ownership more or less often: owners that stay for long meet other things than those
/// that are replaced all the time.
fn faults(often: f64) -> Faults {
    let all = Faults::all();
    Faults {
        ack_lost: all.ack_lost * often,
        never_lands: all.never_lands * often,
        lands_after_error: all.lands_after_error * often,
        twice_late: all.twice_late * often,
        refused: all.refused * often,
        fatal: all.fatal * often,
        group_lies: all.group_lies * often,
        ..all
    }
}
