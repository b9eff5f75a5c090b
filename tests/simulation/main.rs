//! The engine, the projector and the worker protocol under every fault that the log in memory knows, by seed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

#[cfg(feature = "planted-bugs")]
mod planted;

use orchestrator::log::memory::What;
use orchestrator::simulation::{Counts, Options, Report, Trouble, Violation, remains, run, run_many, shrink};
use std::collections::BTreeMap;

/// Seeds of every run of the tests, the same each time; as many more are new ones, which are printed where they fail.
const SEEDS: u64 = 400;
const NEW_SEEDS: u64 = 100;
/// So many seeds run at a time: as CI has processors.
const THREADS: usize = 2;

/// What some runs saw together.
#[derive(Debug, Default)]
struct Seen {
    runs: usize,
    counts: Vec<Counts>,
    happened: BTreeMap<What, u64>,
    crashes: u64,
    crashes_within: u64,
    named_losses: u64,
}

impl Seen {
    fn add(&mut self, report: Report) {
        self.runs += report.counts.runs;
        for (what, count) in report.happened {
            *self.happened.entry(what).or_default() += count;
        }
        self.crashes += report.crashes;
        self.crashes_within += report.crashes_within;
        self.named_losses += report.named_losses;
        self.counts.push(report.counts);
    }

    fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.counts.iter().map(of).sum()
    }
}

/// What some seeds saw; a failed one says itself, and is shrunk.
fn see(first: u64, seeds: u64) -> Seen {
    let (mut seen, mut failed) = (Seen::default(), Vec::<Violation>::new());
    run_many(first..first + seeds, THREADS, Options::of, |(_, outcome)| match outcome {
        Ok(report) => seen.add(report),
        Err(violation) => failed.push(violation),
    });
    if let Some(violation) = failed.first() {
        let smallest = shrink(violation, &Options::of(violation.seed));
        let all: Vec<String> = failed.iter().map(Violation::to_string).collect();
        panic!("{}\nsmallest: {smallest}\n{}", all.join("\n"), smallest.story.join("\n"));
    }
    seen
}

#[test]
fn every_invariant_holds_under_faults() {
    let seen = see(0, SEEDS);
    // A pass that saw no takeover, no void record and no repetition would say nothing.
    for (what, count, least) in [
        ("runs", seen.runs as u64, 3_000),
        ("engines that crashed", seen.crashes, 2_000),
        ("of those, in the middle of what they did", seen.crashes_within, 1_000),
        ("void records", seen.sum(|counts| counts.void_records), 1_000),
        ("repeated publications", seen.sum(|counts| counts.repeated_publications), 5_000),
        ("memories compared", seen.sum(|counts| counts.memories), 10_000),
        ("tables compared", seen.sum(|counts| counts.projections), 10_000),
        ("states that were lived through and replayed", seen.sum(|counts| counts.replayed as u64), 10_000),
        ("dead letters", seen.sum(|counts| counts.dead_letters as u64), 1_000),
        ("dead letters that someone handled", seen.sum(|counts| counts.handled as u64), 500),
        ("runs that took up or forked another", seen.sum(|counts| counts.descended as u64), 500),
        ("nodes that were supplied", seen.sum(|counts| counts.supplied as u64), 200),
        ("records that were sent on", seen.sum(|counts| counts.forwarded as u64), 200),
        ("attempts that were handed over in memory", seen.sum(|counts| counts.handed_over as u64), 1_000),
        ("of those begun before their end", seen.sum(|counts| counts.begun_in_memory as u64), 500),
        ("attempts that were handed over again", seen.sum(|counts| counts.handed_over_again), 100),
        ("changes of breakers", seen.sum(|counts| counts.breaker_changes as u64), 400),
        ("deadlines that fired", seen.sum(|counts| counts.timeouts as u64), 100),
        ("effects that failed", seen.sum(|counts| counts.failed_effects as u64), 10),
        ("losses that were named", seen.named_losses, 20),
    ] {
        assert!(count >= least, "{count} {what}, at least {least} are expected");
    }
    for what in [What::TwinUnderWay, What::LandedAgain, What::LandedAfterDeath, What::Stampede, What::Refused]
        .into_iter()
        .chain([What::SuffixLost, What::Lost, What::Frozen, What::AckLost, What::GroupLied, What::Unlanded])
    {
        assert!(seen.happened.contains_key(&what), "{what:?} never happened in {:?}", seen.happened);
    }
}

#[test]
fn every_invariant_holds_under_faults_that_nobody_has_seen_before() {
    see(rand::random_range(1_000_000_000..u64::MAX / 2), NEW_SEEDS);
}

/// Seeds that have found what no other had, each with what it was.
const TELLING: [u64; 2] = [
    // A run was taken up in the same microsecond as it had failed, and ended in it: which of the two was remembered as
    // the workflow's last was a matter of their ids.
    1_375_198_907_871_100_078,
    // A node that was taken over by a run that had been undone was run all the same, once what it waits for had been.
    386_604_099_819_176_159,
];

#[test]
fn what_was_found_stays_mended() {
    for seed in TELLING {
        let options = Options { own_agents: 0, ..Options::of(seed) };
        run(seed, &options).unwrap_or_else(|violation| panic!("{violation}"));
    }
}

#[test]
fn without_faults_nothing_is_void_and_nothing_is_done_twice() {
    for seed in 0..20 {
        for own_agents in 0..=1 {
            let mut options = Options { faults: false, engines: 1, own_agents, ..Options::default() };
            // Who has not been heard of for a session takes its partitions again, and what was in memory is handed over
            // again: time that leaps is no fault, but that is what comes of it.
            options.without.extend([Trouble::Leaps].into_iter().filter(|_| own_agents > 0));
            let counts = run(seed, &options).unwrap_or_else(|violation| panic!("{violation}")).counts;
            assert_eq!((counts.void_records, counts.repeated_publications), (0, 0), "seed {seed}");
            assert!(counts.runs > 0 && (counts.handed_over > 0) == (own_agents > 0), "seed {seed}");
        }
    }
}

/// Byte by byte: every record of every topic, and everything that happened.
#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..8 {
        let told = || run(seed, &Options::of(seed)).map(|report| format!("{report:?}")).unwrap();
        let elsewhere = std::thread::spawn(move || run(seed, &Options::of(seed)).map(|report| format!("{report:?}")));
        assert_eq!(told(), elsewhere.join().unwrap().unwrap(), "seed {seed}");
    }
    let trace = |seed| format!("{:?}", remains(seed, &Options::of(seed)).unwrap().log.trace());
    assert_eq!(trace(3), trace(3));
    assert_ne!(trace(3), trace(4));
}

/// `SIMULATION_SEEDS=7` or `=100..200`, and what engines and projectors say by `RUST_LOG`.
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
    for seed in first..end {
        match run(seed, &Options::of(seed)) {
            Ok(report) => println!("seed {seed}: {report:?}"),
            Err(violation) => panic!("{violation}"),
        }
    }
}
