//! One run, from its seed to its report.

use super::judge::{Counts, Fault, Invariant};
use super::world::World;
use super::{Options, Violation};
use crate::log::memory::{MemoryLog, What};
use crate::shutdown::anew::panic_message;
use crate::store::memory::MemoryStore;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a run saw, so that a pass is not an empty one.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was judged.
    pub counts: Counts,
    /// What happened to the log.
    pub happened: BTreeMap<What, u64>,
    /// Engines that crashed.
    pub crashes: u64,
    /// Of those, in the middle of what they did.
    pub crashes_within: u64,
    /// Journals that had lost records which the store had seen, and were named by the projector.
    pub named_losses: u64,
    /// Stands for everything that stands in the log: the same seed gives the same.
    pub digest: String,
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
    let mut world = planted(options, || World::new(seed, options.clone()));
    lived(&mut world, seed)
}

/// Runs one seed, and hands out what it leaves behind.
///
/// # Errors
/// The first invariant that does not hold.
pub fn remains(seed: u64, options: &Options) -> Result<Remains, Violation> {
    let mut world = World::new(seed, options.clone());
    lived(&mut world, seed)?;
    Ok(Remains { log: world.log.clone(), store: world.store.clone() })
}

/// Lives through a world, from its first action to the last word on it.
pub(super) fn lived(world: &mut World, seed: u64) -> Result<Report, Violation> {
    let options = world.options.clone();
    let judged = planted(&options, || catch_unwind(AssertUnwindSafe(|| live(world))));
    judged
        .unwrap_or_else(|panic| Err(Invariant::NothingFails.broken(panic_message(&*panic))))
        .map_err(|Fault { invariant, what }| Violation { seed, action: world.action, invariant, what })
}

fn live(world: &mut World) -> Result<Report, Fault> {
    for action in 0..world.options.actions {
        world.action = action;
        if world.options.skipped.iter().any(|skipped| skipped.contains(&action)) {
            continue;
        }
        world.roll(action as u64);
        world.act()?;
        world.judge()?;
    }
    world.action = world.options.actions;
    world.roll(u64::MAX);
    world.heal();
    world.come_to_rest()?;
    world.conclude()
}

/// Does something with a fault of the engine in place, if one is planted.
#[cfg(feature = "planted-bugs")]
fn planted<T>(options: &Options, act: impl FnOnce() -> T) -> T {
    crate::planted::plant(options.planted);
    let done = act();
    crate::planted::plant(None);
    done
}

#[cfg(not(feature = "planted-bugs"))]
fn planted<T>(_: &Options, act: impl FnOnce() -> T) -> T {
    act()
}
