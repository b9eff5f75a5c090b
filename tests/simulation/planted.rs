//! Every invariant bites: faults that are planted in the engine, one at a time, are found within so many seeds.

use orchestrator::planted::Bug;
use orchestrator::simulation::{Options, Trouble, run, run_many, shrink};
use std::sync::atomic::{AtomicBool, Ordering};

/// Within so many seeds, from 0 on, each of them is found (docs/simulation.md has the table). The engine as it is holds
/// over more: `every_invariant_holds_under_faults`.
pub const FOUND_WITHIN: &[(Bug, u64)] = &[
    (Bug::ActsBeforeReadBack, 10),
    (Bug::IgnoresATaking, 20),
    (Bug::AcceptsAVoidStep, 10),
    (Bug::AcceptsAnEqualTerm, 10),
    (Bug::ForgetsAPosition, 5),
    (Bug::MovesEffectsThroughEarly, 5),
    (Bug::TakesUnconfirmedAsDone, 100),
    (Bug::HandsOutNothingAgain, 10),
    (Bug::ForgetsRetries, 10),
    (Bug::ForgetsEndedRuns, 10),
    (Bug::AcceptsASecondCompletion, 5),
    (Bug::WaitsForOneDependency, 10),
    (Bug::RetriesOnceMore, 20),
    (Bug::DeadlineOvertakesResults, 60),
    (Bug::TrustsItsClock, 20),
    (Bug::WritesNoLetter, 5),
    (Bug::ForwardsWithoutOrigin, 10),
    (Bug::IgnoresBreakers, 20),
    (Bug::TakesUpAnything, 10),
    (Bug::TrustsTheStore, 100),
    (Bug::ReadsOnWhereTheJournalIsLost, 60),
    (Bug::StoresPositionApart, 10),
    (Bug::ProjectsNoResults, 5),
    (Bug::HoldsRequestsBackForGood, 10),
    (Bug::AnswersDifferAfterATaking, 10),
    (Bug::HandsOverBeforeReadBack, 5),
    (Bug::TakesAHandOverAsDone, 5),
    (Bug::ForgetsWhatBeganInMemory, 40),
    (Bug::ForgetsWhatARunnerDropped, 10),
];

#[test]
fn every_planted_fault_is_found_within_its_seeds() {
    assert_eq!(FOUND_WITHIN.iter().map(|(bug, _)| *bug).collect::<Vec<_>>(), Bug::ALL, "one line for each");
    let missed: Vec<String> = FOUND_WITHIN
        .iter()
        .filter(|(bug, within)| !is_found(*bug, *within))
        .map(|(bug, within)| format!("{bug} within {within} seeds"))
        .collect();
    assert!(missed.is_empty(), "not found: {}", missed.join(", "));
}

/// What makes another process take a partition, or the same one again.
const TAKINGS: [Trouble; 5] =
    [Trouble::EngineCrashes, Trouble::Freezes, Trouble::Group, Trouble::Errors, Trouble::Leaps];

/// Whether a fault is found by one of the first seeds. Once it is, the others are not run.
fn is_found(bug: Bug, within: u64) -> bool {
    let found = AtomicBool::new(false);
    let options = |seed| {
        let mut options = Options { planted: Some(bug), ..Options::of(seed) };
        match bug {
            // What is wrong only where records are lost is looked for where they are.
            Bug::TrustsTheStore | Bug::ReadsOnWhereTheJournalIsLost => options.losses = true,
            // Each taking makes good for it: it is looked for where owners stay.
            Bug::ForgetsWhatARunnerDropped => {
                (options.own_agents, options.losses) = (options.engines, false);
                options.without.extend(TAKINGS);
            }
            _ => {}
        }
        if found.load(Ordering::Relaxed) {
            (options.actions, options.requests) = (0, 0);
        }
        options
    };
    run_many(0..within, super::THREADS, options, |(_, outcome)| {
        found.fetch_or(outcome.is_err(), Ordering::Relaxed);
    });
    found.into_inner()
}

#[test]
fn what_is_found_is_made_small() {
    let options = |seed| Options { planted: Some(Bug::WritesNoLetter), ..Options::of(seed) };
    let violation = (0..20).find_map(|seed| run(seed, &options(seed)).err()).unwrap();
    let smallest = shrink(&violation, &options(violation.seed));
    assert_eq!(smallest.violation.invariant, violation.invariant);
    let all = options(violation.seed);
    assert!(smallest.actions() < all.actions / 2 && smallest.options.requests < all.requests, "{smallest}");
    assert!(smallest.story.len() < 300, "{} lines", smallest.story.len());
}
