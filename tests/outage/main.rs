//! Kafka or Postgres away: everything waits with a clear word, goes on by itself, and nothing is lost.
//!
//! These tests stop the services that others use, so they are a target of their own, and one after another.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../support/pipeline/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other test targets")]
mod support;

use orchestrator::log::Topic;
use serde_json::json;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use support::{Hand, Installation, Leg, Process, Stream, services, until};

/// How long a service stays away: longer than the engine's session of 10 s and its journal's delivery timeout.
/// `ORCHESTRATOR_TEST_OUTAGE` says otherwise, in seconds.
fn outage() -> Duration {
    let seconds = std::env::var("ORCHESTRATOR_TEST_OUTAGE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

const CHAIN: &str = "\
name: chain
nodes:
  - { node_id: first, agent_name: echo }
  - { node_id: second, agent_name: sleep, dependencies: [first], input: { ms: 200 } }
  - { node_id: third, agent_name: echo, dependencies: [second] }
";
/// Its timeout ([`BY_HAND_TIMEOUT`]) passes during the outage, and not before it on a slow machine.
const BY_HAND: &str = "\
name: by-hand
nodes:
  - { node_id: one, agent_name: hand, timeout: 25s, retry: { max_retries: 0 } }
";

const BY_HAND_TIMEOUT: Duration = Duration::from_secs(25);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The services, for this test alone; started again at the end, however it ends.
struct Alone {
    _lock: MutexGuard<'static, ()>,
}

impl Alone {
    /// None where there are no services.
    fn new() -> Option<Self> {
        let lock = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Leg::all().contains(&Leg::Kafka).then_some(Self { _lock: lock })
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        services("start-kafka");
        services("start-postgres");
    }
}

/// Publishes requests `from..to` under ids that name their number.
fn ask(at: &Installation, numbers: std::ops::Range<usize>) {
    for n in numbers {
        at.request(&format!("w {n}"), "chain", &json!({ "n": n }));
    }
}

fn answered(responses: &mut Stream, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let answer = responses
            .wait_json(&format!("the answer of w {n}"), |response| response["workflow_id"] == format!("w {n}"));
        assert_eq!(answer["status"], "completed", "{answer}");
    }
}

/// What a process has said since a moment ago.
fn says(process: &Process, since: usize, word: &str) {
    until(&format!("it says {word:?}"), || process.output()[since..].contains(word).then_some(()));
}

#[test]
fn kafka_away_at_the_start_is_waited_for() {
    let Some(_alone) = Alone::new() else { return };
    let at = Installation::new(Leg::Kafka);
    at.apply(CHAIN);
    services("stop-kafka");
    let mut serve = at.serve();
    says(&serve, 0, "waiting for the log");
    assert!(serve.output().contains(at.brokers()), "it says where the log should be: {}", serve.output());
    let end = at.run(&["submit", "chain", "--input", "{}"]).expect(5);
    assert!(end.stderr.contains(at.brokers()), "{end:?}");
    std::thread::sleep(Duration::from_secs(3));
    assert!(serve.is_alive());
    services("start-kafka");
    ask(&at, 0..5);
    answered(&mut at.stream(Topic::Responses), 0..5);
    at.judge(5);
}

#[test]
fn kafka_away_in_the_middle_loses_nothing() {
    let Some(_alone) = Alone::new() else { return };
    let at = Installation::new(Leg::Kafka);
    at.apply(CHAIN);
    at.apply(BY_HAND);
    let mut serve = at.serve();
    let mut responses = at.stream(Topic::Responses);
    ask(&at, 0..50);
    answered(&mut responses, 0..1);
    ask(&at, 50..100);
    // An attempt is under way whose deadline passes during the outage, and whose result comes after it.
    at.request("by hand", "by-hand", &json!({}));
    let task = Hand::new(&at).task("by hand", "one");
    Hand::new(&at).report(&task, &json!({ "type": "started" }));
    at.stream(Topic::Events).wait("its start", |record| {
        support::text(record, "ce_type").contains("NodeStarted") && support::text(record, "ce_subject") == "by hand"
    });
    let said = serve.output().len();
    let since = Instant::now();
    services("stop-kafka");
    says(&serve, said, at.brokers());
    std::thread::sleep(outage().max(BY_HAND_TIMEOUT).saturating_sub(since.elapsed()));
    assert!(serve.is_alive(), "it waits");
    services("start-kafka");
    Hand::new(&at).complete(&task, &json!("in time"));
    ask(&at, 100..120);
    answered(&mut responses, 0..120);
    let by_hand = responses.wait_json("the answer by hand", |response| response["workflow_id"] == "by hand");
    assert_eq!(by_hand["answer"], "in time", "an outage times out no node: {by_hand}");
    println!("{}", at.judge(121));
    assert!(serve.is_alive());
    let told = &serve.output()[said..];
    for untrue in ["does not exist", "has given the partition to another member"] {
        assert!(!told.contains(untrue), "{untrue:?} while Kafka is only away:\n{told}");
    }
}

#[test]
fn postgres_away_stops_no_workflow() {
    let Some(_alone) = Alone::new() else { return };
    let at = Installation::new(Leg::Kafka);
    at.apply(CHAIN);
    let mut serve = at.serve();
    let mut responses = at.stream(Topic::Responses);
    ask(&at, 0..20);
    answered(&mut responses, 0..20);
    let said = serve.output().len();
    let since = Instant::now();
    services("stop-postgres");
    ask(&at, 20..60);
    answered(&mut responses, 20..60);
    says(&serve, said, "store");
    let shown = at.run(&["show", "w 30", "--output", "json"]).expect(0);
    assert_eq!(shown.json()["status"], "completed", "the log knows what the store does not");
    std::thread::sleep(outage().saturating_sub(since.elapsed()));
    services("start-postgres");
    ask(&at, 60..80);
    answered(&mut responses, 60..80);
    at.judge(80);
    assert!(serve.is_alive());
}

#[test]
fn a_process_that_starts_without_postgres_serves_and_catches_up() {
    let Some(_alone) = Alone::new() else { return };
    let at = Installation::new(Leg::Kafka);
    at.apply(CHAIN);
    let first = at.serve();
    let mut responses = at.stream(Topic::Responses);
    ask(&at, 0..10);
    answered(&mut responses, 0..10);
    first.kill();
    services("stop-postgres");
    let serve = at.serve();
    says(&serve, 0, "the projector catches up");
    ask(&at, 10..20);
    answered(&mut responses, 10..20);
    services("start-postgres");
    at.judge(20);
}
