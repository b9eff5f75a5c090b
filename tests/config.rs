//! Settings: precedence, everything bad at once, secrets, the documentation.

#![allow(clippy::panic, reason = "a test that cannot go on says why")]

use orchestrator::config::table::{self, SETTINGS};
use orchestrator::config::{Config, ConfigFaults, Inputs, LogTarget, StoreKind, load, report};
use std::path::PathBuf;
use std::time::Duration;

fn inputs(environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Inputs {
    Inputs {
        environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        flags: flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        defaults: Vec::new(),
    }
}

fn good(environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Config {
    load(&inputs(environment, flags)).unwrap_or_else(|faults| panic!("{faults}"))
}

fn bad(environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> ConfigFaults {
    load(&inputs(environment, flags)).expect_err("it should be refused")
}

fn row<'a>(config: &'a Config, name: &str) -> (&'a str, String) {
    let row = config.rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row {name}"));
    (&row.value, row.source.to_string())
}

#[test]
fn the_defaults_are_those_that_are_promised() {
    let settings = good(&[], &[]).settings;
    assert_eq!(settings.limits.max_agent_calls, 5);
    assert_eq!(settings.limits.agent_timeout, Duration::from_secs(60));
    assert_eq!(settings.limits.parallel_threshold, 2);
    assert_eq!((settings.limits.retry.max_retries, settings.partitions), (3, 4));
    assert_eq!(settings.log, LogTarget::Kafka { brokers: "127.0.0.1:19092".to_owned() });
    assert_eq!(settings.store.kind, StoreKind::Postgres);
    assert_eq!(settings.namespace, "orchestrator");
    assert_eq!(settings.max_request_bytes, 1 << 20);
    assert_eq!(settings.duplicate_window, Duration::from_secs(24 * 3600));
    assert!(settings.structured_logging && settings.http_agent_hosts.is_empty());
    assert_eq!(settings.log_level, tracing::Level::INFO);
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_beats_the_default() {
    let environment = [(table::PARTITIONS, "7"), (table::MAX_RETRIES, "9"), (table::GROUP, "")];
    let config = good(&environment, &[(table::PARTITIONS, "12")]);
    assert_eq!((config.settings.partitions, config.settings.limits.retry.max_retries), (12, 9));
    assert_eq!(row(&config, table::PARTITIONS), ("12", "flag".to_owned()));
    assert_eq!(row(&config, table::MAX_RETRIES), ("9", "environment".to_owned()));
    assert_eq!(row(&config, table::GROUP), ("orchestrator-engine", "default".to_owned()));
    assert!(config.was_given(table::PARTITIONS) && !config.was_given(table::GROUP));
}

#[test]
fn the_group_is_named_after_the_namespace_unless_somebody_names_it() {
    let config = good(&[(table::NAMESPACE, "staging")], &[]);
    assert_eq!(config.settings.group, "staging-engine");
    let source = "follows from ORCHESTRATOR_NAMESPACE".to_owned();
    assert_eq!(row(&config, table::GROUP), ("staging-engine", source));
    assert_eq!(good(&[], &[(table::NAMESPACE, "staging")]).settings.group, "staging-engine");
    assert_eq!(good(&[(table::GROUP, "mine")], &[(table::NAMESPACE, "staging")]).settings.group, "mine");
    assert_eq!(good(&[], &[]).settings.group, "orchestrator-engine");
}

#[test]
fn every_bad_value_is_reported_at_once_with_what_is_allowed() {
    let environment = [
        (table::MAX_AGENT_CALLS, "many"),
        (table::AGENT_TIMEOUT, "-1"),
        (table::LOG_URL, "http://x"),
        (table::STATE_STORAGE, "redis"),
        (table::LOG_LEVEL, "LOUD"),
        ("ORCHESTRATOR_KAFKA_ACKS", "0"),
    ];
    let faults = bad(&environment, &[(table::PARTITIONS, "0")]);
    let words = faults.to_string();
    for (name, value) in environment.iter().chain(&[("--partitions", "0")]) {
        assert!(words.contains(&format!("{name} is {value:?}: allowed ")), "{name} is missing in {words}");
    }
    assert_eq!(faults.0.len(), 7, "{words}");
    assert!(words.contains("redis comes in a later version"), "{words}");
    assert!(words.contains("ERROR, WARN, INFO, DEBUG, TRACE"), "{words}");
}

#[test]
fn a_value_that_is_not_text_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt;
    let value = std::ffi::OsString::from_vec(vec![0xff, 0xfe]);
    let inputs = Inputs { environment: vec![(table::GROUP.into(), value)], ..Inputs::default() };
    let faults = load(&inputs).expect_err("it should be refused");
    assert!(faults.to_string().starts_with("ORCHESTRATOR_GROUP is "), "{faults}");
}

#[test]
fn the_kind_of_store_picks_the_default_url() {
    let config = good(&[(table::STATE_STORAGE, "sqlite")], &[]);
    assert_eq!(config.settings.store.url, table::DEFAULT_SQLITE_STORE_URL);
    assert_eq!(row(&config, table::STORE_URL).1, "follows from ORCHESTRATOR_STATE_STORAGE");
}

#[test]
fn a_url_of_another_kind_stops_the_start_and_both_are_named() {
    let faults = bad(&[(table::STATE_STORAGE, "sqlite"), (table::STORE_URL, "postgres://u:geheim@h/db")], &[]);
    let words = faults.to_string();
    assert!(words.contains("ORCHESTRATOR_STATE_STORAGE") && words.contains("ORCHESTRATOR_STORE_URL"), "{words}");
    assert!(!words.contains("geheim"), "{words}");
    // Where nobody asked for a kind, it is that of the URL.
    let config = good(&[], &[(table::STORE_URL, "sqlite://x.db")]);
    assert_eq!(row(&config, table::STATE_STORAGE), ("sqlite", "follows from --store-url".to_owned()));
}

#[test]
fn a_folder_stands_for_both_urls() {
    let config = good(&[], &[(table::DATA, "coffee")]);
    assert_eq!(config.settings.log, LogTarget::Sqlite { path: PathBuf::from("coffee/log.db") });
    assert_eq!(config.settings.store.url, "sqlite://coffee/store.db");
    assert_eq!(row(&config, table::LOG_URL), ("sqlite://coffee/log.db", "follows from --data".to_owned()));
    assert_eq!(row(&config, table::STATE_STORAGE).0, "sqlite");
}

#[test]
fn a_folder_given_by_a_flag_beats_what_the_environment_says_of_log_and_store() {
    let environment =
        [(table::LOG_URL, "kafka://a:1"), (table::STORE_URL, "postgres://h/db"), (table::STATE_STORAGE, "postgres")];
    let config = good(&environment, &[(table::DATA, "coffee")]);
    assert_eq!(config.settings.log.url(), "sqlite://coffee/log.db");
    assert_eq!(config.settings.store.kind, StoreKind::Sqlite);
}

#[test]
fn a_folder_and_a_url_given_alike_are_one_too_many() {
    let faults = bad(&[], &[(table::DATA, "coffee"), (table::LOG_URL, "kafka://a:1")]);
    assert!(faults.to_string().contains("--log-url") && faults.to_string().contains("--data"), "{faults}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let secret = "geheim";
    let url = format!("postgres://u:{secret}@h/db");
    let config = good(
        &[
            (table::STORE_URL, &url),
            ("ORCHESTRATOR_KAFKA_SASL_PASSWORD", secret),
            ("ORCHESTRATOR_KAFKA_SASL_USERNAME", "me"),
        ],
        &[],
    );
    assert!(!format!("{config:?}").contains(secret));
    assert_eq!(row(&config, table::STORE_URL).0, "postgres://u:***@h/db");
    assert_eq!(row(&config, "ORCHESTRATOR_KAFKA_SASL_PASSWORD").0, "***");
    assert_eq!(row(&config, "ORCHESTRATOR_KAFKA_SASL_USERNAME").0, "me");
    assert_eq!(config.settings.store.url, url, "the program itself needs it");
    let faults = bad(&[(table::STORE_URL, "mysql://u:geheim@h/db")], &[]);
    assert!(!faults.to_string().contains(secret), "{faults}");
}

#[test]
fn properties_of_the_kafka_client_are_passed_through() {
    let config = good(&[("ORCHESTRATOR_KAFKA_SECURITY_PROTOCOL", "SSL")], &[]);
    let [property] = config.settings.kafka.as_slice() else { panic!("{:?}", config.settings.kafka) };
    assert_eq!((property.key.as_str(), property.value.as_str()), ("security.protocol", "SSL"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn a_variable_that_nobody_reads_is_warned_of_with_a_hint() {
    let config = good(
        &[("ORCHESTRATOR_AGENT_TIMOUT", "1"), ("ORCHESTRATOR_SERVICES_DIR", "x"), ("ORCHESTRATOR_KAFKA_PORT", "1")],
        &[],
    );
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.contains("did you mean ORCHESTRATOR_AGENT_TIMEOUT?"), "{warning}");
    assert!(config.settings.kafka.is_empty(), "a port of the scripts is no property of librdkafka");
}

#[test]
fn what_a_command_brings_along_is_a_default_and_shows_why() {
    let defaults = vec![(table::STRUCTURED_LOGGING, "false".to_owned(), "`dev` on a terminal".to_owned())];
    let config = load(&Inputs { defaults: defaults.clone(), ..Inputs::default() }).expect("it is allowed");
    assert!(!config.settings.structured_logging);
    assert_eq!(row(&config, table::STRUCTURED_LOGGING), ("false", "follows from `dev` on a terminal".to_owned()));
    let asked = Inputs { defaults, ..inputs(&[(table::STRUCTURED_LOGGING, "true")], &[]) };
    assert!(load(&asked).expect("it is allowed").settings.structured_logging);
}

#[test]
fn the_documentation_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let page = std::fs::read_to_string(path).expect("docs/configuration.md");
    assert_eq!(page, report::markdown(), "make it anew: orchestrator config --markdown > docs/configuration.md");
    for setting in SETTINGS {
        assert!(page.contains(setting.name), "{} is not documented", setting.name);
    }
}
