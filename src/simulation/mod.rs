//! The simulation: the production engine, projector and worker protocol on the log in memory, one seed a run, virtual time,
//! one thread.
//!
//! Processes crash between any two operations, stand still and come back, with clocks that are minutes off; the group
//! tells anyone anything, or everyone the same; records land late, twice, much later, or behind an error, or are refused;
//! workers answer twice, differently, late or never, and lie; operators do what cannot be done; the store is away or
//! loses its last commits; the log itself may lose its last records. A judge reads along and holds every step against
//! what has to be (`judge`). Then everything heals, comes to rest, and is judged once more.
//!
//! The same seed gives the same run, byte by byte. `docs/simulation.md` says what it does and judges, and how well it
//! finds faults that are planted.
//!
//! Reading order: `run`, `world` (what there is), `fate` (what happens), `process` (engines and projectors), `worker` and
//! `agent`, `client` and `operator`, `rest` (how it ends), `judge`; `many`, `shrink`, `trace` and `cli` around it.

mod agent;
pub mod cli;
mod client;
mod definitions;
mod doomed;
mod fate;
mod hand_over;
mod installation;
mod judge;
mod many;
mod operator;
mod process;
mod rest;
mod run;
mod shrink;
mod slot;
mod trace;
mod trouble;
mod worker;
mod world;

use crate::planted::Bug;
use std::collections::BTreeSet;
use std::ops::Range;

pub use judge::{Counts, Fault, Invariant};
pub use many::{Outcome, run_many};
pub use run::{Remains, Report, remains, run};
pub use shrink::{Smallest, shrink};
pub use trouble::Trouble;

/// What a run of the simulation does.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many partitions the installation has.
    pub partitions: u32,
    /// How many engines there are, all of the same group.
    pub engines: usize,
    /// How many of the engines have agents of their own process, and hand attempts over in memory.
    pub own_agents: usize,
    /// How many requests are published, rubbish and duplicates included.
    pub requests: usize,
    /// How many actions are taken before everything heals.
    pub actions: usize,
    /// Whether anything fails.
    pub faults: bool,
    /// Whether journals, requests and results lose their last records.
    pub losses: bool,
    /// What is spared of all that may go wrong.
    pub without: BTreeSet<Trouble>,
    /// Actions that are left out.
    pub skipped: Vec<Range<usize>>,
    /// A fault of the engine itself (needs the feature `planted-bugs`).
    pub planted: Option<Bug>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            partitions: 2,
            engines: 3,
            own_agents: 0,
            requests: 20,
            actions: 4_000,
            faults: true,
            losses: false,
            without: BTreeSet::new(),
            skipped: Vec::new(),
            planted: None,
        }
    }
}

impl Options {
    /// What `orchestrator-sim` and the tests do with a seed: of four one loses records, some have more partitions or
    /// engines than others.
    pub fn of(seed: u64) -> Self {
        Self {
            partitions: [2, 2, 3, 1, 2][(seed % 5) as usize],
            engines: [3, 3, 2, 3, 4, 3, 3][(seed % 7) as usize],
            own_agents: [0, 1, 4][(seed % 3) as usize],
            losses: seed % 4 == 3,
            ..Self::default()
        }
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, action {action}: {invariant}: {what}")]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// How many actions had been taken; as many as there are where everything had healed.
    pub action: usize,
    /// Which invariant.
    pub invariant: Invariant,
    /// What was expected and what was found.
    pub what: String,
}
