//! One run, from its seed to its report.

use super::judge::Counts;
use super::world::World;
use super::{Options, Violation};
use crate::log::memory::{MemoryLog, What};
use crate::store::memory::MemoryStore;
use std::collections::BTreeMap;

/// What a run saw, so that a pass is not an empty one.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was judged.
    pub counts: Counts,
    /// What happened to the log.
    pub happened: BTreeMap<What, u64>,
    /// Engines that crashed.
    pub crashes: u64,
    /// Journals that had lost records which the store had seen, and were named by the projector.
    pub named_losses: u64,
}

/// What a run leaves behind.
pub struct Remains {
    /// Every topic.
    pub log: MemoryLog,
    /// The tables.
    pub store: MemoryStore,
}

/// Runs one seed.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(seed: u64, options: &Options) -> Result<Report, Violation> {
    judged(seed, options).map(|(report, _)| report).map_err(|what| Violation { seed, what })
}

/// Runs one seed, and hands out what it leaves behind.
///
/// # Errors
/// The first invariant that does not hold.
pub fn remains(seed: u64, options: &Options) -> Result<Remains, Violation> {
    judged(seed, options).map(|(_, remains)| remains).map_err(|what| Violation { seed, what })
}

fn judged(seed: u64, options: &Options) -> Result<(Report, Remains), String> {
    let mut world = World::new(seed, options.clone());
    for _ in 0..options.actions {
        world.act()?;
        world.judge()?;
    }
    world.heal();
    world.come_to_rest()?;
    let report = world.conclude()?;
    Ok((report, Remains { log: world.log.clone(), store: (*world.store).clone() }))
}
