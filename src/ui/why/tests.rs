//! Given these facts, these reasons, in these words.

mod scene;

use super::*;
use crate::core::breaker::BreakerStatus;
use crate::core::event::*;
use crate::core::failure::{Failure, FailureClass, FinalBecause, Handling, Recovery};
use crate::core::id::LetterId;
use crate::core::json::Json;
use crate::core::status::Status;
use crate::core::why::{Behind, Facts, Letter, Next, Reason, Why, held, reasons};
use scene::{Scene, at, node};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_retry_that_is_awaited_says_when_and_why() {
    let scene = Scene::asked().retried(2, 18).scheduled("ship", 1, 1).completed("ship", 1);
    scene.says(
        "order-7 waits: node `pay` (attempt 3 of 4) is tried again at 12:00:18 UTC, in 8 s; the last attempt failed with \
         http_503: the host answered 503\n- node `answer` waits for the output of `pay` (awaiting_retry)\n",
        "awaiting_retry",
    );
    let reason = &scene.said().1["reasons"][0];
    assert_eq!(reason["due_at"], "2025-01-31T12:00:18Z");
    assert_eq!(
        (&reason["attempt"], &reason["max_attempts"], &reason["node_id"]),
        (&3.into(), &4.into(), &"pay".into())
    );
    assert_eq!(reason["error"]["code"], "http_503");
}

#[test]
fn a_retry_that_is_due_waits_for_the_engine() {
    let (text, json) = Scene::asked().retried(2, 9).said();
    let words = "order-7 waits: node `pay` (attempt 3 of 4) is due since 12:00:09 UTC, and the engine has not handed it \
                 out yet; the last attempt failed with http_503: the host answered 503\n";
    assert!(text.starts_with(words), "{text}");
    assert_eq!(json["reason"], "retry_due");
}

#[test]
fn a_breaker_holds_back_what_is_ready_and_what_is_due() {
    let open = |scene: Scene| scene.breaker("bank", BreakerStatus::Open, 18, 50);
    let breaker = "is held back: the circuit breaker of agent bank is open in partition 2 since 12:00:08 UTC, next try at \
                   12:00:18 UTC, in 8 s: 47 of 50 attempts failed";
    let ready = open(Scene::asked().scheduled("ship", 1, 1).completed("ship", 1));
    let waits = "- node `answer` waits for the output of `pay` (not handed out)\n";
    ready.says(&format!("order-7 waits: node `pay` (attempt 1 of 4) {breaker}\n{waits}"), "breaker_open");
    let last = "; the last attempt failed with http_503: the host answered 503\n";
    for due in [9, 15] {
        let (text, json) = open(Scene::asked().retried(1, due)).said();
        assert!(text.starts_with(&format!("order-7 waits: node `pay` (attempt 2 of 4) {breaker}{last}")), "{text}");
        assert_eq!((&json["reason"], &json["reasons"][0]["failures"]), (&"breaker_open".into(), &47.into()));
    }
    let later = open(Scene::asked().retried(1, 30)).said().1;
    assert_eq!(later["reason"], "awaiting_retry", "the breaker has been tried by then");

    let shown = held(&ready.facts());
    let text = held_text(&shown, 2, at(10), Paint::PLAIN);
    assert_eq!(text, format!("\nwaits: node `pay` (attempt 1 of 4) {breaker}\n"));
    assert_eq!(held_text(&held(&Scene::asked().facts()), 2, at(10), Paint::PLAIN), "");
}

#[test]
fn a_breaker_that_is_being_tried_says_so() {
    let half = Scene::asked().breaker("bank", BreakerStatus::HalfOpen, 0, 0);
    let (text, json) = half.said();
    let words = "node `pay` (attempt 1 of 4) is held back: the circuit breaker of agent bank is half-open in partition 2 \
                 since 12:00:08 UTC: it waits for how a few others end\n";
    assert!(text.starts_with(&format!("order-7 waits: {words}")), "{text}");
    assert_eq!(json["reason"], "breaker_half_open");
    let again = Scene::asked().breaker("bank", BreakerStatus::Open, 9, 0).said().0;
    let words = "is open in partition 2 since 12:00:08 UTC, next try since 12:00:09 UTC: the attempt that tried it last failed\n";
    assert!(again.contains(words), "{again}");
}

#[test]
fn no_worker_of_the_agent_is_connected() {
    let scene = Scene::new().scheduled("ask", 1, 1).workers("echo", 0, &[]);
    scene.says(
        "order-7 waits: no worker of agent echo is connected (the group orchestrator-workers-echo has no member); 3 tasks \
         wait, node `ask` since 12:00:01 UTC\n\
         - node `pay` waits for the output of `ask` (scheduled)\n\
         - node `ship` waits for the output of `ask` (scheduled)\n\
         - node `answer` waits for the output of `pay` (not handed out), `ship` (not handed out)\n",
        "no_worker",
    );
    let reason = &scene.said().1["reasons"][0];
    assert_eq!(
        (&reason["group"], &reason["workers"], &reason["tasks"]),
        (&"orchestrator-workers-echo".into(), &0.into(), &3.into())
    );
}

#[test]
fn the_worker_of_an_attempt_is_gone() {
    let (text, json) = Scene::new().scheduled("ask", 1, 1).started("ask", 1, 2).workers("echo", 0, &[]).said();
    assert!(text.starts_with(
        "order-7 waits: node `ask` (attempt 1 of 1) was begun at 12:00:02 UTC, and no worker of agent echo is connected any \
         more (the group orchestrator-workers-echo has no member); the next worker begins it anew, or the attempt ends by \
         its timeout at 12:01:02 UTC\n"
    ), "{text}");
    assert_eq!(json["reason"], "worker_gone");
}

#[test]
fn workers_have_other_tasks_before() {
    let busy =
        |before, connected| Scene::new().scheduled("ask", 1, 1).workers("echo", connected, &[("ask", before)]).said();
    let (text, json) = busy(12, 2);
    let words = "order-7 waits: node `ask` (attempt 1 of 1) waits for a worker of agent echo since 12:00:01 UTC: ";
    assert!(text.starts_with(&format!("{words}2 workers are connected, 12 tasks before it\n")), "{text}");
    assert_eq!((&json["reason"], &json["reasons"][0]["tasks_before"]), (&"worker_busy".into(), &12.into()));
    assert!(busy(1, 1).0.starts_with(&format!("{words}1 worker is connected, 1 task before it\n")));
}

#[test]
fn an_attempt_has_been_handed_out() {
    let handed = Scene::new().scheduled("ask", 1, 1);
    let words = "order-7 goes on: node `ask` (attempt 1 of 1) was handed to agent echo at 12:00:01 UTC, and no worker has \
                 said that it works on it";
    assert!(handed.said().0.starts_with(&format!("{words}\n")), "{}", handed.said().0);
    let (text, json) = handed.workers("echo", 2, &[]).said();
    assert!(text.starts_with(&format!("{words} (2 workers are connected)\n")), "{text}");
    assert_eq!(json["reason"], "handed_out");
}

#[test]
fn an_attempt_runs_and_has_until_its_time_is_up() {
    let running = |timeout_ms, heartbeat| {
        let mut scene = Scene::new().scheduled("ask", 1, 1).started("ask", 1, 2).workers("echo", 1, &[]);
        let node = scene.run.nodes.get_mut(&node("ask")).unwrap();
        (node.timeout_ms, node.heartbeat) = (timeout_ms, heartbeat);
        scene.said().0.lines().next().unwrap().to_owned()
    };
    let begin = "order-7 goes on: node `ask` (attempt 1 of 1) runs at agent echo since 12:00:02 UTC, for 8 s; ";
    assert_eq!(running(60_000, false), format!("{begin}it has until 12:01:02 UTC"));
    assert_eq!(running(60_000, true), format!("{begin}it has until 12:01:02 UTC, and longer with each heartbeat"));
    let late = "its time was up at 12:00:07 UTC, and the engine has not ended it yet";
    assert_eq!(running(5_000, false), format!("{begin}{late}"));
}

#[test]
fn a_node_is_ready_or_waits_its_turn() {
    Scene::new().says(
        "order-7 goes on: node `ask` is ready, and the engine hands it to agent echo next\n\
         - node `pay` waits for the output of `ask` (not handed out)\n\
         - node `ship` waits for the output of `ask` (not handed out)\n\
         - node `answer` waits for the output of `pay` (not handed out), `ship` (not handed out)\n",
        "ready",
    );
    let mut turn = Scene::asked().scheduled("ship", 1, 2).started("ship", 1, 3);
    turn.run.settings.parallel_threshold = 3;
    let (text, json) = turn.said();
    let words = "- node `pay` is ready and waits its turn: while fewer than 3 nodes are ready or running, they run one at a \
                 time (parallel_threshold)\n";
    assert!(text.contains(words), "{text}");
    assert_eq!((&json["reason"], &json["reasons"][1]["reason"]), (&"running".into(), &"one_at_a_time".into()));
}

#[test]
fn a_partition_without_owner_comes_first() {
    let retried = || Scene::asked().retried(1, 18);
    let (text, json) = retried().owner(0, false).said();
    let words = "order-7 stands still: no engine owns partition 2 (the group orchestrator-engine has no member); \
                 `orchestrator serve` runs one\n- node `pay` (attempt 2 of 4) is tried again";
    assert!(text.starts_with(words), "{text}");
    assert_eq!(json["reason"], "no_owner");
    for (engines, words) in [(1, "one is connected"), (3, "3 are connected")] {
        let text = retried().owner(engines, false).said().0;
        let line = format!(
            "no engine owns partition 2: {words}, and the group orchestrator-engine has not given it out yet\n"
        );
        assert!(text.starts_with(&format!("order-7 stands still: {line}")), "{text}");
    }
    assert_eq!(retried().owner(1, true).said().1["reason"], "awaiting_retry");
}

#[test]
fn a_run_that_is_set_aside_says_what_is_missing() {
    let mut scene = Scene::asked();
    scene.aside = Some("is not in `definitions`: it goes on when that is applied again");
    let words = "order-7 stands still: the run is set aside, as shop version 2 is not in `definitions`: it goes on when that \
                 is applied again\n";
    scene.says(words, "set_aside");
}

#[test]
fn a_run_that_has_completed_says_when() {
    let scene = Scene::asked();
    let event = WorkflowCompleted { definition: scene.run.definition.clone(), started_at: at(0), answer: Json::null() };
    scene.event(Event::WorkflowCompleted(event), 6).says("order-7 completed at 12:00:06 UTC\n", "completed");
}

#[test]
fn an_exhausted_node_names_its_dead_letter() {
    let failed = |because| Scene::asked().scheduled("pay", 4, 2).failed("pay", 4, Some(because), None);
    let scene = failed(FinalBecause::RetriesExhausted).run_failed(Some("pay"), FailureClass::Retryable);
    let id = LetterId::of_node(&scene.run.run_id, scene.run.nodes[&node("pay")].ended_by.unwrap());
    scene.says(
        &format!(
            "order-7 failed at 12:00:06 UTC: node `pay` is exhausted, attempt 4 of 4: http_503: the host answered 503; its dead \
             letter is {id}, worked off by `orchestrator dlq redrive {id}`\n"
        ),
        "exhausted",
    );
    assert_eq!(scene.said().1["reasons"][0]["dead_letter"], json!({ "id": id.as_str(), "state": "open" }));
    let mut worked_off = scene;
    worked_off.letters.insert(node("pay"), Letter { letter_id: id.clone(), handled: Some("redriven") });
    assert!(worked_off.said().0.contains(&format!("; its dead letter {id} is redriven\n")));

    let refused = failed(FinalBecause::NotRetryable).run_failed(Some("pay"), FailureClass::NonRetryable);
    let (text, json) = refused.said();
    let words = "order-7 failed at 12:00:06 UTC: node `pay`, attempt 4 of 4: http_503: the host answered 503 (non_retryable, \
                 not tried again); its dead letter is ";
    assert!(text.starts_with(words), "{text}");
    assert_eq!(json["reason"], "failed");

    let whole = Scene::asked().scheduled("ship", 1, 2).run_failed(None, FailureClass::Timeout);
    whole.says(
        "order-7 failed at 12:00:06 UTC: http_503: the host answered 503\n\
         - node `ship` was under way, or awaited its next attempt, when the run ended\n",
        "failed",
    );
}

#[test]
fn an_input_that_breaks_its_contract_is_repaired_and_not_only_tried_again() {
    let failure = Failure::new(FailureClass::Contract, "input_contract", "no total");
    let letter_id = LetterId::of_input(0, 1);
    let letter = Some(Letter { letter_id: letter_id.clone(), handled: None });
    let reason = Reason { node: Some(node("pay")), why: Why::Failing { failure, open: vec![], letter } };
    let said = words::clause(&reason, 3, at(0));
    let words = format!("worked off by `orchestrator dlq edit {letter_id}`, once the run has ended");
    assert!(said.ends_with(&words), "{said}");
}

#[test]
fn a_run_that_fails_waits_for_what_is_under_way() {
    let fails = Scene::asked().scheduled("ship", 1, 1).scheduled("pay", 4, 2).failed(
        "pay",
        4,
        Some(FinalBecause::RetriesExhausted),
        None,
    );
    let (text, json) = fails.said();
    let words = "order-7 fails: node `pay` has failed (http_503): the run fails, and ends once `ship` has ended; its dead letter is ";
    assert!(text.starts_with(words), "{text}");
    assert_eq!(text.lines().count(), 2, "nothing new is started, and so nothing waits for inputs: {text}");
    assert_eq!((&json["reason"], &json["reasons"][0]["open"]), (&"failing".into(), &json!(["ship"])));
}

#[test]
fn a_run_that_is_undone_says_what_is_held_back() {
    let compensate = Some(Handling::Compensate);
    let scene = Scene::asked()
        .scheduled("ship", 1, 1)
        .completed("ship", 1)
        .scheduled("pay", 4, 2)
        .failed("pay", 4, Some(FinalBecause::RetriesExhausted), compensate)
        .breaker("crane", BreakerStatus::Open, 18, 50);
    let (text, json) = scene.said();
    let words = "order-7 fails: node `pay` has failed (http_503): the run fails, and what had completed is being undone; its \
                 dead letter is ";
    assert!(text.starts_with(words), "{text}");
    assert!(
        text.contains("- node `unship` (attempt 1 of 1) is held back: the circuit breaker of agent crane is open"),
        "{text}"
    );
    assert_eq!(json["reason"], "compensating");
}

#[test]
fn failures_that_are_handled_are_named() {
    let failed = |handling| {
        let scene = Scene::asked().scheduled("ship", 1, 1).scheduled("pay", 1, 2);
        scene.failed("pay", 1, Some(FinalBecause::RetriesExhausted), Some(handling))
    };
    let recovered = |how| {
        let event =
            NodeRecovered { node_id: node("pay"), attempt: 1, how, output: Json::null(), failure_node: None, by: None };
        failed(Handling::Skip).event(Event::NodeRecovered(event), 5)
    };
    for (scene, words) in [
        (recovered(Recovery::Skip), "- node `pay` has failed, and the run goes on without its output\n"),
        (recovered(Recovery::Supply), "- node `pay` has failed, and another output stands in for its own\n"),
        (failed(Handling::RouteTo), "- node `pay` has failed (http_503), and its failure node is to stand in for it\n"),
    ] {
        let (text, json) = scene.said();
        assert!(text.contains(words), "{text}");
        let reasons = json["reasons"].as_array().unwrap();
        assert!(reasons.iter().any(|r| r["reason"] == "failure_handled" && r["node_id"] == "pay"), "{json}");
    }
}

#[test]
fn another_node_that_failed_is_named_as_well() {
    let scene = Scene::asked()
        .scheduled("pay", 4, 1)
        .scheduled("ship", 1, 1)
        .failed("pay", 4, Some(FinalBecause::RetriesExhausted), None)
        .failed("ship", 1, Some(FinalBecause::RunFailed), None)
        .run_failed(Some("pay"), FailureClass::Retryable);
    let text = scene.said().0;
    assert!(
        text.ends_with("- node `ship` has failed as well, attempt 1 of 1: http_503: the host answered 503\n"),
        "{text}"
    );
}

#[test]
fn a_failure_node_that_failed_too_does_not_stand_in() {
    let scene = Scene::asked()
        .scheduled("pay", 4, 1)
        .failed("pay", 4, Some(FinalBecause::RetriesExhausted), Some(Handling::RouteTo))
        .scheduled("owe", 1, 3)
        .failed("owe", 1, Some(FinalBecause::NotRetryable), None);
    let words = "- node `pay` has failed as well, attempt 4 of 4: http_503: the host answered 503, and so has its failure node \
                 `owe`\n";
    for scene in [scene.clone(), scene.run_failed(Some("owe"), FailureClass::NonRetryable)] {
        let (text, json) = scene.said();
        assert!(text.ends_with(words), "{text}");
        assert_eq!(json["reasons"][1]["reason"], "node_failed");
        assert_eq!(json["reasons"][1]["failure_node"], "owe");
    }
}

#[test]
fn what_could_not_be_undone_is_for_a_person() {
    let mut scene = Scene::asked()
        .scheduled("ship", 1, 1)
        .completed("ship", 1)
        .scheduled("pay", 4, 2)
        .failed("pay", 4, Some(FinalBecause::RetriesExhausted), Some(Handling::Compensate))
        .scheduled("unship", 1, 4)
        .failed("unship", 1, Some(FinalBecause::RetriesExhausted), None)
        .run_failed(Some("pay"), FailureClass::Retryable);
    let letter_id = LetterId::of_input(0, 1);
    let begin = "- node `unship` has failed as well, attempt 1 of 1: http_503: the host answered 503; what node `ship` has done is \
                 not undone";
    for (handled, end) in [
        (
            None,
            format!(": undo it by hand, then put its dead letter aside by `orchestrator dlq discard {letter_id}`\n"),
        ),
        (Some("discarded"), format!("; its dead letter {letter_id} is discarded\n")),
    ] {
        scene.letters.insert(node("unship"), Letter { letter_id: letter_id.clone(), handled });
        let (text, json) = scene.said();
        assert!(text.ends_with(&format!("{begin}{end}")), "{text}");
        assert_eq!(json["reasons"][1]["undoes"], "ship");
    }
}

#[test]
fn a_run_that_will_be_given_up_says_when() {
    let said = |timeout_ms| {
        let mut scene = Scene::new();
        scene.run.settings.timeout_ms = Some(timeout_ms);
        scene.said().0
    };
    let words = "- the run is given up at 12:05:00 UTC, in 5 min, if it has not ended by then\n";
    assert!(said(300_000).contains(words), "{}", said(300_000));
    assert!(said(9_000).contains("- the run's time was up at 12:00:09 UTC, and the engine has not ended it yet\n"));
}

#[test]
fn tables_that_are_behind_say_by_how_much() {
    let behind = |records, seconds| {
        let mut scene = Scene::new();
        scene.behind = Some(Behind { records, age: Duration::from_secs(seconds) });
        scene.said().0
    };
    let words = "- the projector is 1204 records behind in partition 2: the tables are about 40 s old\n";
    assert!(behind(1_204, 40).contains(words), "{}", behind(1_204, 40));
    for (records, seconds) in [(0, 40), (3, 1)] {
        assert!(!behind(records, seconds).contains("projector"), "they always are, by some milliseconds");
    }
}

#[test]
fn every_state_of_a_run_is_said() {
    let stands = |status| {
        let mut scene = Scene::asked();
        (scene.run.status, scene.aside) = (status, None);
        scene.said().1["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(stands(Status::Paused), "order-7 stands still: a person has paused it");
    assert_eq!(stands(Status::Waiting), "order-7 waits: it awaits a signal or an approval");
    let mut cancelled = Scene::asked();
    (cancelled.run.status, cancelled.run.ended_at) = (Status::Cancelled, Some(at(6)));
    cancelled.says("order-7 was cancelled at 12:00:06 UTC\n", "cancelled");
}

#[test]
fn what_could_not_be_seen_is_said_beside_what_could() {
    let mut scene = Scene::new().scheduled("ask", 1, 1);
    scene.unseen.push("the log: nobody answers".to_owned());
    let reasons = reasons(&Facts { next: Next::Unseen, ..scene.facts() });
    let answer = Answer { run: &scene.run, partition: 2, now: at(10), reasons: &reasons, unseen: &scene.unseen };
    assert_eq!(
        answer.text(Paint::PLAIN),
        "order-7 goes on: node `ask` (attempt 1) was handed to agent echo at 12:00:01 UTC, and no worker has said that it \
         works on it\nnot seen: the log: nobody answers\n"
    );
    assert_eq!(why_json(&answer)["unseen"], json!(["the log: nobody answers"]));
    let nothing = Answer { reasons: &[], unseen: &[], ..answer };
    assert_eq!(nothing.headline(), "order-7 is in the state initializing, and nothing is seen that it waits for");
    assert_eq!(why_json(&nothing)["reason"], serde_json::Value::Null);
}

#[test]
fn a_long_list_ends_with_how_many_more_there_are() {
    let reason = |i: usize| Reason { node: Some(node(&format!("n{i}"))), why: Why::NodeCancelled };
    let reasons: Vec<_> = (0..20).map(reason).collect();
    let scene = Scene::new();
    let answer = Answer { run: &scene.run, partition: 2, now: at(10), reasons: &reasons, unseen: &[] };
    let text = answer.text(Paint::PLAIN);
    assert!(text.ends_with("- and 8 more (`--output json` has all)\n"), "{text}");
}
