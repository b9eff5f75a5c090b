//! The simulation: the production engine and projector on the log in memory, one seed a run, virtual time, one thread.
//!
//! Engines crash, stand still and come back; the group tells anyone anything; records land late, twice, or behind an
//! error; workers answer twice, differently, late or never; the store is away or loses its last commits. Then
//! everything heals, and the invariants are checked on what stands in the log and in the store ([`check`]).
//!
//! The same seed gives the same run. It is the tool with which the protocol was built, and a test runs some hundred
//! seeds.

pub mod check;
mod client;
mod definitions;
mod worker;
mod world;

pub use world::{Report, run};

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
}

impl Default for Options {
    fn default() -> Self {
        Self { partitions: 2, engines: 3, requests: 20, actions: 4_000, faults: true }
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
