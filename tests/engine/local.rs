//! Attempts that run in the engine's own process.

use super::town::{Town, id_in, one_node};
use orchestrator::core::json::Json;
use orchestrator::log::Topic;
use orchestrator::wire::report::ReportOutcome;
use orchestrator::wire::task::Task;
use std::time::Duration;

fn seven() -> ReportOutcome {
    ReportOutcome::Completed(Json::parse("7").unwrap())
}

/// A town whose engine has an attempt of this workflow handed over in memory.
fn handed_over(id: &str) -> (Town, Task) {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    town.desk.set_places(1);
    town.request("job", id);
    town.until("the attempt is handed over", |town| !town.desk.tasks().is_empty());
    let task = town.desk.tasks().remove(0);
    (town, task)
}

/// Given a place for its agent, when a node is ready, then its attempt goes through no topic, and its events are those
/// of any other.
#[test]
fn an_attempt_is_handed_over_in_memory_and_its_events_are_the_same() {
    let (local, remote) = (id_in(0, "local"), id_in(0, "remote"));
    let (mut town, task) = handed_over(&local);
    town.desk.report(&task, seven());
    town.until("the run is answered", |town| town.is_answered(&local));
    assert!(town.tasks().is_empty() && town.records(&Topic::Results).is_empty());
    // There is no other place.
    let task = town.begin("job", &remote);
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&remote));
    assert_eq!(town.events(&local), town.events(&remote));
    town.until("nothing is under way", |town| town.owner(0).unwrap().is_at_rest());
}

/// Given an attempt that was handed over and of which nothing is recorded, when the process dies, then the next owner
/// hands it out, through its topic where it has no such agent.
#[test]
fn an_attempt_is_handed_out_again_after_a_crash() {
    let id = id_in(0, "order");
    let (mut town, _) = handed_over(&id);
    town.project();
    town.kill();
    town.start_and_own();
    town.until("the task is there", |town| town.task(&id).is_some());
    let task = town.task(&id).unwrap();
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&id));
}

/// Given an attempt that has begun in memory, and all that is recorded of it in the store, when the process dies, then the
/// next owner knows that it is gone with it.
#[test]
fn an_attempt_that_has_begun_in_memory_is_handed_out_again_after_a_crash() {
    let id = id_in(0, "order");
    let (mut town, task) = handed_over(&id);
    town.desk.report(&task, ReportOutcome::Started);
    town.until("it is recorded", |town| town.events(&id).contains(&"NodeStarted"));
    town.until("nothing is under way", |town| town.owner(0).unwrap().is_at_rest());
    for times in 1..=2 {
        town.project();
        town.kill();
        town.start_and_own();
        town.until("it is handed out again", |town| town.tasks().len() == times);
    }
    let task = town.task(&id).unwrap();
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&id));
}

/// Given an attempt that was handed over in memory, when the log says that it has begun (with another owner), and then the
/// process dies, then the next owner hands it out: nobody may be left who has it.
#[test]
fn an_attempt_in_memory_that_has_begun_elsewhere_is_handed_out_again_after_a_crash() {
    let id = id_in(0, "order");
    let (mut town, task) = handed_over(&id);
    town.report(&task, ReportOutcome::Started);
    town.until("it is recorded", |town| town.events(&id).contains(&"NodeStarted"));
    town.turns_for(Duration::from_secs(1));
    assert!(!town.owner(0).unwrap().is_at_rest(), "its dispatch is still under way");
    town.kill();
    town.start_and_own();
    town.until("it is handed out again", |town| town.task(&id).is_some());
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&id));
    town.until("nothing is under way", |town| town.owner(0).unwrap().is_at_rest());
}

/// Given an attempt whose runner has ended, when the engine hears of it, then the attempt goes through its topic.
#[test]
fn an_attempt_that_is_dropped_goes_through_its_topic() {
    let id = id_in(0, "order");
    for has_begun in [false, true] {
        let (mut town, task) = handed_over(&id);
        if has_begun {
            town.desk.report(&task, ReportOutcome::Started);
        }
        town.desk.drop_task(&task);
        town.until("the task is there", |town| town.task(&id).is_some());
        town.complete(&task);
        town.until("the run is answered", |town| town.is_answered(&id));
        town.until("nothing is under way", |town| town.owner(0).unwrap().is_at_rest());
    }
}

/// Given an attempt whose time was up, when it is reported or dropped after that, then nothing of it stays under way.
#[test]
fn an_attempt_that_ends_too_late_is_settled() {
    let id = id_in(0, "order");
    for is_reported in [false, true] {
        let (mut town, task) = handed_over(&id);
        town.desk.report(&task, ReportOutcome::Started);
        town.until("its time is up", |town| town.is_answered(&id));
        if is_reported {
            town.desk.report(&task, seven());
            town.until("it changes nothing", |town| !town.partition_events().is_empty());
        } else {
            town.desk.drop_task(&task);
        }
        town.until("nothing is under way", |town| town.owner(0).unwrap().is_at_rest());
        assert!(town.tasks().is_empty());
    }
}

/// Given a crash that may have been caused by an input, when the next owner goes on, then everything goes through topics.
#[test]
fn after_a_crash_that_an_input_may_have_caused_nothing_is_handed_over_in_memory() {
    let mut town = Town::new(&[one_node("job")]);
    let id = id_in(0, "order");
    town.start_and_own();
    town.kill();
    town.desk.set_places(1);
    town.start_and_own();
    let task = town.begin("job", &id);
    assert!(town.desk.tasks().is_empty());
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&id));
}

/// Given a partition that is another's by now, when an attempt is reported, then its new owner may make use of it.
#[test]
fn a_report_for_another_owner_is_given_back() {
    let id = id_in(0, "order");
    let (mut town, task) = handed_over(&id);
    town.board.lock().unwrap().unanswered = Some(Topic::Definitions);
    town.lose(0);
    town.desk.report(&task, seven());
    town.until("it is given back", |town| town.desk.given_back() == 1);
}
