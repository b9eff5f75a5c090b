//! `cargo bench --bench pipeline`: what the pipe can carry, and what the orchestrator makes of it.
//!
//! Starts a Kafka and a Postgres of its own (`scripts/services`), measures plain produce and consume on them, then
//! the release binary's roles as processes of their own with this process as their client. Ratios are taken within a
//! round, so that a machine that is busy with other things slows both sides down; what is printed of several rounds
//! is the median of the ratios and the merged distribution of the times.
//!
//! Reading order: [`support`] (services, installations, processes, plain rdkafka), [`pipe`] and [`hops`]
//! (the bare pipe), [`load`] (workflows), [`memory`], [`report`].

mod definitions;
mod figures;
mod hops;
mod load;
mod memory;
mod pipe;
mod report;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with other benches")]
mod support;

use anyhow::Result;
use clap::Parser;
use figures::{Figures, Round};
use hops::Hops;
use load::{Case, Load};
use pipe::{Pipe, Protocol};
use std::path::PathBuf;
use std::time::Duration;
use support::setup::{Installation, Roles, Services};
use support::{clients, meter, setup, times, wait};

/// Records, requests and outputs have about so many bytes.
const PAYLOAD_BYTES: usize = 200;
/// Both sides of every ratio have the same number of partitions.
const PARTITIONS: [u32; 2] = [1, 4];
/// Records in flight through the bare pipe.
const IN_FLIGHT: [usize; 5] = [1, 16, 64, 256, 1024];
/// The processes, by their roles.
const APART: &[&str] = &["engine", "projector", "worker"];
const TOGETHER: &[&str] = &["engine,worker", "projector"];
/// Workflows in flight.
const CHAINS: [usize; 4] = [1, 16, 64, 256];
const FANS: [usize; 3] = [1, 4, 16];
/// One burst, and the parallel nodes of a fan.
const BURST: usize = 100;

/// How long each kind of work warms a new broker and new processes, twice.
const WARM_BROKER: Duration = Duration::from_secs(1);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often everything is measured.
    rounds: usize,
    /// One case of the bare pipe.
    pipe: Duration,
    /// One case of workflows.
    load: Duration,
    /// Before each case.
    warm_up: Duration,
}

impl Plan {
    const FULL: Self = Self {
        rounds: 3,
        pipe: Duration::from_millis(600),
        load: Duration::from_millis(1_500),
        warm_up: Duration::from_millis(250),
    };
    const QUICK: Self = Self {
        rounds: 1,
        pipe: Duration::from_millis(500),
        load: Duration::from_millis(1_000),
        warm_up: Duration::from_millis(250),
    };
}

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
    /// Leave Kafka and Postgres running
    #[arg(long)]
    keep: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    let partitions = if args.partitions.is_empty() { PARTITIONS.to_vec() } else { args.partitions.clone() };
    say("starting Kafka and Postgres");
    let services = Services::up(args.program, args.keep)?;
    let roles = if args.together { TOGETHER } else { APART };
    let mut figures = Figures { together: args.together, ..Figures::default() };
    if let Some(case) = args.only {
        let window = Duration::from_secs(args.seconds);
        for partitions in partitions {
            figures.rounds.push(measure_one(&services, roles, partitions, case, window)?);
        }
        print!("{}", report::tables(&figures));
        return Ok(());
    }
    for partitions in partitions {
        figures.rounds.extend(measure(&services, roles, partitions, plan)?);
    }
    say("10,000 unfinished runs in an engine without workers");
    figures.memory = Some(memory::measure(&services)?);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report::json(&figures))?);
        report::goals(&figures).iter().for_each(|goal| eprintln!("{goal}"));
    } else {
        print!("{}", report::tables(&figures));
        report::goals(&figures).iter().for_each(|goal| println!("{goal}"));
    }
    Ok(())
}

fn measure(services: &Services, roles: &[&'static str], partitions: u32, plan: Plan) -> Result<Vec<Round>> {
    say(&format!("{partitions} partitions"));
    let installation = Installation::make(services, &format!("p{partitions}"), partitions, &definitions::all())?;
    let mut pipe = Pipe::open(services, partitions)?;
    let mut hops = Hops::open(services, partitions)?;
    let roles = Roles::start(&installation, roles)?;
    let mut load = Load::open(&installation, &roles)?;
    warm_up(&mut pipe, &mut hops, &mut load)?;
    (0..plan.rounds).map(|_| measure_round(&mut pipe, &mut hops, &mut load, partitions, plan)).collect()
}

/// One case; says which process is which.
fn measure_one(
    services: &Services,
    roles: &[&'static str],
    partitions: u32,
    case: Case,
    window: Duration,
) -> Result<Round> {
    let installation = Installation::make(services, &format!("p{partitions}"), partitions, &definitions::all())?;
    let roles = Roles::start(&installation, roles)?;
    let mut load = Load::open(&installation, &roles)?;
    for group in roles.groups() {
        say(&format!("{} is process {}", group.name, group.pid));
    }
    let figure = load.run(case, WARM_BROKER * 4, window)?;
    Ok(Round { partitions, loads: vec![figure], ..Round::default() })
}

/// A broker that has just started is several times slower until its code has been compiled; what is measured first
/// would look bad beside what comes later.
fn warm_up(pipe: &mut Pipe, hops: &mut Hops, load: &mut Load) -> Result<()> {
    for _ in 0..2 {
        pipe.run(Protocol::Journal, 64, Duration::ZERO, WARM_BROKER)?;
        hops.run(Duration::ZERO, WARM_BROKER)?;
        load.run(Case { name: "chain", nodes: definitions::CHAIN_NODES, in_flight: 16 }, Duration::ZERO, WARM_BROKER)?;
    }
    Ok(())
}

/// What is compared with each other is measured one after the other.
fn measure_round(pipe: &mut Pipe, hops: &mut Hops, load: &mut Load, partitions: u32, plan: Plan) -> Result<Round> {
    let mut round = Round { partitions, ..Round::default() };
    round.hops = hops.run(plan.warm_up, plan.load)?;
    for in_flight in CHAINS {
        for protocol in [Protocol::Bare, Protocol::Journal] {
            round.pipes.push(pipe.run(protocol, in_flight, plan.warm_up, plan.pipe)?);
        }
        let case = Case { name: "chain", nodes: definitions::CHAIN_NODES, in_flight };
        round.loads.push(load.run(case, plan.warm_up, plan.load)?);
        if in_flight == 1 {
            // Before and after what is compared with it.
            round.hops.merge(&hops.run(plan.warm_up, plan.load)?);
        }
    }
    for in_flight in IN_FLIGHT.into_iter().filter(|in_flight| !CHAINS.contains(in_flight)) {
        for protocol in [Protocol::Bare, Protocol::Journal] {
            round.pipes.push(pipe.run(protocol, in_flight, plan.warm_up, plan.pipe)?);
        }
    }
    for protocol in [Protocol::Bare, Protocol::Journal] {
        round.bursts.push(pipe.burst(protocol, BURST, plan.warm_up, plan.pipe)?);
    }
    for in_flight in FANS {
        let case = Case { name: "fan", nodes: definitions::FAN_NODES, in_flight };
        round.loads.push(load.run(case, plan.warm_up, plan.load)?);
    }
    Ok(round)
}

/// Progress, for people.
fn say(words: &str) {
    eprintln!("pipeline: {words}");
}
