//! Runs whose definition cannot be used any more wait; their partition is taken for all the others.

use super::lines::Lines;
use super::town::{Town, id_in, one_node};
use orchestrator::core::event::PartitionEvent;

#[test]
fn a_run_whose_definition_is_not_valid_any_more_does_not_hold_up_its_partition() {
    let mut town = Town::new(&[one_node("old"), one_node("good")]);
    let (stuck, free, new) = (id_in(0, "stuck"), id_in(0, "free"), id_in(0, "new"));
    town.start_and_own();
    let (stuck_task, free_task) = (town.begin("old", &stuck), town.begin("good", &free));
    town.kill();
    town.board.lock().unwrap().spoilt = Some("old".to_owned());
    let lines = Lines::default();
    lines.during(|| town.start_and_own());
    assert_eq!(lines.with(&["ERROR", "a run is set aside", &stuck, "old"]).len(), 1);
    town.complete(&free_task);
    town.until("the other run goes on", |town| town.is_answered(&free));
    let task = town.begin("good", &new);
    town.complete(&task);
    town.until("a new run goes on", |town| town.is_answered(&new));
    // A report that nobody can decide is kept whole, and said to be.
    town.complete(&stuck_task);
    town.until("the report is in the dead letters", |town| !town.dead_letters().is_empty());
    let letter = &town.dead_letters()[0];
    assert_eq!((letter["reason"].as_str(), letter["workflow_id"].as_str()), (Some("set_aside"), Some(&*stuck)));
    // A process that can use the definition goes on with it.
    town.kill();
    town.board.lock().unwrap().spoilt = None;
    town.start_and_own();
    assert!(town.is_unfinished(&stuck));
    town.complete(&stuck_task);
    town.until("the run is answered", |town| town.is_answered(&stuck));
    let refused = |event: &PartitionEvent| matches!(event, PartitionEvent::InputRefused(_));
    assert_eq!(town.partition_events().into_iter().filter(refused).count(), 1);
}

#[test]
fn a_run_whose_definition_comes_later_goes_on_without_a_new_process() {
    let job = one_node("job");
    let mut town = Town::new(std::slice::from_ref(&job));
    let stuck = id_in(0, "stuck");
    town.start_and_own();
    let task = town.begin("job", &stuck);
    town.kill();
    town.board.lock().unwrap().hidden_below = 1;
    let lines = Lines::default();
    lines.during(|| {
        town.start_and_own();
        assert_eq!(lines.with(&["a run is set aside", &stuck]).len(), 1);
        town.apply(&job);
        town.until("it goes on", |_| !lines.with(&["goes on", &stuck]).is_empty());
    });
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&stuck));
}
