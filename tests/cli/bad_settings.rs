//! A bad value stops every command that reads settings, before it does anything.

use crate::tool::{run, run_with};

#[test]
fn all_bad_values_come_at_once_and_nothing_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let environment = [("ORCHESTRATOR_AGENT_TIMEOUT", "soon"), ("ORCHESTRATOR_PARTITIONS", "0")];
    for command in ["init", "list", "dev", "serve", "health", "config", "demo"] {
        let end = run_with(&[command, "--data", data.to_str().expect("a path")], &environment, "").expect(2);
        assert!(end.stdout.is_empty(), "{end:?}");
        assert!(end.stderr.contains("ORCHESTRATOR_AGENT_TIMEOUT is \"soon\": allowed are seconds"), "{end:?}");
        assert!(end.stderr.contains("ORCHESTRATOR_PARTITIONS is \"0\": allowed is a whole number"), "{end:?}");
    }
    assert!(!data.exists());
}

#[test]
fn hosts_and_programs_of_the_built_in_agents_are_checked_at_the_start() {
    let environment = [
        ("ORCHESTRATOR_HTTP_AGENT_HOSTS", "api.example.com, https://b.example.com, c:none, localhost:8080"),
        ("ORCHESTRATOR_EXEC_AGENT_PROGRAMS", "/bin/cat,jq"),
    ];
    let end = run_with(&["serve", "--data", "/does/not/exist"], &environment, "").expect(2);
    for words in [
        "ORCHESTRATOR_HTTP_AGENT_HOSTS is \"",
        "nothing; not \"https://b.example.com\", \"c:none\"",
        "ORCHESTRATOR_EXEC_AGENT_PROGRAMS is \"/bin/cat,jq\": allowed are absolute paths",
        "not \"jq\"",
    ] {
        assert!(end.stderr.contains(words), "{words}: {end:?}");
    }
}

#[test]
fn what_the_kafka_client_does_not_take_is_told_with_the_rest() {
    let environment = [
        ("ORCHESTRATOR_KAFKA_LINGER_MSS", "5"),
        ("ORCHESTRATOR_KAFKA_SOCKET_TIMEOUT_MS", "soon"),
        ("ORCHESTRATOR_KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("ORCHESTRATOR_STORE_URL", "postgres://me:geheim@db:port/x"),
    ];
    for command in ["list", "config"] {
        let end = run_with(&[command], &environment, "").expect(2);
        assert!(end.stderr.contains("4 settings have bad values"), "{end:?}");
        assert!(environment.iter().all(|(name, _)| end.stderr.contains(&format!("  {name} is "))), "{end:?}");
        assert!(!end.stderr.contains("geheim"), "{end:?}");
    }
}

#[test]
fn a_store_of_another_kind_names_both() {
    let end = run(&["list", "--state-storage", "postgres", "--store-url", "sqlite://x.db"]).expect(2);
    assert!(end.stderr.contains("--state-storage") && end.stderr.contains("--store-url"), "{end:?}");
}

#[test]
fn redis_is_for_later() {
    let end = run_with(&["list"], &[("ORCHESTRATOR_STATE_STORAGE", "redis")], "").expect(2);
    assert!(end.stderr.contains("redis comes in a later version"), "{end:?}");
}

#[test]
fn an_input_that_is_not_json_is_refused_before_a_log_is_asked() {
    for input in ["{", "@/does/not/exist", "[1,]"] {
        let end = run(&["submit", "shop", "--input", input]).expect(2);
        assert!(end.stderr.starts_with("error: "), "{end:?}");
    }
}

#[test]
fn a_program_that_cannot_be_started_takes_no_nodes() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    for (program, words) in
        [("./no-such-program", "no file"), ("no-such-program", "in PATH"), (text, "chmod +x"), ("/", "is a folder")]
    {
        let end = run(&["worker", "--data", "/does/not/exist", "--agent", "x", "--exec", program]).expect(2);
        assert!(end.stderr.contains("--exec: ") && end.stderr.contains(words), "{end:?}");
    }
}

#[test]
fn what_is_embedded_takes_no_other_log_and_store() {
    for (command, flag, url) in [
        ("dev", "--log-url", "kafka://127.0.0.1:1"),
        ("demo", "--log-url", "kafka://127.0.0.1:1"),
        ("demo", "--store-url", "sqlite://x.db"),
    ] {
        let end = run(&[command, flag, url]).expect(2);
        assert!(end.stderr.contains(&format!("{flag}: `{command}` is embedded")), "{end:?}");
        assert!(end.stderr.contains("`orchestrator serve` is for a "), "{end:?}");
    }
}

#[test]
fn a_variable_that_dev_and_demo_ignore_is_warned_of() {
    let folder = tempfile::NamedTempFile::new().expect("a file in the way of a folder");
    let data = folder.path().join("data");
    let environment = [("ORCHESTRATOR_LOG_URL", "kafka://127.0.0.1:1")];
    for command in ["dev", "demo"] {
        let end = run_with(&[command, "--data", data.to_str().expect("a path")], &environment, "").expect(1);
        assert!(end.stderr.contains(&format!("ORCHESTRATOR_LOG_URL is ignored: `{command}` is embedded")), "{end:?}");
    }
}

#[test]
fn a_folder_without_a_log_is_named_and_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("typo");
    for command in [&["tail"][..], &["submit", "shop", "--input", "{}"], &["definitions", "list"], &["history", "x"]] {
        let arguments: Vec<_> = command.iter().copied().chain(["--data", data.to_str().expect("a path")]).collect();
        let end = run(&arguments).expect(3);
        assert!(end.stderr.contains("there is no log at") && end.stderr.contains("orchestrator init"), "{end:?}");
    }
    assert!(!data.exists());
}
