//! What has been won is not given away.

use super::town::Town;
use orchestrator::log::Topic;
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
