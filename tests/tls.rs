//! Kafka behind TLS and a password: everything works through it, and what is not right is said in a line.
//!
//! The broker is the one that all tests use, by the listener that scripts/services opens beside the plain one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "support/pipeline/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other test targets")]
mod support;

use serde_json::json;
use std::process::Command;
use std::time::Duration;
use support::{Installation, Leg, Process, python, run, until};

const DEFINITION: &str = "\
name: greet
nodes:
  - { node_id: first, agent_name: echo }
  - { node_id: second, agent_name: cat, dependencies: [first], input: { said: outputs.first } }
";

/// How a client shows who it is.
#[derive(Clone, Copy)]
struct Login<'a> {
    mechanism: &'a str,
    user: &'a str,
    password: &'a str,
    /// Whether it knows the certificate that has signed the broker's.
    trusts: bool,
}

/// The user that the broker's settings name.
const PLAIN: Login = Login { mechanism: "PLAIN", user: "orchestrator", password: "orchestrator", trusts: true };

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; `scripts/test --only tls` sets it"))
}

/// A command as a client of the listener with TLS.
fn through_tls(mut command: Command, login: Login) -> Command {
    command
        .env("ORCHESTRATOR_LOG_URL", format!("kafka://{}", variable("ORCHESTRATOR_TEST_KAFKA_TLS")))
        .env("ORCHESTRATOR_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
        .env("ORCHESTRATOR_KAFKA_SASL_MECHANISM", login.mechanism)
        .env("ORCHESTRATOR_KAFKA_SASL_USERNAME", login.user)
        .env("ORCHESTRATOR_KAFKA_SASL_PASSWORD", login.password);
    if login.trusts {
        command.env("ORCHESTRATOR_KAFKA_SSL_CA_LOCATION", variable("ORCHESTRATOR_TEST_KAFKA_CA"));
    }
    command
}

/// The program at an installation.
fn command(at: &Installation, login: Login, arguments: &[&str]) -> Command {
    through_tls(at.command(arguments), login)
}

/// The program where it gets no further than the door, so that there need be no installation.
fn stranger(login: Login, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("ORCHESTRATOR_HTTP_ADDRESS", "off").env("ORCHESTRATOR_STRUCTURED_LOGGING", "false");
    through_tls(command, login)
}

/// Tells the broker, over the plain listener, of a user of SCRAM.
fn add_user(user: &str, password: &str) {
    let script = "\
import sys
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
brokers, user, password = sys.argv[1:]
how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
change = UserScramCredentialUpsertion(user, how, password.encode())
admin = AdminClient({'bootstrap.servers': brokers})
for done in admin.alter_user_scram_credentials([change]).values():
    done.result()
";
    let mut python = Command::new(python());
    python.args(["-c", script, &variable("ORCHESTRATOR_TEST_KAFKA"), user, password]);
    run(python, b"").expect(0);
}

/// What a process has written about Kafka, without the times.
fn complaints(process: &Process) -> Vec<String> {
    process.output().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).map(str::to_owned).collect()
}

/// Processes go on trying, and have said why once; then they end when they are told to.
fn wait_with_one_line(processes: Vec<Process>, reason: &str) {
    for process in &processes {
        until("it says why", || process.output().contains(reason).then_some(()));
    }
    // Long enough to try again, twice.
    std::thread::sleep(Duration::from_secs(6));
    for process in processes {
        let said = complaints(&process);
        assert_eq!(said.len(), 1, "one line: {said:#?}");
        process.signal("TERM");
        assert_eq!(process.wait(), 0);
    }
}

#[test]
fn everything_works_through_tls_with_scram() {
    let at = Installation::new(Leg::Kafka);
    add_user(at.namespace(), "a password; with = signs");
    let login =
        Login { mechanism: "SCRAM-SHA-512", user: at.namespace(), password: "a password; with = signs", trusts: true };
    run(command(&at, login, &["definitions", "apply", "-"]), DEFINITION.as_bytes()).expect(0);
    let mut serve = at.start_command(command(&at, login, &["serve"]), "serve");
    let cat = at.start_command(command(&at, login, &["worker", "--agent", "cat", "--exec", "/bin/cat"]), "worker");
    for n in 0..5 {
        let input = json!({ "n": n }).to_string();
        let submit = ["submit", "greet", "--id", &format!("w {n}"), "--input", &input, "--wait", "--output", "json"];
        let answer = run(command(&at, login, &submit), b"").expect(0).json();
        assert_eq!(answer["answer"]["said"]["n"], n, "{answer}");
    }
    run(command(&at, login, &["health"]), b"").expect(0);
    at.judge(5);
    assert!(serve.is_alive());
    for process in [serve, cat] {
        process.signal("TERM");
        assert_eq!(process.wait(), 0);
    }
}

#[test]
fn everything_is_created_through_tls_with_plain() {
    let at = Installation::new(Leg::Kafka);
    let mut init = command(&at, PLAIN, &["init"]);
    init.env("ORCHESTRATOR_NAMESPACE", format!("{}-tls", at.namespace()));
    let end = run(init, b"").expect(0);
    assert!(end.stdout.contains("topics created"), "{end:?}");
}

#[test]
fn a_wrong_password_is_named_at_once_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let user = format!("user-{}", uuid::Uuid::new_v4());
    add_user(&user, "right");
    let scram = Login { mechanism: "SCRAM-SHA-512", user: &user, password: "geheim", trusts: true };
    for login in [scram, Login { password: "geheim", ..PLAIN }] {
        let end = run(stranger(login, &["submit", "greet", "--input", "{}"]), b"").expect(5);
        let (line, advice) = end.stderr.trim().split_once('\n').expect("what is wrong, and what to do");
        assert!(line.contains("Authentication failed") && line.contains("`sasl.password`"), "{end:?}");
        assert!(!advice.contains('\n') && !end.stderr.contains("geheim"), "{end:?}");
    }
    let start = |name, arguments: &[&str]| Process::start(stranger(scram, arguments), folder.path(), name);
    let serve = start("serve", &["serve"]);
    let worker = start("worker", &["worker", "--agent", "cat", "--exec", "/bin/cat"]);
    wait_with_one_line(vec![serve, worker], "Authentication failed");
}

#[test]
fn a_server_that_waits_for_its_user_goes_on_when_there_is_one() {
    let at = Installation::new(Leg::Kafka);
    let login = Login { mechanism: "SCRAM-SHA-512", user: at.namespace(), password: "late", trusts: true };
    at.apply("name: echoed\nnodes: [{ node_id: only, agent_name: echo }]\n");
    let serve = at.start_command(command(&at, login, &["serve"]), "serve");
    until("it says why", || serve.output().contains("Authentication failed").then_some(()));
    add_user(at.namespace(), "late");
    at.run(&["submit", "echoed", "--input", "{}", "--wait", "--timeout", "60"]).expect(0);
}

#[test]
fn a_certificate_that_is_not_trusted_is_named_at_once_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let login = Login { trusts: false, ..PLAIN };
    let end = run(stranger(login, &["tail", "--no-follow"]), b"").expect(5);
    assert!(end.stderr.contains("certificate verify failed") && end.stderr.contains("ssl.ca.location"), "{end:?}");
    let serve = Process::start(stranger(login, &["serve"]), folder.path(), "serve");
    wait_with_one_line(vec![serve], "certificate verify failed");
}

#[test]
fn a_client_that_does_not_speak_tls_is_told_what_to_look_at() {
    let mut plain = stranger(PLAIN, &["definitions", "list"]);
    plain.env("ORCHESTRATOR_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT");
    let end = run(plain, b"").expect(5);
    assert!(end.stderr.contains("security.protocol"), "{end:?}");
}

#[test]
fn the_password_is_never_shown() {
    for output in ["table", "json"] {
        let config = stranger(Login { password: "geheim", ..PLAIN }, &["config", "--output", output]);
        let end = run(config, b"").expect(0);
        assert!(!end.stdout.contains("geheim") && !end.stderr.contains("geheim"), "{end:?}");
        assert!(end.stdout.contains("ORCHESTRATOR_KAFKA_SASL_PASSWORD") && end.stdout.contains("***"), "{end:?}");
    }
}
