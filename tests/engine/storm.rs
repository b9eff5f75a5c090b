//! However much is due at once, what is fresh does not wait for it.

use super::town::{Town, home, id_in};
use orchestrator::core::definition::Definition;
use orchestrator::core::definition::validate::validate;
use orchestrator::core::event::Event;
use orchestrator::core::failure::{Failure, FailureClass};
use orchestrator::core::id::WorkflowId;
use orchestrator::core::time::Timestamp;
use orchestrator::log::AppendError;
use orchestrator::wire::report::ReportOutcome;
use serde_json::json;

const WAITING: usize = 600;
/// So many succeed that no circuit breaker opens.
const FINE: usize = 100;

fn tried_again_at_once() -> Definition {
    let retry = json!({ "max_retries": 1, "base_delay": "60s", "jitter": "none" });
    validate(json!({ "name": "job", "nodes": [{ "node_id": "work", "agent_name": "hand", "retry": retry }] })).unwrap()
}

fn ids() -> Vec<String> {
    (0..).map(|n| format!("order {n}")).filter(|id| home(id) == 0).take(WAITING + FINE).collect()
}

/// How many second attempts have been handed out.
fn second_attempts(town: &Town) -> usize {
    town.tasks().iter().filter(|task| task.dispatch_id.attempt == 2).count()
}

/// When each retry is due.
fn due_times(town: &Town) -> Vec<Timestamp> {
    let due = |event: Event| match event {
        Event::NodeRetryScheduled(event) => Some(event.due_at),
        _ => None,
    };
    town.run_events().into_iter().filter_map(|recorded| due(recorded.event)).collect()
}

#[test]
fn a_fresh_request_does_not_wait_for_hundreds_of_retries_that_are_due() {
    let mut town = Town::new(&[tried_again_at_once()]);
    town.start_and_own();
    ids().iter().for_each(|id| town.request("job", id));
    town.until("all have been handed out", |town| town.tasks().len() == WAITING + FINE);
    let (fine, failing) = town.tasks().into_iter().enumerate().partition::<Vec<_>, _>(|(n, _)| n % 7 == 0);
    for (_, task) in &fine {
        town.complete(task);
    }
    for (_, task) in &failing {
        let failure = Failure::new(FailureClass::Retryable, "tired", "not now");
        town.report(task, ReportOutcome::Failed(failure.into()));
    }
    town.until("all wait", |town| due_times(town).len() == WAITING);
    let last = due_times(&town).into_iter().max().unwrap();
    town.kill();
    // All are due when the next engine has the partition, and a request is there.
    town.pass(last.since(town.now()));
    let fresh = id_in(0, "fresh");
    town.request("job", &fresh);
    town.start();
    town.until("the fresh one is handed out", |town| town.task(&fresh).is_some());
    let before = second_attempts(&town);
    assert!(before < WAITING / 2, "{before} of {WAITING} came before it");
    town.until("all of them come", |town| second_attempts(town) == WAITING);
}

#[test]
fn a_retry_that_is_due_does_not_wait_until_refused_effects_land() {
    let mut town = Town::new(&[tried_again_at_once()]);
    town.start_and_own();
    let id = id_in(0, "order");
    let task = town.begin("job", &id);
    let failure = Failure::new(FailureClass::Retryable, "tired", "not now");
    town.report(&task, ReportOutcome::Failed(failure.into()));
    town.until("it waits", |town| due_times(town).len() == 1);
    let due = due_times(&town)[0];
    town.board.lock().unwrap().effects_fail = Some(AppendError::Refused("not authorised".to_owned()));
    ids().iter().for_each(|id| town.request("job", id));
    town.sleep_until(due);
    let attempt = |town: &Town| {
        let entry = &town.owner(0).unwrap().state().runs[&WorkflowId::new(&id).unwrap()];
        entry.run.nodes["work"].attempt
    };
    town.until("it is decided", |town| attempt(town) == 2);
}
