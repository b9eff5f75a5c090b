//! A whole installation in a folder: made, used, ended, started again.

use crate::tool::{Background, End, program, run, run_with};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const CHAIN: &str = "\
name: chain
input_contract: { type: object, required: [text] }
nodes:
  - node_id: first
    agent_name: echo
  - node_id: second
    agent_name: echo
    dependencies: [first]
";

pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn data(&self) -> &str {
        self.folder.path().to_str().expect("a path")
    }

    pub fn run(&self, arguments: &[&str]) -> End {
        self.run_with_input(arguments, "")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> End {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--data", self.data()]).collect();
        run_with(&arguments, &[], input)
    }

    /// `dev` in this folder, ready to work.
    pub fn dev(&self) -> Background {
        let mut command = program(&["dev", "--http-address", "off", "--data", self.data()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("dev starts");
        let background = Background(child);
        // The definitions can be listed as soon as the topics are there, and runs as soon as the tables are.
        let can_list = |what: &[&str]| self.run(what).code == 0;
        wait_until("the installation is there", || can_list(&["definitions", "list"]) && can_list(&["list"]));
        background
    }

    fn apply(&self) {
        self.run_with_input(&["definitions", "apply", "-"], CHAIN).expect(0);
    }

    fn submit(&self, more: &[&str]) -> End {
        let line = ["submit", "chain", "--input", "{\"text\":\"hello\"}", "--wait", "--timeout", "60"];
        let arguments: Vec<_> = line.iter().chain(more).copied().collect();
        self.run(&arguments)
    }
}

pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn init_is_safe_to_run_twice_and_keeps_the_number_of_partitions() {
    let folder = Folder::new();
    let made = folder.run(&["init", "--partitions", "3", "--output", "json"]).expect(0).json();
    assert_eq!(made["partitions"], 3);
    assert!(made["created"].as_array().is_some_and(|topics| topics.iter().any(|topic| topic == "journal")));

    let again = folder.run(&["init", "--output", "json"]).expect(0).json();
    assert_eq!((&again["partitions"], &again["created"]), (&3.into(), &serde_json::json!([])));

    let other = folder.run(&["init", "--partitions", "5"]).expect(3);
    assert!(other.stderr.contains("pinned to 3"), "{other:?}");
}

#[test]
fn definitions_count_their_versions() {
    let folder = Folder::new();
    folder.run(&["init"]).expect(0);
    let apply = |text: &str| {
        let json = folder.run_with_input(&["definitions", "apply", "-", "--output", "json"], text).expect(0).json();
        (json[0]["version"].clone(), json[0]["applied"].clone())
    };
    let other = CHAIN.replace("second", "another");
    assert_eq!(apply(CHAIN), (1.into(), true.into()));
    assert_eq!(apply(CHAIN), (1.into(), false.into()));
    assert_eq!(apply(&other), (2.into(), true.into()));
    assert_eq!(apply(CHAIN), (1.into(), false.into()));

    let listed = folder.run(&["definitions", "list", "--output", "json"]).expect(0).json();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["version"], &listed[0]["nodes"]),
        (&"chain".into(), &2.into(), &2.into())
    );
    let yaml = folder.run(&["definitions", "show", "chain", "--version", "1", "--format", "yaml"]).expect(0).stdout;
    assert_eq!(apply(&yaml), (1.into(), false.into()), "what is shown can be applied: {yaml}");
    assert!(folder.run(&["definitions", "show", "chain", "--graph"]).expect(0).stdout.contains("another"));
    assert!(folder.run(&["definitions", "show", "chain", "--format", "mermaid"]).expect(0).stdout.contains("first"));
    let missing = folder.run(&["definitions", "show", "shop"]).expect(6);
    assert!(missing.stderr.contains("there are chain"), "{missing:?}");
}

#[test]
fn without_init_everything_says_so() {
    let folder = Folder::new();
    for command in [&["serve"][..], &["definitions", "list"], &["worker", "--builtin", "echo"]] {
        let end = folder.run(command).expect(3);
        assert!(end.stderr.contains("orchestrator init"), "{end:?}");
    }
}

#[test]
fn the_error_that_ends_a_server_is_a_log_line_among_log_lines() {
    let folder = Folder::new();
    for command in [&["serve"][..], &["worker", "--builtin", "echo"]] {
        let end = folder.run(&[command, &["--structured-logging", "true"]].concat()).expect(3);
        let lines: Vec<serde_json::Value> =
            end.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let last = lines.last().expect("a line");
        assert_eq!((&last["level"], &last["exit_code"]), (&"ERROR".into(), &3.into()), "{end:?}");
        assert!(last["message"].as_str().is_some_and(|words| words.contains("orchestrator init")), "{end:?}");
        let plain = folder.run(&[command, &["--structured-logging", "false"]].concat()).expect(3);
        assert!(plain.stderr.contains("error: "), "{plain:?}");
    }
}

#[test]
fn a_request_is_answered_once_and_can_be_looked_at() {
    let folder = Folder::new();
    let _dev = folder.dev();
    folder.apply();

    let answer = folder.submit(&["--id", "order 7"]).expect(0);
    assert_eq!(answer.json(), serde_json::json!({ "first": { "text": "hello" } }));
    let first = folder.submit(&["--id", "order 7", "--output", "json"]).expect(0).json();
    assert_eq!((&first["kind"], &first["status"]), (&"answer".into(), &"completed".into()));

    // The projector may be a moment behind; `show` and `history` are not.
    let shown = folder.run(&["show", "order 7", "--output", "json"]).expect(0).json();
    assert_eq!((&shown["run_id"], &shown["nodes"]["second"]["status"]), (&first["run_id"], &"completed".into()));
    let text = folder.run(&["show", "order 7"]).expect(0).stdout;
    assert!(text.contains("Answer") && text.contains('█'), "{text}");

    let history = folder.run(&["history", "order 7", "--output", "json"]).expect(0).stdout;
    let events = history.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let (run, beside): (Vec<_>, Vec<_>) = events.partition(|event| event["run_id"] == first["run_id"]);
    assert_eq!(
        (&run[0]["type"], &run[run.len() - 1]["type"]),
        (&"WorkflowStarted".into(), &"WorkflowCompleted".into())
    );
    assert!(run.iter().enumerate().all(|(i, event)| event["sequence"] == i + 1), "{history}");
    // The second request.
    assert_eq!((beside.len(), &beside[0]["type"]), (1, &"InputRejected".into()), "{history}");

    let tail = folder.run(&["tail", "--from-start", "--no-follow", "--type", "WorkflowCompleted", "--output", "json"]);
    assert_eq!(tail.expect(0).stdout.lines().count(), 1, "one request, one run");

    wait_until("the run is listed", || {
        folder.run(&["list", "--status", "completed", "--output", "json"]).json()[0]["workflow_id"] == "order 7"
    });
}

#[test]
fn what_is_wrong_with_a_request_is_answered() {
    let folder = Folder::new();
    let _dev = folder.dev();
    folder.apply();
    let wait = ["--wait", "--timeout", "60"];
    let refused = |line: &[&str], reason: &str| {
        let arguments: Vec<_> = line.iter().chain(&wait).copied().collect();
        let end = folder.run(&arguments).expect(3);
        assert!(end.stderr.contains(reason), "{end:?}");
    };
    refused(&["submit", "shop", "--input", "{}"], "unknown_definition");
    refused(&["submit", "chain", "--input", "{}"], "contract");
    refused(&["submit", "chain", "--version", "9", "--input", "{\"text\":\"x\"}"], "unknown_definition");
    folder.submit(&["--id", "order 7"]).expect(0);
    refused(&["submit", "chain", "--input", "{\"text\":\"other\"}", "--id", "order 7"], "id_conflict");
}

#[test]
fn what_is_wrong_and_can_be_seen_is_refused_before_it_is_published() {
    let folder = Folder::new();
    let end = folder.run(&["init"]).expect(0);
    assert!(end.stderr.is_empty(), "{end:?}");
    let refused = |line: &[&str], words: &[&str]| {
        let end = folder.run(&[&["submit", "--id", "w"], line].concat()).expect(3);
        assert!(words.iter().all(|word| end.stderr.contains(word)), "{words:?} in {end:?}");
    };
    refused(&["chain", "--input", "{}"], &["unknown_definition", "there are none", "definitions apply"]);
    folder.apply();
    refused(&["shop", "--input", "{}"], &["unknown_definition", "there are chain"]);
    refused(&["chain", "--version", "9", "--input", "{}"], &["unknown_definition", "it has 1"]);
    refused(&["chain", "--input", "{}"], &["contract", "at its top level", "\"text\" is a required property"]);
    let json = folder.run(&["submit", "chain", "--input", "{}", "--output", "json"]).expect(3).json();
    assert_eq!((&json["kind"], &json["reason"], &json["origin"]), (&"refused".into(), &"contract".into(), &().into()));
    let unknown = folder.run(&["show", "w"]).expect(6);
    assert!(unknown.stderr.contains("there is no workflow \"w\""), "nothing was published: {unknown:?}");
}

#[test]
fn what_only_the_engine_refuses_is_told_by_show_and_history() {
    let folder = Folder::new();
    let _dev = folder.dev();
    folder.apply();
    let large = Path::new(folder.data()).join("large.json");
    std::fs::write(&large, format!("{{\"text\":\"{}\"}}", "x".repeat(2 << 20))).expect("a file");
    let input = format!("@{}", large.display());
    folder.run(&["submit", "chain", "--input", &input, "--id", "large"]).expect(0);
    wait_until("the engine has refused it", || folder.run(&["show", "large"]).code == 3);
    let json = folder.run(&["show", "large", "--output", "json"]).expect(3).json();
    assert_eq!(
        (&json["status"], &json["reason"], &json["run_id"]),
        (&"refused".into(), &"too_large".into(), &().into())
    );
    for command in ["show", "history"] {
        let end = folder.run(&[command, "large"]).expect(3);
        assert!(end.stderr.contains("was refused: too_large") && end.stdout.is_empty(), "{end:?}");
    }
}

#[test]
fn what_is_not_there_is_told_from_what_is_empty() {
    let folder = Folder::new();
    folder.run(&["init"]).expect(0);
    folder.apply();
    let unknown = folder.run(&["list", "--definition", "shop"]).expect(6);
    assert!(unknown.stderr.contains("there are chain") && unknown.stdout.is_empty(), "{unknown:?}");
    let empty = folder.run(&["list", "--definition", "chain"]).expect(0);
    assert!(empty.stdout.starts_with("no runs of chain yet"), "{empty:?}");
    let none = folder.run(&["list", "--status", "failed"]).expect(0);
    assert_eq!(none.stdout, "no failed runs\n");
    for command in
        [&["show", "nobody"][..], &["history", "nobody"], &["definitions", "show", "chain", "--version", "2"]]
    {
        folder.run(command).expect(6);
    }
}

#[test]
fn a_store_without_tables_asks_for_init() {
    let folder = Folder::new();
    folder.run(&["init"]).expect(0);
    for file in ["store.db", "store.db-wal", "store.db-shm"] {
        let _ = std::fs::remove_file(Path::new(folder.data()).join(file));
    }
    for command in [&["list"][..], &["show", "x"], &["history", "x"]] {
        let end = folder.run(command).expect(3);
        assert!(end.stderr.contains("has no tables yet: run `orchestrator init` once"), "{end:?}");
        assert!(!end.stderr.contains("no such table"), "{end:?}");
    }
}

#[test]
fn a_damaged_store_says_what_to_do() {
    let folder = Folder::new();
    folder.run(&["init"]).expect(0);
    let store = Path::new(folder.data()).join("store.db");
    for file in ["store.db-wal", "store.db-shm"] {
        let _ = std::fs::remove_file(Path::new(folder.data()).join(file));
    }
    std::fs::write(&store, "coffee ".repeat(2_000)).expect("a file");
    let end = folder.run(&["list"]).expect(1);
    let file = store.display();
    assert!(end.stderr.contains(&format!("stop the engine, delete {file} (with {file}-wal and")), "{end:?}");
    assert!(end.stderr.contains("folded anew from the log"), "{end:?}");
}

#[test]
fn a_folder_has_one_engine_at_a_time() {
    let folder = Folder::new();
    let first = folder.dev();
    for command in [&["dev", "--http-address", "off"][..], &["serve", "--http-address", "off"], &["demo"]] {
        let end = folder.run(command).expect(3);
        assert!(end.stderr.contains(&format!("process {} since", first.0.id())), "{end:?}");
        assert!(end.stderr.contains(folder.data()), "{end:?}");
    }
    drop(first);
    let _second = folder.dev();
}

#[test]
fn without_an_engine_a_wait_ends_at_its_timeout() {
    let folder = Folder::new();
    folder.run(&["init"]).expect(0);
    folder.apply();
    let line = ["submit", "chain", "--input", "{\"text\":\"hello\"}", "--id", "it's 7", "--wait", "--timeout", "0.2"];
    let end = folder.run(&line).expect(4);
    assert!(end.stderr.contains("within 200 ms") && end.stderr.contains("orchestrator show 'it'\\''s 7'"), "{end:?}");
    // What was promised: it tells how far the request is.
    let waiting = folder.run(&["show", "it's 7", "--output", "json"]).expect(6);
    assert_eq!((&waiting.json()["status"], &waiting.json()["origin"]["offset"]), (&"waiting".into(), &0.into()));
    for command in ["show", "history"] {
        let end = folder.run(&[command, "it's 7"]).expect(6);
        assert!(end.stderr.contains("its request waits to be decided (requests/"), "{end:?}");
    }
}

#[test]
fn whoever_waits_learns_the_id_and_that_nobody_may_be_there() {
    let folder = Folder::new();
    folder.run(&["init"]).expect(0);
    folder.apply();
    let line = ["submit", "chain", "--input", "{\"text\":\"hello\"}", "--wait", "--timeout", "5.5", "--output", "json"];
    let end = folder.run(&line).expect(4);
    let id = end.stderr.strip_prefix("published as ").and_then(|rest| rest.lines().next()).expect("an id");
    assert!(end.stderr.contains(&format!("`orchestrator show {id}`")), "{end:?}");
    assert_eq!(end.stderr.matches("perhaps no engine is running: `orchestrator health`").count(), 1, "{end:?}");
}

#[test]
fn dev_goes_on_where_it_was() {
    let folder = Folder::new();
    let first = folder.dev();
    folder.apply();
    folder.submit(&["--id", "before"]).expect(0);
    drop(first);
    // Published while nobody is there.
    folder.run(&["submit", "chain", "--input", "{\"text\":\"hello\"}", "--id", "between"]).expect(0);
    let _second = folder.dev();
    folder.submit(&["--id", "between"]).expect(0);
    folder.submit(&["--id", "after"]).expect(0);
    for id in ["before", "between", "after"] {
        // The tables follow the answer by some milliseconds.
        wait_until(&format!("{id} is shown as completed"), || {
            folder.run(&["show", id, "--output", "json"]).expect(0).json()["status"] == "completed"
        });
    }
}

#[test]
fn a_program_can_be_an_agent() {
    let folder = Folder::new();
    let _dev = folder.dev();
    let definition = "name: loud\nnodes:\n  - node_id: shout\n    agent_name: shouter\n";
    folder.run_with_input(&["definitions", "apply", "-"], definition).expect(0);
    let script = Path::new(folder.data()).join("shout.sh");
    std::fs::write(&script, "cat > /dev/null; echo '{\"loud\": true}'\n").expect("a script");
    let mut command = program(&["worker", "--data", folder.data(), "--agent", "shouter", "--exec", "sh"]);
    command.arg(&script).stdout(Stdio::null()).stderr(Stdio::null());
    let _worker = Background(command.spawn().expect("the worker starts"));
    let end = folder.run(&["submit", "loud", "--input", "{}", "--wait", "--timeout", "60"]).expect(0);
    assert_eq!(end.json(), serde_json::json!({ "loud": true }));
}

#[test]
fn health_tells_what_answers_and_what_does_not() {
    let folder = Folder::new();
    let missing = folder.run(&["health", "--output", "json"]).expect(3).json();
    assert_eq!((&missing[0]["part"], &missing[0]["state"]), (&"log".into(), &"failed".into()));
    folder.run(&["init"]).expect(0);
    let fine = folder.run(&["health", "--http-address", "127.0.0.1:1", "--output", "json"]).expect(0).json();
    let states: Vec<_> = fine.as_array().into_iter().flatten().map(|part| &part["state"]).collect();
    assert_eq!(states, ["ok", "ok", "none"], "who does not answer is not well, and need not be there: {fine}");
    let serving = folder.run(&["health", "--http-address", "127.0.0.1:1", "--serving"]).expect(5);
    assert!(serving.stdout.contains("nothing answers at 127.0.0.1:1"), "{serving:?}");
}

#[test]
fn health_tells_a_process_of_another_installation() {
    let (served, other) = (Folder::new(), Folder::new());
    other.run(&["init"]).expect(0);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").to_string();
    let mut dev = program(&["dev", "--http-address", &port, "--data", served.data()]);
    let _dev = Background(dev.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("dev starts"));
    let asked = ["health", "--serving", "--http-address", &port];
    wait_until("its own process is ready", || served.run(&asked).code == 0);
    let end = other.run(&asked).expect(5);
    assert!(end.stdout.contains("not ok") && end.stdout.contains(served.data()), "{end:?}");
    let plain = other.run(&["health", "--http-address", &port, "--output", "json"]).expect(0).json();
    assert_eq!(plain[2]["state"], "none", "{plain}");
    served.run(&["init", "--namespace", "second"]).expect(0);
    let end = served.run(&[&asked[..], &["--namespace", "second"]].concat()).expect(5);
    assert!(end.stdout.contains("(namespace orchestrator), not"), "{end:?}");
}

#[test]
fn what_is_not_there_is_not_reachable() {
    let end = run(&["definitions", "list", "--log-url", "kafka://127.0.0.1:1"]).expect(5);
    assert!(end.stderr.contains("127.0.0.1:1") && end.stderr.contains("--log-url"), "{end:?}");
    let end = run(&["list", "--store-url", "postgres://x:geheim@127.0.0.1:1/x"]).expect(5);
    assert!(end.stderr.contains("127.0.0.1:1") && !end.stderr.contains("geheim"), "{end:?}");
}
