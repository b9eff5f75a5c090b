//! An input that may have ended the process is tried with care, and buried by its third try.

use super::town::{Town, id_in};
use orchestrator::journal::record::{JournalRecord, Step};
use orchestrator::log::Topic;
use std::time::Duration;

/// The steps that say what is about to be tried, and the marks, of partition 0.
fn steps(town: &Town) -> Vec<Step> {
    let step = |record| if let JournalRecord::Step(step) = record { Some(step) } else { None };
    town.journal(0).into_iter().filter_map(step).collect()
}

#[test]
fn a_mark_does_not_hide_how_often_an_input_was_tried() {
    let mut town = Town::new(&[]);
    let id = id_in(0, "poison");
    // A taking that bears no fruit, as if the first input had ended the process.
    town.start_and_own();
    town.kill();
    town.start_and_own();
    // The input has to wait for the definitions, and while it does the process ends.
    town.board.lock().unwrap().unanswered = Some(Topic::Definitions);
    town.request("nobody-knows", &id);
    for times in 1..=2 {
        town.until("it is tried", |town| steps(town).len() == times);
        town.turns_for(Duration::from_secs(5));
        assert_eq!(steps(&town).len(), times, "something else was recorded while the input waited");
        // The store has all of it, so that recovery begins as late as it may.
        town.project();
        town.kill();
        town.board.lock().unwrap().unanswered = None;
        town.start();
        town.until("it is taken", |town| town.takings(0) == 2 + times && town.owner(0).is_some());
        town.board.lock().unwrap().unanswered = Some(Topic::Definitions);
    }
    town.until("it is buried", |town| !town.dead_letters().is_empty());
    assert_eq!(town.dead_letters()[0]["reason"], "engine_fault");
    assert_eq!(steps(&town).len(), 3);
}
