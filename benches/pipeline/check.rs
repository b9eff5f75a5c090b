//! Whether anything is much slower than it was: ratios to the bare pipe of the same minute, each with a bound that only
//! a mistake reaches. What is beyond its bound is measured once more before it counts.

use super::definitions::{self, CHAIN_NODES};
use super::figures::{Layout, median, micros_each};
use super::hops::Hops;
use super::load::Load;
use super::meter;
use super::pipe::{Pipe, Protocol};
use super::rounds::{chain, warm_up};
use super::say;
use super::setup::{Installation, Roles, Services};
use super::times::Times;
use anyhow::{Result, bail};
use std::fmt;
use std::time::Duration;

/// How much worse than usual is still allowed.
const MARGIN: f64 = 2.0;
const PARTITIONS: u32 = 1;
/// Each ratio is taken so often; the one in the middle counts.
const ROUNDS: usize = 3;
/// Workflows and records in flight where CPU and throughput are compared.
const MANY: usize = 256;
/// Before each case.
const WARM_CASE: Duration = Duration::from_millis(200);
const WINDOW: Duration = Duration::from_millis(800);

/// What is compared, and what it usually is on a machine that does nothing else: in builds without optimisation, which
/// CI makes anyway, and in release builds.
struct Kind {
    name: &'static str,
    what: &'static str,
    unoptimised: f64,
    optimised: f64,
    /// Whether less is worse.
    at_least: bool,
    of: fn(&Sample) -> Option<f64>,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "chain-p50-to-hops",
        what: "chain, p50 at 1 in flight, to the 33 hops",
        unoptimised: 2.5,
        optimised: 1.25,
        at_least: false,
        of: |sample| sample.chain_to_hops,
    },
    Kind {
        name: "chain-together-p50-to-ten-rounds",
        what: "chain, p50 at 1 in flight, engine and agents in one process, to ten rounds of the bare pipe",
        unoptimised: 2.0,
        optimised: 1.0,
        at_least: false,
        of: |sample| sample.together_to_rounds,
    },
    Kind {
        name: "chain-cpu-to-pipe",
        what: "chain, CPU a node at 256 in flight, to a round of the bare pipe",
        unoptimised: 21.0,
        optimised: 6.0,
        at_least: false,
        of: |sample| sample.cpu_to_pipe,
    },
    Kind {
        name: "chain-nodes-to-pipe",
        what: "chain, nodes/s at 256 in flight, to rounds/s of the bare pipe",
        unoptimised: 0.05,
        optimised: 0.15,
        at_least: true,
        of: |sample| sample.nodes_to_pipe,
    },
];

/// What one round says.
#[derive(Default)]
struct Sample {
    chain_to_hops: Option<f64>,
    together_to_rounds: Option<f64>,
    cpu_to_pipe: Option<f64>,
    nodes_to_pipe: Option<f64>,
}

/// A ratio and whether it is allowed.
struct Ratio {
    kind: &'static Kind,
    measured: f64,
}

impl Ratio {
    fn usual(&self) -> f64 {
        if cfg!(debug_assertions) { self.kind.unoptimised } else { self.kind.optimised }
    }

    fn allowed(&self) -> f64 {
        if self.kind.at_least { self.usual() / MARGIN } else { self.usual() * MARGIN }
    }

    fn holds(&self) -> bool {
        if self.kind.at_least { self.measured >= self.allowed() } else { self.measured <= self.allowed() }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Kind { name, what, at_least, .. } = self.kind;
        let (measured, allowed, usual) = (self.measured, self.allowed(), self.usual());
        let (sign, holds) = (if *at_least { ">=" } else { "<=" }, if self.holds() { "holds" } else { "does not hold" });
        write!(f, "check {name} {measured:.3} {sign}{allowed:.3} {holds} (usually {usual}): {what}")
    }
}

/// Measures, says what, and fails if a ratio is beyond its bound twice.
pub fn run(services: &Services) -> Result<()> {
    let make = |name| Installation::make(services, name, PARTITIONS, &definitions::all());
    let (apart, together) = (make("check_apart")?, make("check_together")?);
    let first = ratios(&apart, &together)?;
    if first.iter().all(Ratio::holds) {
        return Ok(());
    }
    say("something is much slower than usual: once more");
    let second = ratios(&apart, &together)?;
    let twice = first.iter().zip(&second).filter(|(first, second)| !first.holds() && !second.holds());
    let words: Vec<String> = twice.map(|(first, second)| words(first, second)).collect();
    if words.is_empty() {
        return Ok(());
    }
    bail!("much slower than it was, {}", words.join("; "))
}

fn words(first: &Ratio, second: &Ratio) -> String {
    let Kind { what, at_least, .. } = first.kind;
    let (allowed, bound) = (first.allowed(), if *at_least { "least" } else { "most" });
    format!("{what}: measured {:.3} and again {:.3}, allowed at {bound} {allowed:.3}", first.measured, second.measured)
}

fn ratios(apart: &Installation, together: &Installation) -> Result<Vec<Ratio>> {
    let mut samples = measure(apart, Layout::Apart)?;
    samples.extend(measure(together, Layout::Together)?);
    let mut ratios = Vec::new();
    for kind in &KINDS {
        let Some(measured) = median(samples.iter().filter_map(kind.of).collect()) else {
            bail!("{}: nothing was measured within {WINDOW:?}, {ROUNDS} times", kind.what);
        };
        ratios.push(Ratio { kind, measured });
    }
    ratios.iter().for_each(|ratio| println!("{ratio}"));
    Ok(ratios)
}

fn measure(installation: &Installation, layout: Layout) -> Result<Vec<Sample>> {
    let mut pipe = Pipe::open(installation.services, PARTITIONS)?;
    let mut hops = Hops::open(installation.services, PARTITIONS)?;
    let roles = Roles::start(installation, &layout.processes(1))?;
    let mut load = Load::open(installation, &roles)?;
    warm_up(&mut pipe, &mut hops, &mut load)?;
    let sample = |_| match layout {
        Layout::Apart => sample_apart(&mut pipe, &mut hops, &mut load, &roles),
        Layout::Together => sample_together(&mut pipe, &mut load),
    };
    (0..ROUNDS).map(sample).collect()
}

fn sample_apart(pipe: &mut Pipe, hops: &mut Hops, load: &mut Load, roles: &Roles) -> Result<Sample> {
    // Before and after what is compared with it.
    let mut bare = hops.run(WARM_CASE, WINDOW)?;
    let one = load.run(chain(1), WARM_CASE, WINDOW)?;
    bare.merge(&hops.run(WARM_CASE, WINDOW)?);
    pipe.run(Protocol::Bare, MANY, Duration::ZERO, WARM_CASE)?;
    let groups = roles.groups();
    let before = meter::read(&groups)?;
    let rounds = pipe.run(Protocol::Bare, MANY, Duration::ZERO, WINDOW)?.times;
    let used = meter::between(&before, &meter::read(&groups)?);
    // What else runs has nothing to do.
    let bare_cpu: f64 = used.iter().map(|usage| micros_each(usage.cpu, rounds.count())).sum();
    let many = load.run(chain(MANY), WARM_CASE, WINDOW)?;
    let has_many = many.nodes() > 0;
    Ok(Sample {
        chain_to_hops: p50_ratio(&one.times, &bare, 1),
        cpu_to_pipe: (has_many && bare_cpu > 0.0).then(|| many.cpu_micros_a_node() / bare_cpu),
        nodes_to_pipe: (has_many && rounds.count() > 0).then(|| many.nodes_per_second() / rounds.per_second()),
        ..Sample::default()
    })
}

fn sample_together(pipe: &mut Pipe, load: &mut Load) -> Result<Sample> {
    let mut bare = pipe.run(Protocol::Bare, 1, WARM_CASE, WINDOW)?.times;
    let one = load.run(chain(1), WARM_CASE, WINDOW)?;
    bare.merge(&pipe.run(Protocol::Bare, 1, WARM_CASE, WINDOW)?.times);
    Ok(Sample { together_to_rounds: p50_ratio(&one.times, &bare, CHAIN_NODES), ..Sample::default() })
}

/// To so many of the other one; nothing when either has not ended once.
fn p50_ratio(times: &Times, to: &Times, count: usize) -> Option<f64> {
    (times.count() > 0 && to.count() > 0).then(|| times.p50_ms() / (to.p50_ms() * count as f64))
}
