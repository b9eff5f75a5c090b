//! `cargo bench --bench pipeline`: what the pipe can carry, and what the orchestrator makes of it.
//!
//! Starts a Kafka and a Postgres of its own (`scripts/services`), measures plain produce and consume on them, then
//! the release binary's roles as processes of their own with this process as their client. Ratios are taken within a
//! round, so that a machine that is busy with other things slows both sides down; what is printed of several rounds
//! is the median of the ratios and the merged distribution of the times.
//!
//! Reading order: [`support`] (services, installations, processes, plain rdkafka, charts), [`pipe`] and [`hops`]
//! (the bare pipe), [`load`] (workflows), [`rounds`], [`memory`], [`report`], [`pictures`]; then [`scale`] and
//! [`check`], which measure other things with the same means.

mod check;
mod definitions;
mod figures;
mod hops;
mod load;
mod memory;
mod pictures;
mod pipe;
mod report;
mod rounds;
mod scale;
mod scale_report;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod support;
mod table;

use anyhow::Result;
use clap::Parser;
use figures::{Figures, Layout};
use load::Case;
use rounds::Plan;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::setup::Services;
use support::{chart, clients, cores, meter, setup, times, wait};

/// Records, requests and outputs have about so many bytes.
const PAYLOAD_BYTES: usize = 200;
/// Both sides of every ratio have the same number of partitions.
const PARTITIONS: [u32; 2] = [1, 4];
/// One burst, and the parallel nodes of a fan.
const BURST: usize = 100;

#[derive(Parser)]
struct Args {
    /// One short round
    #[arg(long)]
    quick: bool,
    /// Figures as JSON instead of tables; the goals follow in any case, on the standard error
    #[arg(long)]
    json: bool,
    /// With these numbers of partitions alone
    #[arg(long, value_delimiter = ',')]
    partitions: Vec<u32>,
    /// The roles of another build of the program, to compare with
    #[arg(long, default_value = env!("CARGO_BIN_EXE_orchestrator"))]
    program: PathBuf,
    /// One case of workflows alone, over and over, to be looked at with a profiler: `chain:256`, `fan:1`
    #[arg(long, value_parser = load::case)]
    only: Option<Case>,
    /// How long one case alone is run, in seconds
    #[arg(long, default_value_t = 20, requires = "only")]
    seconds: u64,
    /// The engine and its agents in one process, which hands attempts over in memory
    #[arg(long)]
    together: bool,
    /// Throughput against numbers of partitions and of engine processes, and what limits it
    #[arg(long, conflicts_with = "only")]
    scale: bool,
    /// A few ratios to the bare pipe, which fail when they are much worse than they were: for CI
    #[arg(long, conflicts_with_all = ["scale", "only", "together", "json", "partitions", "pictures"])]
    check: bool,
    /// Draws the figures into this folder, as SVG
    #[arg(long, value_name = "FOLDER", conflicts_with = "only")]
    pictures: Option<PathBuf>,
    /// Leave Kafka and Postgres running
    #[arg(long)]
    keep: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let layout = if args.together { Layout::Together } else { Layout::Apart };
    say("starting Kafka and Postgres");
    let services = Services::up(args.program.clone(), args.keep)?;
    if args.check {
        check::run(&services)
    } else if args.scale {
        measure_scale(&services, layout, &args)
    } else if let Some(case) = args.only {
        measure_case(&services, layout, case, &args)
    } else {
        measure_all(&services, layout, &args)
    }
}

/// The partitions that were asked for.
fn partitions<'a>(args: &'a Args, all: &'a [u32]) -> &'a [u32] {
    if args.partitions.is_empty() { all } else { &args.partitions }
}

fn measure_all(services: &Services, layout: Layout, args: &Args) -> Result<()> {
    let plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    let mut figures = Figures { layout, ..Figures::default() };
    for partitions in partitions(args, &PARTITIONS) {
        figures.rounds.extend(rounds::measure(services, layout, *partitions, plan)?);
    }
    say("10,000 unfinished runs in an engine without workers");
    figures.memory = Some(memory::measure(services)?);
    draw(args.pictures.as_deref(), || pictures::all(&figures))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report::json(&figures))?);
        report::goals(&figures).iter().for_each(|goal| eprintln!("{goal}"));
    } else {
        print!("{}", report::tables(&figures));
        report::goals(&figures).iter().for_each(|goal| println!("{goal}"));
    }
    Ok(())
}

fn measure_case(services: &Services, layout: Layout, case: Case, args: &Args) -> Result<()> {
    let mut figures = Figures { layout, ..Figures::default() };
    for partitions in partitions(args, &PARTITIONS) {
        let window = Duration::from_secs(args.seconds);
        figures.rounds.push(rounds::measure_one(services, layout, *partitions, case, window)?);
    }
    print!("{}", report::tables(&figures));
    Ok(())
}

fn measure_scale(services: &Services, layout: Layout, args: &Args) -> Result<()> {
    let plan = if args.quick { scale::Plan::QUICK } else { scale::Plan::FULL };
    let scale = scale::measure(services, layout, partitions(args, &scale::PARTITIONS), plan)?;
    draw(args.pictures.as_deref(), || scale_report::pictures(&scale))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&scale_report::json(&scale))?);
    } else {
        print!("{}", scale_report::table(&scale));
    }
    Ok(())
}

/// Writes pictures, by the names of their files, if that was asked for.
fn draw(folder: Option<&Path>, pictures: impl FnOnce() -> Vec<(String, String)>) -> Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder)?;
    for (name, picture) in pictures() {
        let path = folder.join(name);
        std::fs::write(&path, picture)?;
        say(&format!("drew {}", path.display()));
    }
    Ok(())
}

/// Progress, for people.
fn say(words: &str) {
    eprintln!("pipeline: {words}");
}
