//! One run, from its seed to its report.

use super::judge::Counts;
use super::world::World;
use super::{Options, Violation};
use crate::log::memory::What;
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

/// Runs one seed.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(seed: u64, options: &Options) -> Result<Report, Violation> {
    judged(seed, options).map_err(|what| Violation { seed, what })
}

fn judged(seed: u64, options: &Options) -> Result<Report, String> {
    let mut world = World::new(seed, options.clone());
    for _ in 0..options.actions {
        world.act()?;
        world.judge()?;
    }
    world.heal();
    world.come_to_rest()?;
    world.conclude()
}
