//! The engine and the projector under every fault that the log in memory knows, by seed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use orchestrator::log::memory::What;
use orchestrator::simulation::{Counts, Options, Report, run};
use rand::random;
use std::collections::BTreeMap;

/// Seeds of every run of the tests, and as many random ones, which are printed where they fail.
const SEEDS: u64 = 70;
/// The same, of a log that loses records.
const LOSSY_SEEDS: u64 = 30;

/// What some runs saw together.
#[derive(Debug, Default)]
struct Seen {
    runs: usize,
    counts: Vec<Counts>,
    happened: BTreeMap<What, u64>,
    named_losses: u64,
}

impl Seen {
    fn add(&mut self, report: Report) {
        self.runs += report.counts.runs;
        for (what, count) in report.happened {
            *self.happened.entry(what).or_default() += count;
        }
        self.named_losses += report.named_losses;
        self.counts.push(report.counts);
    }

    fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.counts.iter().map(of).sum()
    }

    fn expect(&self, whats: &[What]) {
        for what in whats {
            assert!(self.happened.contains_key(what), "{what:?} never happened in {:?}", self.happened);
        }
    }
}

fn see(seeds: u64, options: &Options) -> Seen {
    let mut seen = Seen::default();
    for seed in (0..seeds).chain((0..seeds).map(|_| random())) {
        seen.add(run(seed, options).unwrap_or_else(|violation| panic!("{violation}")));
    }
    seen
}

#[test]
fn every_invariant_holds_under_faults() {
    let seen = see(SEEDS, &Options::default());
    // A pass that saw no takeover, no void record and no repetition would say nothing.
    let (voids, repeated) = (seen.sum(|counts| counts.void_records), seen.sum(|counts| counts.repeated_publications));
    assert!(seen.runs > 500 && voids > 100 && repeated > 10, "{} runs, {voids} void, {repeated} repeated", seen.runs);
    let memories = seen.sum(|counts| counts.memories);
    assert!(memories > seen.sum(|counts| counts.steps) / 4, "{memories} memories were compared");
    for (what, count) in [
        ("dead letters", seen.sum(|counts| counts.dead_letters as u64)),
        ("forwarded requests", seen.sum(|counts| counts.forwarded as u64)),
        ("failed effects", seen.sum(|counts| counts.failed_effects as u64)),
        ("states that were lived through and replayed", seen.sum(|counts| counts.replayed as u64) / 1_000),
        ("timeouts", seen.sum(|counts| counts.timeouts as u64)),
    ] {
        assert!(count > 5, "{count} {what}");
    }
    seen.expect(&[What::TwinUnderWay, What::LandedAgain, What::LandedAfterDeath, What::Stampede, What::Refused]);
}

#[test]
fn a_log_that_loses_its_last_records_is_named_and_everything_that_is_left_ends() {
    let seen = see(LOSSY_SEEDS, &Options { losses: true, ..Options::default() });
    seen.expect(&[What::SuffixLost, What::Lost]);
    assert!(seen.runs > 200 && seen.named_losses > 5, "{} runs, {} losses named", seen.runs, seen.named_losses);
}

#[test]
fn without_faults_nothing_is_void_and_nothing_is_done_twice() {
    for seed in 0..20 {
        let options = Options { faults: false, engines: 1, ..Options::default() };
        let counts = run(seed, &options).unwrap_or_else(|violation| panic!("{violation}")).counts;
        assert_eq!((counts.void_records, counts.repeated_publications), (0, 0), "seed {seed}");
        assert!(counts.runs > 0, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let options = Options { losses: true, ..Options::default() };
    for seed in 0..5 {
        let told = |()| run(seed, &options).map(|report| format!("{report:?}"));
        assert_eq!(told(()), told(()), "seed {seed}");
    }
}

/// `SIMULATION_SEEDS=7` or `=100..200`, `SIMULATION_LOSSES=1` for a log that loses records, and what engines and
/// projectors say by `RUST_LOG`.
#[test]
#[ignore = "runs the seeds that SIMULATION_SEEDS names"]
fn the_seeds_that_the_environment_names() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let seeds = std::env::var("SIMULATION_SEEDS").expect("SIMULATION_SEEDS names a seed, or a range of them");
    let number = |text: &str| text.parse::<u64>().expect("a seed is a number");
    let (first, end) = match seeds.split_once("..") {
        Some((first, end)) => (number(first), number(end)),
        None => (number(&seeds), number(&seeds) + 1),
    };
    let options = Options { losses: std::env::var_os("SIMULATION_LOSSES").is_some(), ..Options::default() };
    let mut failed = Vec::new();
    for seed in first..end {
        match run(seed, &options) {
            Ok(report) => println!("seed {seed}: {report:?}"),
            Err(violation) => {
                println!("{violation}");
                failed.push(seed);
            }
        }
    }
    assert!(failed.is_empty(), "{} of {} seeds failed: {failed:?}", failed.len(), end - first);
}
