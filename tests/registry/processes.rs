//! What a process says of its registry, and that it waits for one that is away. Embedded: a broker has no part in it.

use crate::player::Player;
use crate::support::{Installation, Leg, Process, run, until};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Command;

fn with_registry(mut command: Command, url: &str) -> Command {
    command.env("ORCHESTRATOR_SCHEMA_REGISTRY_URL", url);
    command
}

fn start(at: &Installation, url: &str) -> Process {
    at.start_command(with_registry(at.command(&["dev"]), url), "dev")
}

fn warnings(process: &Process) -> Vec<String> {
    process.output().lines().filter(|line| line.contains("schema registry")).map(str::to_owned).collect()
}

#[test]
fn a_registry_that_is_away_is_waited_out_with_one_line_and_its_password_is_not_said() {
    let at = Installation::new(Leg::Embedded);
    // A port that is free, and stays it until the registry comes.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dev = start(&at, &format!("http://me:geheim@{address}"));
    until("it says that the registry is away", || (!warnings(&dev).is_empty()).then_some(()));
    let listener = TcpListener::bind(address).unwrap();
    let player = Player::on(
        listener,
        Box::new(|asked| {
            // The same id for the same schema.
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let id =
                body["schema"].as_str().unwrap().bytes().fold(7_u32, |id, byte| (id * 31 + u32::from(byte)) % 99_991);
            (200, json!({ "id": id }).to_string())
        }),
    );
    until("the schemas are registered", || dev.output().contains("schemas of the events are registered").then_some(()));
    until("it runs", || dev.output().contains("orchestrator runs in").then_some(()));
    let said = warnings(&dev);
    assert_eq!(said.iter().filter(|line| line.contains("WARN")).count(), 1, "{said:#?}");
    assert!(said[0].contains(&format!("http://me:***@{address} does not answer")), "{said:#?}");
    assert!(!dev.output().contains("geheim"));
    assert!(player.asked().iter().all(|asked| asked.line.starts_with("POST /subjects/")));
    dev.signal("TERM");
    assert_eq!(dev.wait(), 0);
}

#[test]
fn a_process_that_waits_for_its_registry_ends_when_it_is_told_to() {
    let at = Installation::new(Leg::Embedded);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dev = start(&at, &format!("http://{address}"));
    until("it says that the registry is away", || (!warnings(&dev).is_empty()).then_some(()));
    dev.signal("TERM");
    assert_eq!(dev.wait(), 0);
}

#[test]
fn a_registry_that_refuses_stops_the_start_with_its_words() {
    let at = Installation::new(Leg::Embedded);
    let player = Player::always(403, r#"{"error_code":40301,"message":"User is denied operation Write"}"#);
    let url = player.url().replace("http://", "http://me:geheim@");
    let end = run(with_registry(at.command(&["dev"]), &url), b"").expect(3);
    assert!(end.stderr.contains("403 Forbidden (error code 40301): User is denied operation Write"), "{end:?}");
    assert!(end.stderr.contains("me:***@") && !end.stderr.contains("geheim"), "{end:?}");
}

#[test]
fn a_url_that_is_none_is_refused_at_the_start() {
    let at = Installation::new(Leg::Embedded);
    for url in ["registry:8081", "ftp://me:geheim@registry", "http://", "http://registry/?x=1"] {
        let end = run(with_registry(at.command(&["config"]), url), b"").expect(2);
        assert!(end.stderr.contains("ORCHESTRATOR_SCHEMA_REGISTRY_URL"), "{url}: {end:?}");
        assert!(!end.stderr.contains("geheim"), "{end:?}");
    }
    let end = run(with_registry(at.command(&["config"]), "https://me:geheim@registry:8081/api"), b"").expect(0);
    assert!(end.stdout.contains("https://me:***@registry:8081/api") && !end.stdout.contains("geheim"), "{end:?}");
}
