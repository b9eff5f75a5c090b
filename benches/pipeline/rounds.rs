//! Everything with one number of partitions, again and again.

use super::definitions::{CHAIN_NODES, FAN_NODES, all};
use super::figures::{Layout, Round};
use super::hops::Hops;
use super::load::{Case, Load};
use super::pictures::count;
use super::pipe::{Pipe, Protocol};
use super::setup::{Installation, Roles, Services};
use super::{BURST, say};
use anyhow::Result;
use std::time::Duration;

/// Records in flight through the bare pipe.
const IN_FLIGHT: [usize; 5] = [1, 16, 64, 256, 1024];
/// Workflows in flight.
const CHAINS: [usize; 4] = [1, 16, 64, 256];
const FANS: [usize; 3] = [1, 4, 16];
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
    pub const FULL: Self = Self {
        rounds: 3,
        pipe: Duration::from_millis(600),
        load: Duration::from_millis(1_500),
        warm_up: Duration::from_millis(250),
    };
    pub const QUICK: Self = Self {
        rounds: 1,
        pipe: Duration::from_millis(500),
        load: Duration::from_millis(1_000),
        warm_up: Duration::from_millis(250),
    };
}

/// Makes an installation and measures all rounds on it.
pub fn measure(services: &Services, layout: Layout, partitions: u32, plan: Plan) -> Result<Vec<Round>> {
    say(&count(partitions as usize, "partition"));
    let installation = Installation::make(services, &format!("p{partitions}"), partitions, &all())?;
    let mut pipe = Pipe::open(services, partitions)?;
    let mut hops = Hops::open(services, partitions)?;
    let roles = Roles::start(&installation, &layout.processes(1))?;
    let mut load = Load::open(&installation, &roles)?;
    warm_up(&mut pipe, &mut hops, &mut load)?;
    (0..plan.rounds).map(|_| measure_round(&mut pipe, &mut hops, &mut load, partitions, plan)).collect()
}

/// One case; says which process is which.
pub fn measure_one(
    services: &Services,
    layout: Layout,
    partitions: u32,
    case: Case,
    window: Duration,
) -> Result<Round> {
    let installation = Installation::make(services, &format!("p{partitions}"), partitions, &all())?;
    let roles = Roles::start(&installation, &layout.processes(1))?;
    let mut load = Load::open(&installation, &roles)?;
    for group in roles.groups() {
        say(&format!("{} is process {}", group.name, group.pid));
    }
    let figure = load.run(case, WARM_BROKER * 4, window)?;
    Ok(Round { partitions, loads: vec![figure], ..Round::default() })
}

/// So many chains in flight.
pub fn chain(in_flight: usize) -> Case {
    Case { name: "chain", nodes: CHAIN_NODES, in_flight }
}

/// A broker that has just started is several times slower until its code has been compiled; what is measured first
/// would look bad beside what comes later.
pub fn warm_up(pipe: &mut Pipe, hops: &mut Hops, load: &mut Load) -> Result<()> {
    for _ in 0..2 {
        pipe.run(Protocol::Journal, 64, Duration::ZERO, WARM_BROKER)?;
        hops.run(Duration::ZERO, WARM_BROKER)?;
        load.run(chain(16), Duration::ZERO, WARM_BROKER)?;
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
        round.loads.push(load.run(chain(in_flight), plan.warm_up, plan.load)?);
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
        let case = Case { name: "fan", nodes: FAN_NODES, in_flight };
        round.loads.push(load.run(case, plan.warm_up, plan.load)?);
    }
    Ok(round)
}
