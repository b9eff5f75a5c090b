//! `cargo bench --bench limits -- [large] [payloads] [unfinished] [definitions] [ids]`: how far it goes, measured on a
//! Kafka and a Postgres of its own with the roles as processes, as one table.
//!
//! Reading order: [`support`] (services, installations, processes, plain rdkafka), [`client`] (requests and their
//! answers), then a module for each limit, [`table`].

mod client;
mod definitions;
mod ids;
mod large;
mod payloads;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod support;
mod table;
mod unfinished;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use support::setup::Services;
use support::{clients, meter, setup, wait};
use table::Table;

#[derive(Clone, Copy, ValueEnum)]
enum Limit {
    /// A chain and a fan of 10,000 nodes: the time of a node at the end to that at the start
    Large,
    /// Payloads from 100 bytes to 1 MB
    Payloads,
    /// 100,000 unfinished workflows in one partition: recovery, and memory of each
    Unfinished,
    /// 1,000 definitions
    Definitions,
    /// Ids of every legal and illegal kind
    Ids,
}

#[derive(Parser)]
struct Args {
    /// Which limits; all of them unless some are named
    #[arg(value_enum)]
    limits: Vec<Limit>,
    /// The roles of another build of the program, to compare with
    #[arg(long, default_value = env!("CARGO_BIN_EXE_orchestrator"))]
    program: PathBuf,
    /// A tenth of everything: whether it runs at all; its figures are no measurement
    #[arg(long)]
    quick: bool,
    /// Leave Kafka and Postgres running
    #[arg(long)]
    keep: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// How far is gone.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// Of one workflow, and of them those that are its start and its end.
    nodes: usize,
    part: usize,
    /// How often a large workflow is run; the one in the middle counts.
    rounds: usize,
    /// Unfinished workflows.
    unfinished: usize,
    definitions: usize,
    /// One after another, where times of single ones are measured.
    workflows: usize,
}

impl Sizes {
    /// The most nodes that a definition may have, and what the goals name.
    const FULL: Self =
        Self { nodes: 10_000, part: 1_000, rounds: 3, unfinished: 100_000, definitions: 1_000, workflows: 300 };
    const QUICK: Self =
        Self { nodes: 1_000, part: 100, rounds: 1, unfinished: 10_000, definitions: 100, workflows: 30 };
}

fn main() -> Result<()> {
    let args = Args::parse();
    let sizes = if args.quick { Sizes::QUICK } else { Sizes::FULL };
    say("starting Kafka and Postgres");
    let services = Services::up(args.program, args.keep)?;
    let limits = if args.limits.is_empty() { Limit::value_variants().to_vec() } else { args.limits };
    let mut table = Table::default();
    for limit in limits {
        match limit {
            Limit::Large => large::measure(&services, sizes, &mut table)?,
            Limit::Payloads => payloads::measure(&services, sizes, &mut table)?,
            Limit::Unfinished => unfinished::measure(&services, sizes, &mut table)?,
            Limit::Definitions => definitions::measure(&services, sizes, &mut table)?,
            Limit::Ids => ids::measure(&services, &mut table)?,
        }
    }
    println!("{table}");
    Ok(())
}

/// Progress, for people.
fn say(words: &str) {
    eprintln!("limits: {words}");
}
