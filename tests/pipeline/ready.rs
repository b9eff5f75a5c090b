//! `GET /ready`: green when the roles of a process work, and not before.

use crate::support::{Installation, Leg, Process, until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

const HELLO: &str = "name: hello\nnodes:\n  - { node_id: one, agent_name: echo }\n";

/// A process that answers, and where.
struct Answering {
    process: Process,
    address: String,
}

impl Answering {
    fn start(at: &Installation, name: &str) -> Self {
        Self::start_command(at, at.command(&[at.verb()]), name)
    }

    fn start_command(at: &Installation, mut command: Command, name: &str) -> Self {
        // Free when it was asked for; nobody else is likely to take it until the process does.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").to_string();
        command.env("ORCHESTRATOR_HTTP_ADDRESS", &address);
        Self { process: at.start_command(command, name), address }
    }

    fn ready(&self) -> Option<(u16, Value)> {
        self.ask("/ready")
    }

    /// The status and what it says; none: it does not answer.
    fn ask(&self, path: &str) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
    }

    fn is_ready(&self, what: &str) -> Value {
        until(&format!("{what} is ready"), || self.ready().filter(|(code, _)| *code == 200).map(|(_, body)| body))
    }
}

#[test]
fn whoever_is_ready_works() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(HELLO);
        let serve = Answering::start(&at, "serve");
        let ready = serve.is_ready("the process");
        assert_eq!(ready["engine"]["partitions"], json!([0, 1, 2, 3]), "it owns what is there to own: {ready}");
        assert_eq!(ready["engine"]["taking"], json!([]));
        let said = serve.process.output();
        for role in ["engine", "projector", "worker"] {
            assert!(said.contains(&format!("the {role} is ready")), "{said}");
        }
    }
}

#[test]
fn a_process_that_waits_for_its_log_lives_and_says_what_it_waits_for() {
    let at = Installation::new(Leg::Embedded);
    let mut command = at.command(&["serve"]);
    command.env_remove("ORCHESTRATOR_DATA").env("ORCHESTRATOR_LOG_URL", "kafka://127.0.0.1:1");
    let serve = Answering::start_command(&at, command, "serve");
    let (code, _) = until("it answers", || serve.ask("/health"));
    let (ready, body) = serve.ready().expect("it answers this, too");
    assert_eq!((code, ready), (200, 503), "{body}");
    for role in ["engine", "projector", "worker"] {
        let message = body["roles"][role]["message"].as_str().unwrap_or_default();
        assert!(message.contains("127.0.0.1:1"), "{body}");
    }
    assert!(serve.process.output().contains("starting"), "{}", serve.process.output());
}

#[test]
fn a_process_whose_group_says_nothing_is_not_ready_and_says_so() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let at = Installation::new(Leg::Kafka);
    at.apply(HELLO);
    let first = Answering::start(&at, "first");
    first.is_ready("the first");
    // The group waits for a member that stands still, until its session has ended.
    first.process.signal("STOP");
    let second = Answering::start(&at, "second");
    let waits = "the group has not said yet which partitions are this process's";
    let (code, body) = until("the second says what it waits for", || {
        second.ready().filter(|(_, body)| body["roles"]["engine"]["message"] == waits)
    });
    assert_eq!((code, &body["ready"], &body["roles"]["engine"]["state"]), (503, &false.into(), &"waiting".into()));
    until("its log says so too", || {
        second.process.output().contains(&format!("the engine waits: {waits}")).then_some(())
    });
    let ready = second.is_ready("the second");
    assert_eq!(ready["engine"]["partitions"], json!([0, 1, 2, 3]), "{ready}");
    assert!(second.process.output().contains("the engine is ready"), "{}", second.process.output());
    // The first wakes up and finds that it was thrown out: nobody has been given its partitions by its own doing.
    first.process.signal("CONT");
    until("it says why it has lost them", || {
        first.process.output().contains("the group has not heard of this process for a session").then_some(())
    });
}

#[test]
fn one_that_has_nothing_to_own_is_ready_too() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let at = Installation::new(Leg::Kafka);
    at.apply(HELLO);
    let processes: Vec<_> = (0..5).map(|n| Answering::start(&at, &format!("serve {n}"))).collect();
    until("five processes share four partitions, and all are ready", || {
        let ready: Option<Vec<Value>> =
            processes.iter().map(|p| p.ready().filter(|(code, _)| *code == 200).map(|(_, body)| body)).collect();
        let owned = |body: &Value| body["engine"]["partitions"].as_array().map_or(0, Vec::len);
        let mut owned: Vec<usize> = ready?.iter().map(owned).collect();
        owned.sort_unstable();
        (owned == [0, 1, 1, 1, 1]).then_some(())
    });
}
