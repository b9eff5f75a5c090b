//! Attempts that wait in the delay topics for minutes, hours and days come when they are due, and not before.

use super::town::{TURN, Town, id_in};
use orchestrator::core::definition::Definition;
use orchestrator::core::definition::validate::validate;
use orchestrator::core::event::Event;
use orchestrator::core::failure::{Failure, FailureClass};
use orchestrator::core::time::Timestamp;
use orchestrator::log::Topic;
use orchestrator::log::topic::DelayTier;
use orchestrator::wire::report::ReportOutcome;
use serde_json::json;
use std::time::Duration;

/// One poll decides the attempt, and the next hands it out.
const LATE: Duration = Duration::from_millis(50);

fn tried_again_after(delay: Duration) -> Definition {
    let delay = format!("{}ms", delay.as_millis());
    let retry = json!({ "max_retries": 1, "base_delay": delay, "max_delay": "30d", "jitter": "none" });
    validate(json!({ "name": "job", "nodes": [{ "node_id": "work", "agent_name": "hand", "retry": retry }] })).unwrap()
}

fn due_at(town: &Town, id: &str) -> Option<Timestamp> {
    town.recorded(id).into_iter().find_map(|recorded| match recorded.event {
        Event::NodeRetryScheduled(event) => Some(event.due_at),
        _ => None,
    })
}

/// When the second attempt was handed out.
fn came_at(town: &Town, id: &str) -> Option<Timestamp> {
    let handed_out = |event: &Event| matches!(event, Event::NodeScheduled(event) if event.attempt == 2);
    let recorded = town.recorded(id);
    recorded.iter().find(|recorded| handed_out(&recorded.event)).map(|recorded| recorded.time)
}

/// The second attempt comes in time; the engine may be killed while it waits.
fn comes_in_time(delay: Duration, tier: DelayTier, is_killed: bool) {
    let mut town = Town::new(&[tried_again_after(delay)]);
    town.start_and_own();
    let id = id_in(1, "order");
    let task = town.begin("job", &id);
    let failure = Failure::new(FailureClass::Retryable, "tired", "not now");
    town.report(&task, ReportOutcome::Failed(failure.into()));
    town.until("it waits", |town| due_at(town, &id).is_some());
    town.until("its wake-up is in the topic", |town| !town.records(&Topic::Delay(tier)).is_empty());
    let due = due_at(&town, &id).unwrap();
    let long = Duration::from_secs(20);
    if is_killed {
        town.sleep_until(Timestamp(town.now().0 + i64::try_from(delay.as_micros() / 2).unwrap()));
        town.kill();
        town.start_and_own();
    }
    town.sleep_until(Timestamp(due.0 - i64::try_from(long.as_micros()).unwrap()));
    assert_eq!(came_at(&town, &id), None, "before it was due");
    town.turns_for(long + LATE + 2 * TURN);
    let came = came_at(&town, &id).expect("it has come");
    assert!(came >= due && came.since(due) <= LATE, "{tier:?}: it was due at {due:?} and came at {came:?}");
}

#[test]
fn an_attempt_comes_when_it_is_due_after_minutes_hours_and_days() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (delay, tier) in [
        (minutes(5), DelayTier::Minute),
        (minutes(10), DelayTier::TenMinutes),
        (minutes(59), DelayTier::TenMinutes),
        (minutes(60), DelayTier::Hour),
        (minutes(7 * 60 + 1), DelayTier::Hour),
        (minutes(24 * 60), DelayTier::Day),
        (minutes(36 * 60), DelayTier::Day),
    ] {
        comes_in_time(delay, tier, false);
    }
}

#[test]
fn an_attempt_whose_engine_is_killed_meanwhile_comes_when_it_is_due() {
    comes_in_time(Duration::from_secs(900), DelayTier::TenMinutes, true);
    comes_in_time(Duration::from_secs(4 * 3_600), DelayTier::Hour, true);
}
