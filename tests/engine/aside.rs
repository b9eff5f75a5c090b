//! Runs whose definition cannot be used any more wait; their partition is taken for all the others.

use super::lines::Lines;
use super::town::{Town, id_in, one_node};
use orchestrator::core::event::PartitionEvent;
use orchestrator::log::AppendError;

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

#[test]
fn a_dispatch_that_fails_while_its_run_is_set_aside_fails_its_node_when_the_run_goes_on() {
    let job = one_node("job");
    let mut town = Town::new(std::slice::from_ref(&job));
    let (stuck, good) = (id_in(0, "stuck"), id_in(0, "good"));
    let fail = |town: &Town, error| town.board.lock().unwrap().effects_fail = error;
    town.start_and_own();
    fail(&town, Some(AppendError::Unconfirmed("the test says so".to_owned())));
    town.request("job", &stuck);
    town.until("the dispatch is tried", |town| town.board.lock().unwrap().effects > 0);
    town.kill();
    town.board.lock().unwrap().hidden_below = 1;
    fail(&town, Some(AppendError::Refused("the topic is gone".to_owned())));
    let lines = Lines::default();
    lines.during(|| {
        town.start_and_own();
        town.until("the dispatch has failed", |_| !lines.with(&["failed for good", "dispatch"]).is_empty());
    });
    fail(&town, None);
    town.apply(&one_node("other"));
    town.request("other", &good);
    town.until("others go on", |town| town.task(&good).is_some());
    assert!(town.is_unfinished(&stuck));
    assert!(!town.partition_events().iter().any(|event| matches!(event, PartitionEvent::EffectFailed(_))));
    town.apply(&job);
    town.until("the run is answered", |town| town.is_answered(&stuck));
    assert!(town.events(&stuck).contains(&"NodeFailed"));
}

#[test]
fn a_request_for_a_definition_that_this_version_cannot_execute_is_told_so() {
    let mut town = Town::new(&[one_node("new")]);
    town.board.lock().unwrap().spoilt = Some("new".to_owned());
    town.start_and_own();
    let id = id_in(0, "early");
    town.request("new", &id);
    town.until("it is refused", |town| !town.responses(&id).is_empty());
    assert_eq!(town.responses(&id), ["unsupported"]);
}
