//! The simulation: the production engine and projector on the log in memory, one seed a run, virtual time, one thread.
//!
//! Engines crash, stand still and come back, with clocks that are minutes off; the group tells anyone anything, or
//! everyone the same; records land late, twice, much later, or behind an error, or are refused; workers answer twice,
//! differently, late or never; the store is away or loses its last commits; the log itself may lose its last records.
//! A judge reads along and holds every step against what has to be (`judge`). Then everything heals, comes to rest,
//! and is judged once more.
//!
//! The same seed gives the same run. It is the tool with which the protocol was built, and a test runs some hundred
//! seeds. `docs/simulation.md` says what it does and judges, and how well it finds bugs that are planted.
//!
//! Reading order: `run`, `world` (what there is), `fate` (what happens), `process` (engines and projectors),
//! `rest` (how it ends), `judge`.

mod client;
mod definitions;
mod fate;
mod installation;
mod judge;
mod process;
mod rest;
mod run;
mod worker;
mod world;

pub use judge::Counts;
pub use run::{Remains, Report, remains, run};

/// What a run of the simulation does.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many partitions the installation has.
    pub partitions: u32,
    /// How many engines there are, all of the same group.
    pub engines: usize,
    /// How many requests are published, rubbish and duplicates included.
    pub requests: usize,
    /// How many actions are taken before everything heals.
    pub actions: usize,
    /// Whether anything fails.
    pub faults: bool,
    /// Whether journals, requests and results lose their last records.
    pub losses: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { partitions: 2, engines: 3, requests: 20, actions: 4_000, faults: true, losses: false }
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {what}")]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// What was expected and what was found.
    pub what: String,
}
