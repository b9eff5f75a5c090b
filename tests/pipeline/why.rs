//! Why a run is where it is, asked of the program.

use crate::support::{Hand, Installation, Leg, Process, until};
use serde_json::{Value, json};

/// Nodes of an agent that only a test, or a worker that it starts, works for.
const HANDS: &str = "\
name: hands
agents: { hand: { retry: { base_delay: 1h, max_delay: 1h, jitter: none } } }
nodes:
  - { node_id: first, agent_name: hand, retry: { max_retries: 2 } }
  - { node_id: last, agent_name: echo, dependencies: [first] }
";

/// One attempt, and no more.
const ONCE: &str = "\
name: once
nodes:
  - { node_id: only, agent_name: hand, retry: { max_retries: 0 } }
";

const FAILED: &str = "the last attempt failed with http_503: not well";

fn failure() -> Value {
    json!({ "type": "failed", "code": "http_503", "message": "not well" })
}

/// Asks until the first reason is this one: the answer for programs, and for people.
#[track_caller]
fn why(at: &Installation, id: &str, reason: &str) -> (Value, String) {
    let json = until(&format!("{id} is where it is because of {reason}"), || {
        let end = at.run(&["why", id, "--output", "json"]);
        (end.code == 0).then(|| end.json()).filter(|json| json["reason"] == reason)
    });
    (json, at.run(&["why", id]).expect(0).stdout)
}

/// Everything in one process, with these settings.
fn serve_with(at: &Installation, settings: &[(&str, &str)]) -> Process {
    let mut command = at.command(&[at.verb()]);
    command.envs(settings.iter().copied());
    at.start_command(command, "serve")
}

#[test]
fn it_waits_for_a_worker_then_for_its_retry_then_for_an_engine() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(HANDS);
        at.request("order 7", "hands", &json!({}));
        let (json, text) = why(&at, "order 7", "request_waits");
        assert_eq!((&json["status"], &json["reasons"][1]["reason"]), (&"waiting".into(), &"no_owner".into()), "{json}");
        assert!(text.starts_with("order 7 has not started: its request waits to be decided (requests/"), "{text}");
        assert!(text.contains("no engine owns partition "), "{text}");

        let serve = at.serve();
        let (json, text) = why(&at, "order 7", "no_worker");
        let group = format!("{}-workers-hand", at.namespace());
        let reason = &json["reasons"][0];
        assert_eq!((&reason["group"], &reason["workers"]), (&group.clone().into(), &0.into()), "{json}");
        let words = format!(
            "order 7 waits: no worker of agent hand is connected (the group {group} has no member); 1 task waits, node \
             `first` since "
        );
        assert!(text.starts_with(&words), "{text}");
        assert!(text.contains("- node `last` waits for the output of `first` (scheduled)\n"), "{text}");
        let by_run = at.run(&["why", json["run_id"].as_str().unwrap(), "--output", "json"]).expect(0).json();
        assert_eq!(by_run["workflow_id"], "order 7", "a run is found by its own id");

        let mut hand = Hand::new(&at);
        let task = hand.task("order 7", "first");
        hand.report(&task, &json!({ "type": "started" }));
        let (_, text) = why(&at, "order 7", "worker_gone");
        assert!(text.contains("and no worker of agent hand is connected any more"), "{text}");
        hand.report(&task, &failure());
        let (json, text) = why(&at, "order 7", "awaiting_retry");
        assert!(text.starts_with("order 7 waits: node `first` (attempt 2 of 3) is tried again at "), "{text}");
        assert!(text.contains(FAILED), "{text}");
        assert!(json["reasons"][0]["due_at"].is_string(), "{json}");

        serve.kill();
        let (json, text) = why(&at, "order 7", "no_owner");
        assert_eq!(json["reasons"][0]["engines"], 0, "{json}");
        let words = format!(
            "order 7 stands still: no engine owns partition {} (the group {}-engine has no member)",
            at.home("order 7"),
            at.namespace()
        );
        assert!(text.starts_with(&words), "{text}");
        assert!(text.contains("is tried again at "), "the rest is said as well: {text}");
    }
}

#[test]
fn a_worker_that_has_its_hands_full_is_seen() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(HANDS);
        let _serve = at.serve();
        let mut command = at.command(&["worker", "--agent", "hand", "--exec", "sleep", "600"]);
        command.env("ORCHESTRATOR_WORKER_CONCURRENCY", "1");
        let worker = at.start_command(command, "worker");
        at.request("one", "hands", &json!({}));
        let (json, text) = why(&at, "one", "running");
        assert!(text.starts_with("one goes on: node `first` (attempt 1 of 3) runs at agent hand since "), "{text}");
        assert!(json["reasons"][0]["until"].is_string(), "{json}");
        for other in ["two", "three", "four"] {
            at.request(other, "hands", &json!({}));
        }
        let (json, text) = why(&at, "four", "worker_busy");
        let reason = &json["reasons"][0];
        assert_eq!((&reason["workers"], &reason["node_id"]), (&1.into(), &"first".into()), "{json}");
        assert!(reason["tasks"].as_u64() >= Some(1) && reason["tasks_before"].is_u64(), "{json}");
        assert!(text.contains(": 1 worker is connected, "), "{text}");
        worker.kill();
        why(&at, "one", "worker_gone");
    }
}

#[test]
fn an_exhausted_node_is_named_with_its_letter() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(ONCE);
        let _serve = at.serve();
        at.request("order 7", "once", &json!({}));
        let mut hand = Hand::new(&at);
        let task = hand.task("order 7", "only");
        hand.report(&task, &failure());
        let (json, text) = why(&at, "order 7", "exhausted");
        let letter = until("the letter is in the tables", || {
            let listed = at.run(&["dlq", "list", "--output", "json"]).expect(0).json();
            listed[0]["id"].as_str().map(str::to_owned)
        });
        assert_eq!(json["reasons"][0]["dead_letter"], json!({ "id": letter, "state": "open" }), "{json}");
        assert!(
            text.contains("node `only` is exhausted, attempt 1 of 1: http_503: not well; its dead letter is "),
            "{text}"
        );
        assert!(text.contains(&format!("`orchestrator dlq redrive {letter}`")), "{text}");
        at.run(&["dlq", "discard", &letter]).expect(0);
        until("the letter is put aside", || {
            let text = at.run(&["why", "order 7"]).expect(0).stdout;
            text.contains(&format!("its dead letter {letter} is discarded")).then_some(())
        });

        at.request("refused", "no-such-definition", &json!({}));
        let (json, text) = why(&at, "refused", "request_refused");
        assert_eq!(json["error"]["code"], "unknown_definition", "{json}");
        assert!(text.starts_with("refused was refused: unknown_definition: "), "{text}");
        let unknown = at.run(&["why", "nobody"]).expect(6);
        assert!(unknown.stderr.contains("there is no workflow \"nobody\""), "{unknown:?}");
    }
}

#[test]
fn an_open_breaker_holds_nodes_back_and_says_so() {
    let settings = [
        ("ORCHESTRATOR_BREAKER_MIN_CALLS", "2"),
        ("ORCHESTRATOR_BREAKER_FAILURE_PERCENT", "100"),
        ("ORCHESTRATOR_BREAKER_OPEN", "3600"),
    ];
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(ONCE);
        let _serve = serve_with(&at, &settings);
        let home = at.home("a");
        let ids: Vec<String> = (0..).map(|n| format!("w{n}")).filter(|id| at.home(id) == home).take(3).collect();
        let mut hand = Hand::new(&at);
        for id in &ids[..2] {
            at.request(id, "once", &json!({}));
            let task = hand.task(id, "only");
            hand.report(&task, &failure());
        }
        at.request(&ids[2], "once", &json!({}));
        let (json, text) = why(&at, &ids[2], "breaker_open");
        let words = format!(
            "{} waits: node `only` (attempt 1 of 1) is held back: the circuit breaker of agent hand is open in partition {home} \
             since ",
            ids[2]
        );
        assert!(text.starts_with(&words), "{text}");
        assert!(text.contains(": 2 of 2 attempts failed\n"), "{text}");
        assert!(json["reasons"][0]["until"].is_string(), "{json}");
        let shown = at.run(&["show", &ids[2]]).expect(0).stdout;
        assert!(
            shown.contains(
                "\nwaits: node `only` (attempt 1 of 1) is held back: the circuit breaker of agent hand is open in"
            ),
            "{shown}"
        );
        let shown = at.run(&["show", &ids[2], "--output", "json"]).expect(0).json();
        assert_eq!(
            (&shown["held"][0]["reason"], &shown["held"][0]["node_id"]),
            (&"breaker_open".into(), &"only".into())
        );
    }
}

#[test]
fn what_does_not_answer_is_named_and_the_rest_is_said() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let at = Installation::new(Leg::Kafka);
    at.apply(HANDS);
    let engine = at.start("engine", &["serve", "--roles", "engine"]);
    at.request("order 7", "hands", &json!({}));
    let behind = until("the tables are behind", || {
        let text = at.run(&["why", "order 7"]).stdout;
        text.lines().find(|line| line.starts_with("- the projector is ")).map(str::to_owned)
    });
    assert!(
        behind.contains(&format!(" behind in partition {}: the tables are about ", at.home("order 7"))),
        "{behind}"
    );
    let _projector = at.start("projector", &["serve", "--roles", "projector"]);
    until("the tables have it", || at.store().query().run(&"order 7".parse().unwrap(), None).unwrap());

    let away = |name: &str, url: &str| {
        let mut command = at.command(&["why", "order 7", "--output", "json"]);
        command.env(name, url);
        crate::support::run(command, b"")
    };
    let without_log = away("ORCHESTRATOR_LOG_URL", "kafka://127.0.0.1:1").expect(0).json();
    assert_eq!(without_log["reason"], "handed_out", "{without_log}");
    let unseen = without_log["unseen"][0].as_str().unwrap();
    assert!(unseen.starts_with("the log, and with it engines, workers, and what waits for what: "), "{unseen}");
    let without_tables = away("ORCHESTRATOR_STORE_URL", "postgres://127.0.0.1:1/nothing").expect(0).json();
    assert_eq!(without_tables["reason"], "no_worker", "{without_tables}");
    let unseen = without_tables["unseen"][0].as_str().unwrap();
    assert!(unseen.starts_with("the tables, and with them circuit breakers and "), "{unseen}");
    drop(engine);
}
