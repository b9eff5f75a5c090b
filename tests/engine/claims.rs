//! What a taking waits for, and what it leaves aside.

use super::lines::Lines;
use super::town::{Town, id_in, one_node};
use orchestrator::log::{Record, Topic};
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

/// Given a store that has read the journal past a void record, when the journal loses that record and the owner's next
/// step comes to stand in its place, then whoever takes the partition knows that step.
#[test]
fn a_step_in_the_place_of_a_void_record_that_the_store_has_read_is_not_passed_over() {
    let mut town = Town::new(&[one_node("job")]);
    let id = id_in(0, "order");
    town.start_and_own();
    let task = town.begin("job", &id);
    let before = town.log.records(&Topic::Journal, 0);
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&id));
    town.kill();
    let last_steps = town.log.records_from(&Topic::Journal, 0, before.len() as u64);

    let repeat = |town: &mut Town, record: &Record| {
        town.append(Topic::Journal, Some(0), None, record.value.clone().unwrap(), vec![]);
    };
    // The log as it was before the last steps came, with a repetition of the one before them.
    town.log.lose_suffix(&Topic::Journal, 0, last_steps.len());
    repeat(&mut town, before.last().unwrap());
    town.project();
    town.log.lose_suffix(&Topic::Journal, 0, 1);
    last_steps.iter().for_each(|step| repeat(&mut town, step));

    let lines = Lines::default();
    lines.during(|| town.start_and_own());
    assert!(!town.is_unfinished(&id));
    assert_eq!(lines.with(&["JournalLost", "expected no record that counts"]).len(), 1);
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
