//! What a taking waits for, and what it leaves aside.

use super::lines::Lines;
use super::town::{Town, id_in, one_node};
use orchestrator::log::Topic;
use orchestrator::wire::report::ReportOutcome;
use std::time::Duration;

#[test]
fn definitions_that_do_not_answer_keep_a_taking_waiting_and_do_not_end_it() {
    let mut town = Town::new(&[]);
    town.board.lock().unwrap().unanswered = Some(Topic::Definitions);
    town.start();
    town.turns_for(Duration::from_secs(120));
    assert!((0..2).all(|partition| town.owner(partition).is_none()));
    assert_eq!((town.takings(0), town.takings(1)), (1, 1));
    town.board.lock().unwrap().unanswered = None;
    town.until("both are owned", |town| (0..2).all(|partition| town.owner(partition).is_some()));
    assert_eq!((town.takings(0), town.takings(1)), (1, 1));
}

#[test]
fn a_store_whose_state_does_not_fit_the_journal_is_left_aside() {
    let mut town = Town::new(&[one_node("job")]);
    let id = id_in(0, "order");
    town.start_and_own();
    let task = town.begin("job", &id);
    town.project();
    town.set_store_back(&id);
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&id));
    town.kill();
    let lines = Lines::default();
    lines.during(|| town.start_and_own());
    assert_eq!(lines.with(&["JournalLost", "does not fit"]).len(), 1);
    assert!(!town.is_unfinished(&id));
}

#[test]
fn an_attempt_that_ran_at_a_takeover_has_time_to_come_to_another_worker() {
    let mut town = Town::new(&[one_node("job")]);
    let id = id_in(0, "order");
    town.start_and_own();
    let task = town.begin("job", &id);
    town.report(&task, ReportOutcome::Started);
    town.until("the node runs", |town| town.events(&id).contains(&"NodeStarted"));
    town.kill();
    town.start_and_own();
    // The session of its worker is over after 10 s, and then its group is rearranged.
    town.turns_for(Duration::from_secs(25));
    assert!(town.is_unfinished(&id));
    town.until("its deadline fires", |town| town.is_answered(&id));
}
