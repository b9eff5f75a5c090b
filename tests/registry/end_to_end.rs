//! The whole: an installation that is given a registry while it has a past, and loses its engine meanwhile.

use crate::real;
use crate::support::{End, Hand, Installation, Leg, Process, Stream, python, repository, run, until};
use orchestrator::log::Topic;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DEFINITION: &str = "\
name: two
nodes:
  - { node_id: first, agent_name: echo }
  - { node_id: second, agent_name: hand, dependencies: [first] }
";

fn serve(at: &Installation, registry: Option<&str>) -> Process {
    let mut command = at.command(&["serve"]);
    command.envs(registry.map(|url| ("ORCHESTRATOR_SCHEMA_REGISTRY_URL", url)));
    at.start_command(command, "serve")
}

/// Runs a command that knows the registry, or none.
pub fn ask(at: &Installation, arguments: &[&str], registry: Option<&str>) -> End {
    let mut command = at.command(arguments);
    command.envs(registry.map(|url| ("ORCHESTRATOR_SCHEMA_REGISTRY_URL", url)));
    run(command, b"")
}

fn wait_for_end(responses: &mut Stream, workflow_id: &str) {
    responses.wait_json("an answer", |answer| answer["workflow_id"] == workflow_id && answer["status"] == "completed");
}

/// Two runs: one ended before there was a registry, the other goes through the change and a crash after it.
pub fn with_a_past(at: &Installation, registry: &str) {
    at.apply(DEFINITION);
    let mut hand = Hand::new(at);
    let mut responses = at.stream(Topic::Responses);
    let plain = serve(at, None);
    at.request("before", "two", &json!({ "n": 1 }));
    let task = hand.task("before", "second");
    hand.complete(&task, &json!("plain"));
    wait_for_end(&mut responses, "before");
    at.request("through", "two", &json!({ "n": 2 }));
    let task = hand.task("through", "second");
    plain.signal("TERM");
    assert_eq!(plain.wait(), 0);

    let framed = serve(at, Some(registry));
    until("the schemas are registered", || {
        framed.output().contains("the schemas of the events are registered").then_some(())
    });
    at.request("after", "two", &json!({ "n": 3 }));
    hand.task("after", "second");
    // The next one takes over from a stream that ends with an id, and may publish some of it again.
    framed.kill();
    let again = serve(at, Some(registry));
    hand.complete(&task, &json!("framed"));
    wait_for_end(&mut responses, "through");
    let task = hand.task("after", "second");
    hand.complete(&task, &json!("framed"));
    wait_for_end(&mut responses, "after");
    again.signal("TERM");
    assert_eq!(again.wait(), 0);
}

/// The values of all records of the stream, as they stand there.
fn raw_events(at: &Installation) -> Vec<Vec<u8>> {
    let partitions = at.log().partitions(&Topic::Events).unwrap().unwrap();
    let ends = (0..partitions).map(|partition| at.log().ends(&Topic::Events, partition).unwrap());
    let count: u64 = ends.map(|ends| ends.high - ends.low).sum();
    let mut stream = at.stream(Topic::Events);
    until("all of the stream is read", || (stream.records().len() as u64 >= count).then_some(()));
    stream.records().iter().map(|record| record.value.as_ref().unwrap().to_vec()).collect()
}

/// The lines of JSON that a command has printed.
pub fn lines(end: &End) -> Vec<Value> {
    end.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_stream_with_both_framings_is_whole_for_our_readers_and_for_confluents() {
    let (at, registry) = (Installation::new(Leg::Kafka), real());
    with_a_past(&at, &registry);
    let raw = raw_events(&at);
    let (plain, framed): (Vec<_>, Vec<_>) = raw.iter().partition(|value| value[..2] == [0xC3, 0x01]);
    assert!(plain.len() > 10 && framed.len() > 10, "{} and {}", plain.len(), framed.len());
    assert!(framed.iter().all(|value| value[0] == 0));

    // Our own readers see one stream: no gap, no twin, and every chain goes on through the change.
    let tail = ["tail", "--from-start", "--no-follow", "--output", "json"];
    let told = lines(&ask(&at, &tail, Some(&registry)).expect(0));
    let ended = |id: &str| told.iter().any(|line| line["type"] == "WorkflowCompleted" && line["workflow_id"] == id);
    assert!(["before", "through", "after"].into_iter().all(ended), "{told:#?}");
    for id in ["before", "through", "after"] {
        // Without a store the stream is read, and each record held against the chain in its header.
        let nowhere = "postgres://nobody:nothing@127.0.0.1:1/nothing";
        let by_events =
            ask(&at, &["history", id, "--output", "json", "--store-url", nowhere], Some(&registry)).expect(0);
        let by_journal = ask(&at, &["history", id, "--output", "json"], None).expect(0);
        assert_eq!(by_events.stdout, by_journal.stdout, "{id}");
    }
    confluents_reader_agrees(&at, &registry, &told, framed.len());

    // Without the registry the frames that name ids are named, and nothing is made up.
    let end = ask(&at, &tail, None);
    assert!(end.code != 0 && end.stderr.contains("no schema registry that says what it is"), "{end:?}");
}

/// Confluent's own deserializer, which knows the registry alone, reads what `tail` shows.
fn confluents_reader_agrees(at: &Installation, registry: &str, told: &[Value], framed: usize) {
    let script = repository().join("tests/python/confluent.py");
    let topic = format!("{}.events", at.namespace());
    let arguments = [script.to_str().unwrap(), "--brokers", at.brokers(), "--topic", &topic, "--registry", registry];
    let read = lines(&at.run_other(&python(), &arguments, b"").expect(0));
    let with_ids: Vec<_> = read.iter().filter(|line| !line["event"].is_null()).collect();
    assert_eq!(with_ids.len(), framed);
    let of_tail = |event: &Value| {
        let mut of_runs = told.iter().filter(|line| line["partition"].is_null());
        of_runs.find(|line| line["run_id"] == event["run_id"] && line["sequence"] == event["sequence"]).unwrap()
    };
    let mut names = BTreeSet::new();
    for line in with_ids.iter().filter(|line| line["event"]["partition"].is_null()) {
        let (event, told) = (&line["event"], of_tail(&line["event"]));
        let name = told["type"].as_str().unwrap();
        assert!(line["type"].as_str().unwrap().starts_with(&format!("orchestrator.{name}.v")), "{line}");
        assert_eq!(event["workflow_id"], told["workflow_id"]);
        if name == "NodeCompleted" {
            let output: Value = serde_json::from_str(event["output"].as_str().unwrap()).unwrap();
            assert_eq!((&event["node_id"], &output), (&told["data"]["node_id"], &told["data"]["output"]));
        }
        names.insert(name.to_owned());
    }
    assert!(names.len() >= 6, "{names:?}");
}
