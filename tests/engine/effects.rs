//! Effects of a claim that is over are left to the next one.

use super::town::{Town, id_in, one_node};
use orchestrator::core::definition::validate::validate;
use orchestrator::core::event::PartitionEvent;
use orchestrator::core::failure::ReportedFailure;
use orchestrator::core::id::AgentName;
use orchestrator::core::json::Json;
use orchestrator::log::topic::DelayTier;
use orchestrator::log::{AppendError, Topic};
use orchestrator::wire::report::ReportOutcome;
use serde_json::json;
use std::time::Duration;

#[test]
fn an_effect_is_tried_until_it_lands_but_not_by_a_claim_that_is_over() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let id = id_in(0, "order");
    let effects = |town: &Town| town.board.lock().unwrap().effects;
    town.board.lock().unwrap().effects_fail = Some(AppendError::Unconfirmed("the test says so".to_owned()));
    town.request("job", &id);
    town.until("the dispatch is tried again and again", |town| effects(town) > 10);
    town.lose(0);
    town.turn();
    let before = effects(&town);
    for _ in 0..5 {
        assert!(town.owner(0).is_none());
        town.turn();
    }
    assert_eq!(effects(&town), before);
    // The next claim performs it.
    town.board.lock().unwrap().effects_fail = None;
    town.until("the task is there", |town| town.task(&id).is_some());
    let task = town.task(&id).unwrap();
    town.complete(&task);
    town.until("the run is answered", |town| town.is_answered(&id));
}

#[test]
fn an_answer_that_is_refused_is_kept_named_once_and_tried_until_it_lands() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let id = id_in(0, "order");
    let task = town.begin("job", &id);
    let no = AppendError::Refused("responses: not authorised".to_owned());
    town.board.lock().unwrap().effects_fail = Some(no);
    town.complete(&task);
    let failed = |town: &Town| {
        let is_one = |event: &PartitionEvent| matches!(event, PartitionEvent::EffectFailed(_));
        town.partition_events().into_iter().filter(is_one).count()
    };
    town.until("it is named", |town| failed(town) > 0);
    let before = town.board.lock().unwrap().effects;
    town.until("it is tried again", |town| town.board.lock().unwrap().effects > before + 2);
    assert_eq!(failed(&town), 1);
    // Nor is it forgotten by whoever takes the partition next.
    town.kill();
    town.board.lock().unwrap().effects_fail = None;
    town.start_and_own();
    town.until("the run is answered", |town| town.is_answered(&id));
    let id = id_in(0, "another");
    let task = town.begin("job", &id);
    town.board.lock().unwrap().effects_fail = Some(AppendError::Refused("not now".to_owned()));
    town.complete(&task);
    town.until("it is named", |town| failed(town) > 1);
    town.board.lock().unwrap().effects_fail = None;
    town.until("the run is answered", |town| town.is_answered(&id));
}

/// Given an attempt that waits for two seconds, when the topic of its wake-up refuses it, then that is recorded, the
/// attempt comes none the less, and whoever goes on from there does not take the wake-up for one that is still to be written.
#[test]
fn a_wake_up_that_is_refused_is_named_once_and_its_attempt_comes() {
    let retry = json!({ "max_retries": 1, "base_delay": "2s", "jitter": "none" });
    let node = json!({ "node_id": "work", "agent_name": "hand", "retry": retry });
    let mut town = Town::new(&[validate(json!({ "name": "job", "nodes": [node] })).unwrap()]);
    town.start_and_own();
    let id = id_in(0, "order");
    let task = town.begin("job", &id);
    town.board.lock().unwrap().effects_fail = Some(AppendError::Refused("delay.1s: not authorised".to_owned()));
    town.report(&task, ReportOutcome::Failed(ReportedFailure::new("busy", "try again")));
    let refused = |town: &Town| {
        let of = |event| if let PartitionEvent::EffectFailed(failed) = event { Some(failed.effect) } else { None };
        town.partition_events().into_iter().filter_map(of).collect::<Vec<_>>()
    };
    town.until("it is named", |town| !refused(town).is_empty());
    town.board.lock().unwrap().effects_fail = None;
    let scheduled = |town: &Town| town.events(&id).iter().filter(|name| **name == "NodeScheduled").count();
    town.until("the second attempt comes", |town| scheduled(town) == 2);
    town.project();
    town.kill();
    town.start_and_own();
    town.turns_for(Duration::from_secs(5));
    assert_eq!(refused(&town), ["delay"]);
    assert!(town.records(&Topic::Delay(DelayTier::ALL[0])).is_empty());
}

#[test]
fn an_agent_that_only_a_plan_names_gets_no_topics() {
    let planner = json!({ "node_id": "plan", "agent_name": "hand", "role": "planner" });
    let mut town = Town::new(&[validate(json!({ "name": "planned", "nodes": [planner] })).unwrap()]);
    town.start_and_own();
    let id = id_in(0, "order");
    let task = town.begin("planned", &id);
    let plan = json!({ "nodes": [{ "node_id": "a", "agent_name": "made-up" }] });
    town.report(&task, ReportOutcome::Completed(Json::from_value(&plan)));
    town.until("the run is answered", |town| town.is_answered(&id));
    assert!(town.events(&id).contains(&"NodeFailed"), "its dispatch has failed");
    let topic = Topic::Ready(AgentName::new("made-up").unwrap());
    assert!(town.records(&topic).is_empty());
}
