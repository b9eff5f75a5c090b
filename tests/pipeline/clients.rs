//! Clients that know nothing of our code: kcat, confluent-kafka and fastavro by the examples, agents in Python and
//! shell.

use crate::bad_input::{CHAIN, Watched, count, event_json};
use crate::heartbeats::is_progress;
use crate::support::{Installation, Leg, python, repository};
use orchestrator::log::Topic;
use serde_json::{Value, json};
use std::process::Command;

const SHOUT: &str = "\
name: loud
nodes:
  - { node_id: shout, agent_name: shout }
";

fn on_kafka(definitions: &[&str]) -> Option<Watched> {
    Leg::all().contains(&Leg::Kafka).then(|| Watched::serving(Installation::new(Leg::Kafka), definitions, &[]))
}

fn example(path: &str) -> String {
    repository().join("examples").join(path).to_str().expect("a path").to_owned()
}

#[test]
fn kcat_asks_and_reads_the_answer() {
    let Some(mut watched) = on_kafka(&[CHAIN]) else { return };
    let (brokers, namespace) = (watched.at.brokers().to_owned(), watched.at.namespace().to_owned());
    let topic = |name: &str| format!("{namespace}.{name}");
    // As the page of messages says it, and once more without the partitioner: it is sent home then.
    for (id, more) in
        [("order-7", &["-X", "partitioner=murmur2_random"][..]), ("order-8", &[]), ("order-9", &[]), ("order-10", &[])]
    {
        let requests = topic("requests");
        let line: Vec<_> =
            ["-P", "-b", &brokers, "-t", &requests, "-K", "|"].into_iter().chain(more.iter().copied()).collect();
        let request = format!("{id}|{{\"definition\":\"chain\",\"input\":{{\"text\":\"{id}\"}}}}\n");
        let end = watched.at.run_other("kcat", &line, request.as_bytes());
        assert_eq!(end.code, 0, "{end:?}");
        watched.answer(id);
    }
    let responses = topic("responses");
    let end = watched.at.run_other(
        "kcat",
        &["-C", "-b", &brokers, "-t", &responses, "-o", "beginning", "-e", "-q", "-f", "%k %s\n"],
        b"",
    );
    let line = end.stdout.lines().find_map(|line| line.strip_prefix("order-7 ")).expect("the answer of order-7");
    let answer: Value = serde_json::from_str(line).expect("an answer is JSON");
    assert_eq!(answer["answer"], json!({ "first": { "text": "order-7" } }));
    watched.at.judge(4);
}

#[test]
fn the_python_examples_ask_in_json_and_avro_and_read_events_by_the_schemas_alone() {
    let Some(watched) = on_kafka(&[CHAIN]) else { return };
    let brokers = watched.at.brokers().to_owned();
    for (program, id) in [("python/request_json.py", "json-1"), ("python/request_avro.py", "avro-1")] {
        let line = [&example(program), "--brokers", &brokers, "chain", "{\"text\": \"☕\"}", id];
        let end = watched.at.run_other(&python(), &line, b"");
        assert_eq!(end.code, 0, "{program}: {end:?}");
        assert_eq!(end.json()["answer"], json!({ "first": { "text": "☕" } }), "{program}");
        let again = watched.at.run_other(&python(), &line, b"");
        assert_eq!((again.code, &again.json()["reason"]), (3, &"duplicate".into()), "{program}: {again:?}");
    }
    let refused =
        watched.at.run_other(&python(), &[&example("python/request_json.py"), "--brokers", &brokers, "nope", "1"], b"");
    assert_eq!((refused.code, &refused.json()["reason"]), (3, &"unknown_definition".into()), "{refused:?}");

    let end =
        watched.at.run_other(&python(), &[&example("python/read_events.py"), "--brokers", &brokers, "--to-end"], b"");
    assert_eq!(end.code, 0, "{end:?}");
    let events: Vec<Value> =
        end.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let of = |id: &str| -> Vec<String> {
        let of_run =
            events.iter().filter(|event| event["event"]["workflow_id"] == id && event["event"]["partition"].is_null());
        of_run.map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
    };
    for id in ["json-1", "avro-1"] {
        let names = of(id);
        assert_eq!(
            (names.first().map(String::as_str), names.last().map(String::as_str)),
            (Some("WorkflowStarted"), Some("WorkflowCompleted")),
            "{names:?}"
        );
    }
    watched.at.judge(2);
}

#[test]
fn a_python_agent_executes_nodes() {
    let beating = SHOUT.replace("name: loud", "name: beating").replace(" }", ", heartbeat: true }");
    let Some(mut watched) = on_kafka(&[SHOUT, &beating]) else { return };
    let mut agent = Command::new(python());
    agent.arg(example("agents/agent.py")).args(["shout", watched.at.brokers()]);
    agent.env("ORCHESTRATOR_NAMESPACE", watched.at.namespace());
    let agent = watched.at.start_command(agent, "agent.py");
    for id in ["one", "two", "three"] {
        watched.at.request(id, "loud", &json!("two cups"));
    }
    watched.at.request("bad", "loud", &json!(2));
    watched.at.request("beats", "beating", &json!("two cups"));
    for id in ["one", "two", "three", "beats"] {
        assert_eq!(watched.answer(id)["answer"], "TWO CUPS");
    }
    // Its first one goes out at once; of tasks that do not ask it sends none.
    watched.events.wait("the heartbeat", |record| is_progress(&event_json(record)));
    let progressed: Vec<_> = watched.events.records().iter().map(event_json).filter(is_progress).collect();
    assert!(progressed.iter().all(|event| event["workflow_id"] == "beats"), "{progressed:?}");
    let failed = watched.answer("bad");
    assert_eq!((&failed["error"]["class"], &failed["error"]["code"]), (&"non_retryable".into(), &"not_text".into()));
    agent.signal("TERM");
    assert_eq!(agent.wait(), 0, "it ends in order");
    watched.at.judge(5);
}

#[test]
fn a_shell_agent_executes_nodes() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[SHOUT], &[]);
        let worker = watched.at.start("worker", &["worker", "--agent", "shout", "--exec", &example("agents/shout.sh")]);
        watched.at.request("one", "loud", &json!("two cups"));
        watched.at.request("bad", "loud", &json!("a \\ b"));
        assert_eq!(watched.answer("one")["answer"], "TWO CUPS");
        let failed = watched.answer("bad");
        assert_eq!(failed["error"]["code"], "exit_2", "{failed}");
        worker.signal("TERM");
        assert_eq!(worker.wait(), 0, "it ends in order");
        watched.at.judge(2);
    }
}

/// A client's transaction that was aborted asked for nothing.
#[test]
fn what_a_client_aborts_is_not_run() {
    let Some(mut watched) = on_kafka(&[CHAIN]) else { return };
    let script = "\
import sys, json
from confluent_kafka import Producer
brokers, topic = sys.argv[1:]
producer = Producer({'bootstrap.servers': brokers, 'partitioner': 'murmur2_random', 'transactional.id': topic})
producer.init_transactions(30)
for id, commit in [('aborted', False), ('committed', True)]:
    producer.begin_transaction()
    producer.produce(topic, json.dumps({'definition': 'chain', 'input': {'text': id}}), id)
    producer.commit_transaction(30) if commit else (producer.flush(30), producer.abort_transaction(30))
";
    let topic = format!("{}.{}", watched.at.namespace(), Topic::Requests);
    let end = watched.at.run_other(&python(), &["-c", script, watched.at.brokers(), &topic], b"");
    assert_eq!(end.code, 0, "{end:?}");
    watched.answer("committed");
    for partition in 0..4 {
        watched.goes_on(partition);
    }
    let aborted = count(&mut watched.responses, |response| response["workflow_id"] == "aborted");
    assert_eq!(aborted, 0);
    watched.at.judge(5);
}
