//! What `orchestrator-sim` takes and says.

use super::many::run_many;
use super::shrink::shrink;
use super::{Options, Report, Violation};
use crate::log::memory::What;
use crate::planted::Bug;
use clap::Parser;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Instant;

/// Runs the production engine, projector and worker protocol on a log in memory, in virtual time, under every fault:
/// one seed a run. A seed that breaks an invariant is printed with the smallest trace that still does.
#[derive(Debug, Parser)]
#[command(name = "orchestrator-sim", version)]
pub struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds run at a time; as many as there are processors where it is not said.
    #[arg(long)]
    threads: Option<usize>,
    /// How many requests are published in a run.
    #[arg(long, default_value_t = Options::default().requests)]
    workflows: usize,
    /// Print the trace of every seed, not only of those that fail.
    #[arg(long)]
    trace: bool,
    /// Print violations as they are, without looking for a smaller run that has them.
    #[arg(long)]
    no_shrink: bool,
    /// Plant a fault in the engine (needs the feature `planted-bugs`).
    #[arg(long, value_parser = bug)]
    plant: Option<Bug>,
}

fn bug(name: &str) -> Result<Bug, String> {
    let names: Vec<String> = Bug::ALL.iter().map(Bug::to_string).collect();
    if !cfg!(feature = "planted-bugs") {
        return Err("this build has none; build with --features planted-bugs".to_owned());
    }
    let found = Bug::ALL.into_iter().find(|bug| bug.to_string() == name);
    found.ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

/// So many failed seeds are shrunk; the others are named.
const SHRUNK: usize = 3;

/// Runs what was asked for. Whether every invariant held.
///
/// # Errors
/// Where nothing can be said.
pub fn simulate(arguments: &Arguments, out: &mut impl Write) -> io::Result<bool> {
    let Arguments { seeds, from, threads, workflows, plant, .. } = *arguments;
    let options = |seed| Options { requests: workflows, planted: plant, ..Options::of(seed) };
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let began = Instant::now();
    let (mut failed, mut told, mut seen) = (Vec::new(), Ok(()), Seen::default());
    run_many(from..from.saturating_add(seeds), threads, options, |(seed, outcome)| match outcome {
        Ok(report) => seen.add(&report),
        Err(violation) => {
            if told.is_ok() {
                told = writeln!(out, "{violation}").and_then(|()| out.flush());
            }
            failed.push((seed, violation));
        }
    });
    told?;
    let (seconds, runs) = (began.elapsed().as_secs_f64(), seen.runs);
    failed.sort_by_key(|(seed, _)| *seed);
    for (seed, violation) in failed.iter().take(if arguments.no_shrink { 0 } else { SHRUNK }) {
        tell_smallest(&options(*seed), violation, out)?;
    }
    if arguments.trace {
        for seed in (from..from.saturating_add(seeds)).filter(|seed| failed.iter().all(|(other, _)| other != seed)) {
            writeln!(out, "seed {seed}")?;
            super::trace::tell(seed, &options(seed)).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
    }
    writeln!(out, "{seen}")?;
    writeln!(
        out,
        "{seeds} seeds from {from}, {runs} runs of workflows: {seconds:.1} s, {:.1} ms a seed on {threads} threads; \
         {} failed",
        seconds * 1_000.0 * threads as f64 / seeds.max(1) as f64,
        failed.len(),
    )?;
    Ok(failed.is_empty())
}

/// What all runs saw together.
#[derive(Default)]
struct Seen {
    runs: usize,
    counts: BTreeMap<&'static str, u64>,
    happened: BTreeMap<What, u64>,
}

impl Seen {
    fn add(&mut self, report: &Report) {
        let counts = &report.counts;
        self.runs += counts.runs;
        for (name, count) in [
            ("engines that crashed", report.crashes),
            ("in the middle of something", report.crashes_within),
            ("steps", counts.steps),
            ("takings", counts.takings),
            ("void records", counts.void_records),
            ("publications repeated", counts.repeated_publications),
            ("memories compared", counts.memories),
            ("tables compared", counts.projections),
            ("states replayed", counts.replayed as u64),
            ("dead letters", counts.dead_letters as u64),
            ("dead letters handled", counts.handled as u64),
            ("runs taken up or forked", counts.descended as u64),
            ("nodes supplied", counts.supplied as u64),
            ("records sent on", counts.forwarded as u64),
            ("attempts handed over in memory", counts.handed_over as u64),
            ("of those begun before their end", counts.begun_in_memory as u64),
            ("attempts handed over again", counts.handed_over_again),
            ("effects failed", counts.failed_effects as u64),
            ("deadlines fired", counts.timeouts as u64),
            ("breakers changed", counts.breaker_changes as u64),
            ("inputs buried after four tries", counts.buried),
            ("losses named", report.named_losses),
        ] {
            *self.counts.entry(name).or_default() += count;
        }
        for (what, count) in &report.happened {
            *self.happened.entry(*what).or_default() += count;
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let counts: Vec<String> = self.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let happened: Vec<String> = self.happened.iter().map(|(what, count)| format!("{what:?} {count}")).collect();
        write!(f, "judged: {}\nthe log: {}", counts.join(", "), happened.join(", "))
    }
}

/// A failed seed, once more: the smallest run that still breaks the same invariant, and what happens in it.
fn tell_smallest(options: &Options, violation: &Violation, out: &mut impl Write) -> io::Result<()> {
    let smallest = shrink(violation, options);
    writeln!(out, "seed {}, as small as it still breaks {:?}: {}", violation.seed, violation.invariant, smallest)?;
    smallest.story.iter().try_for_each(|line| writeln!(out, "  {line}"))
}
