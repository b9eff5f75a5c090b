//! `cargo bench --bench claims -- [reliability] [due-times] [retry-storm] [rebuild] [projector] [readers]`: what is claimed of failures, retries, tables and the
//! stream's readers,
//! measured on a Kafka and a Postgres of its own, with the roles as processes and this process as worker and client.
//!
//! Reading order: [`support`] (services, installations, processes, plain rdkafka), [`hand`] (a worker), then a module
//! for each claim.

mod due_times;
mod hand;
mod projector;
mod readers;
mod rebuild;
mod reliability;
mod retry_storm;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod support;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use support::setup::Services;
use support::{clients, setup, times, wait};

/// Of every installation.
const PARTITIONS: u32 = 4;

#[derive(Clone, Copy, ValueEnum)]
enum Claim {
    /// How many workflows fail where one attempt in five does: without retries, and with the default policy
    Reliability,
    /// How late attempts come whose delay is over, from 50 ms to 90 s
    DueTimes,
    /// 100,000 retries that are due in the same second, and fresh workflows beside them
    RetryStorm,
    /// How fast tables are made anew from the journal, and the bound beside it
    Rebuild,
    /// How fast a projector alone follows what is there
    Projector,
    /// How fast `export` and the example's consumer read the event stream, and a plain client beside them
    Readers,
}

#[derive(Parser)]
struct Args {
    /// Which claims; all of them unless some are named
    #[arg(value_enum)]
    claims: Vec<Claim>,
    /// The seed of what fails; printed in any case
    #[arg(long)]
    seed: Option<u64>,
    /// The roles of another build of the program, to compare with
    #[arg(long, default_value = env!("CARGO_BIN_EXE_orchestrator"))]
    program: PathBuf,
    /// Leave Kafka and Postgres running
    #[arg(long)]
    keep: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(rand::random);
    say(&format!("--seed {seed}; starting Kafka and Postgres"));
    let services = Services::up(args.program, args.keep)?;
    let claims = if args.claims.is_empty() { Claim::value_variants().to_vec() } else { args.claims };
    for claim in claims {
        match claim {
            Claim::Reliability => reliability::measure(&services, seed)?,
            Claim::DueTimes => due_times::measure(&services)?,
            Claim::RetryStorm => retry_storm::measure(&services)?,
            Claim::Rebuild => rebuild::measure(&services)?,
            Claim::Projector => projector::measure(&services)?,
            Claim::Readers => readers::measure(&services)?,
        }
    }
    Ok(())
}

/// Progress, for people.
fn say(words: &str) {
    eprintln!("claims: {words}");
}

/// A goal, and how it was met.
fn goal(name: &str, value: f64, bound: f64, at_least: bool) {
    let (sign, met) = if at_least { (">=", value >= bound) } else { ("<=", value <= bound) };
    println!("goal {name} {value:.2} {sign}{bound} {}", if met { "met" } else { "missed" });
}
