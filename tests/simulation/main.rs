//! The engine and the projector under every fault that the log in memory knows, by seed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use orchestrator::simulation::{Options, run};
use rand::random;

/// Seeds of every run of the tests, and as many random ones, which are printed where they fail.
const SEEDS: u64 = 100;

fn seeds() -> impl Iterator<Item = u64> {
    (0..SEEDS).chain((0..SEEDS).map(|_| random()))
}

#[test]
fn every_invariant_holds_under_faults() {
    let options = Options::default();
    let (mut runs, mut voids, mut repeated) = (0, 0, 0);
    for seed in seeds() {
        let report = run(seed, &options).unwrap_or_else(|violation| panic!("{violation}"));
        runs += report.runs;
        voids += report.void_records;
        repeated += report.repeated_publications;
    }
    // A pass that saw no takeover, no void record and no repetition would say nothing.
    assert!(runs > 500 && voids > 100 && repeated > 10, "{runs} runs, {voids} void records, {repeated} repeated");
}

#[test]
fn without_faults_nothing_is_void_and_nothing_is_done_twice() {
    for seed in 0..20 {
        let options = Options { faults: false, engines: 1, ..Options::default() };
        let report = run(seed, &options).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!((report.void_records, report.repeated_publications), (0, 0), "seed {seed}");
        assert!(report.runs > 0, "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let options = Options::default();
    for seed in 0..5 {
        let told = |()| run(seed, &options).map(|report| format!("{report:?}"));
        assert_eq!(told(()), told(()), "seed {seed}");
    }
}
