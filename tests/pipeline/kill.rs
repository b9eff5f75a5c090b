//! Processes that are killed or stopped at any moment under load: every workflow completes, once.

use crate::support::{Installation, Leg, Process, Stream, json, until};
use orchestrator::log::{Header, NewRecord, Topic};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const CHAIN: &str = "\
name: chain
nodes:
  - { node_id: a, agent_name: echo }
  - { node_id: b, agent_name: echo, dependencies: [a] }
  - { node_id: c, agent_name: sleep, dependencies: [b], input: { ms: 30 } }
  - { node_id: d, agent_name: echo, dependencies: [c] }
  - { node_id: e, agent_name: echo, dependencies: [d] }
";
const FAN: &str = "\
name: fan
nodes:
  - { node_id: first, agent_name: echo }
  - { node_id: n0, agent_name: sleep, input: { ms: 0 }, dependencies: [first] }
  - { node_id: n1, agent_name: sleep, input: { ms: 10 }, dependencies: [first] }
  - { node_id: n2, agent_name: sleep, input: { ms: 20 }, dependencies: [first] }
  - { node_id: n3, agent_name: sleep, input: { ms: 50 }, dependencies: [first] }
  - { node_id: n4, agent_name: sleep, input: { ms: 100 }, dependencies: [first] }
  - { node_id: n5, agent_name: sleep, input: { ms: 200 }, dependencies: [first] }
  - { node_id: join, agent_name: echo, role: synthesizer, dependencies: [n0, n1, n2, n3, n4, n5] }
";
const PLAN: &str = "\
name: plan
nodes:
  - { node_id: planner, agent_name: echo, role: planner }
  - { node_id: sum, agent_name: echo, role: synthesizer }
";

/// A seed of one's own, printed, so that a run that failed can be tried again.
pub fn dice(test: &str) -> StdRng {
    let seed = std::env::var("ORCHESTRATOR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("{test}: ORCHESTRATOR_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

pub fn installation(leg: Leg) -> Installation {
    let at = Installation::new(leg);
    [CHAIN, FAN, PLAN].iter().for_each(|definition| at.apply(definition));
    at
}

/// Requests of all three definitions.
pub fn load(at: &Installation, wave: usize, workflows: usize) -> Vec<NewRecord> {
    let request = |n: usize| {
        let id = format!("wave {wave} / {n}");
        let nodes: Vec<_> = (0..3)
            .map(|i| json!({ "node_id": format!("p{i}"), "agent_name": "echo", "input": { "n": n, "i": i } }))
            .collect();
        let (definition, input) = match n % 3 {
            0 => ("chain", json!({ "n": n })),
            1 => ("fan", json!({ "n": n })),
            _ => ("plan", json!({ "nodes": nodes })),
        };
        let trace: Header = ("traceparent".into(), format!("00-{:032x}-{:016x}-01", n + 1, wave + 1).into());
        NewRecord {
            topic: Topic::Requests,
            partition: Some(at.home(&id)),
            key: Some(id.into()),
            value: Some(json!({ "definition": definition, "input": input }).to_string().into()),
            headers: if n.is_multiple_of(2) { vec![trace] } else { vec![] },
        }
    };
    (0..workflows).map(request).collect()
}

/// Waits until so many workflows have been answered, and does something meanwhile. The engine could decide all of them.
pub fn all_answered(responses: &mut Stream, workflows: usize, mut meanwhile: impl FnMut()) {
    until("every workflow is answered", || {
        meanwhile();
        let answer = |record| {
            let answer = json(record);
            assert_ne!(answer["reason"], "engine_fault", "{answer}");
            answer["workflow_id"].to_string()
        };
        let answered: BTreeSet<String> = responses.records().iter().map(answer).collect();
        (answered.len() >= workflows).then_some(())
    });
}

/// Waits until a process that has just been started has written something into a journal.
pub fn moves(journal: &mut Stream, what: &str) {
    let before = journal.records().len();
    until(what, || (journal.records().len() > before).then_some(()));
}

pub fn serve(at: &Installation, name: &str) -> Process {
    let mut command = at.command(&[at.verb()]);
    if at.leg() == Leg::Kafka {
        // The shortest that a broker allows: a killed member is missed sooner.
        command.env("ORCHESTRATOR_KAFKA_SESSION_TIMEOUT_MS", "6000");
    }
    at.start_command(command, name)
}

/// Kills a process again and again, each time a random while after it has begun to work.
fn killed(leg: Leg, kills: usize, workflows: usize, longest: Duration) -> Value {
    let (at, mut dice) = (installation(leg), dice("killed"));
    let (mut journal, mut responses) = (at.stream(Topic::Journal), at.stream(Topic::Responses));
    for wave in 0..kills {
        at.publish_all(load(&at, wave, workflows));
        let process = serve(&at, "serve");
        moves(&mut journal, "the process has taken a partition");
        std::thread::sleep(dice.random_range(Duration::ZERO..longest));
        process.kill();
    }
    let _last = serve(&at, "serve");
    all_answered(&mut responses, kills * workflows, || ());
    at.judge(kills * workflows)
}

#[test]
fn serve_is_killed_ten_times_under_load_and_nothing_is_lost_or_done_twice() {
    if Leg::all().contains(&Leg::Kafka) {
        println!("{}", killed(Leg::Kafka, 10, 60, Duration::from_millis(1_500)));
    }
}

#[test]
fn dev_is_killed_and_goes_on_where_it_was() {
    println!("{}", killed(Leg::Embedded, 10, 60, Duration::from_millis(1_500)));
}

/// A process that is stopped for longer than its session wakes up as a zombie: what it does then must not count.
#[test]
fn of_two_processes_one_sleeps_through_its_session() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let at = installation(Leg::Kafka);
    let (mut journal, mut responses) = (at.stream(Topic::Journal), at.stream(Topic::Responses));
    let processes = [serve(&at, "sleeper"), serve(&at, "other")];
    until("both own partitions", || {
        processes.iter().all(|process| process.output().contains("the partition is taken")).then_some(())
    });
    let mut published = 0;
    let mut wave = |workflows: usize| {
        at.publish_all(load(&at, published, workflows));
        published += workflows;
        published
    };
    wave(100);
    moves(&mut journal, "work has begun");
    processes[0].signal("STOP");
    for _ in 0..60 {
        wave(20);
        std::thread::sleep(Duration::from_secs(1));
    }
    processes[0].signal("CONT");
    let workflows = wave(100);
    all_answered(&mut responses, workflows, || ());
    println!("{}", at.judge(workflows));
    for process in processes {
        process.signal("TERM");
        assert_eq!(process.wait(), 0, "it ends in order");
    }
}
