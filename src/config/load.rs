//! From the environment and the flags to settings, with every fault at once.

use super::fault::{ConfigFault, ConfigFaults};
use super::kafka::{self, KafkaProperty};
use super::kind::Value;
use super::table::{self, KAFKA_PREFIX, OF_AGENTS, OF_SCRIPTS, PREFIX, SETTINGS, Setting};
use super::targets::{self, Given, HttpTarget, LogTarget, Reasoned, StoreTarget};
use super::{Config, Settings, Source};
use crate::core::breaker::BreakerPolicy;
use crate::core::limits::Limits;
use crate::core::mask;
use crate::core::retry::{Jitter, RetryPolicy};
use crate::core::time::millis;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

/// What settings are made from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The environment: all of it, the variables of others are skipped.
    pub environment: Vec<(OsString, OsString)>,
    /// What flags say: the setting's variable and the value.
    pub flags: Vec<(&'static str, String)>,
    /// Defaults that the command brings along: the setting's variable, the value, and why, for people.
    pub defaults: Vec<(&'static str, String, String)>,
}

/// Reads all settings. An empty variable counts as one that is not there.
///
/// # Errors
/// Every bad value, together.
pub fn load(inputs: &Inputs) -> Result<Config, ConfigFaults> {
    let mut reading = Reading::default();
    reading.environment(&inputs.environment);
    reading.flags(&inputs.flags);
    let mut values = reading.values(&inputs.defaults);
    reading.settle_group(&mut values);
    reading.settle_targets(&mut values);
    if !reading.faults.is_empty() {
        return Err(ConfigFaults(reading.faults));
    }
    let rows = super::report::rows(&values.reasons, &reading.kafka);
    Ok(Config { settings: settings(&values, reading.kafka), rows, warnings: reading.warnings })
}

/// What was given, what is wrong with it, and what looks odd.
#[derive(Default)]
struct Reading {
    given: BTreeMap<&'static str, Given>,
    kafka: Vec<KafkaProperty>,
    faults: Vec<ConfigFault>,
    warnings: Vec<String>,
}

impl Reading {
    fn environment(&mut self, environment: &[(OsString, OsString)]) {
        let mut ours: Vec<(String, &OsString)> = environment
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value)))
            .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
            .collect();
        ours.sort();
        for (name, value) in ours {
            match value.to_str() {
                Some(text) => self.variable(&name, text),
                None => {
                    let value = value.to_string_lossy().into_owned();
                    self.faults.push(ConfigFault { name, value, allowed: "is UTF-8".to_owned() });
                }
            }
        }
        self.faults.extend(kafka::check_login(&self.kafka).err());
    }

    fn variable(&mut self, name: &str, text: &str) {
        if let Some(setting) = table::find(name) {
            let given = Given { by: name.to_owned(), text: text.to_owned(), source: Source::Environment };
            self.given.insert(setting.name, given);
        } else if OF_SCRIPTS.contains(&name) || OF_AGENTS.contains(&name) {
            // Read by `scripts/` and by agents, not by us.
        } else if name.starts_with(KAFKA_PREFIX) {
            match kafka::read(name, text) {
                Ok(property) => self.kafka.push(property),
                Err(fault) => self.faults.push(fault),
            }
        } else {
            self.warnings.push(unknown(name));
        }
    }

    fn flags(&mut self, flags: &[(&'static str, String)]) {
        for (name, text) in flags {
            if let Some(setting) = table::find(name) {
                let by = format!("--{}", setting.flag());
                self.given.insert(setting.name, Given { by, text: text.clone(), source: Source::Flag });
            }
        }
    }

    /// Parses what was given, and the defaults of the rest.
    fn values(&mut self, defaults: &[(&'static str, String, String)]) -> Values {
        let mut values = Values::default();
        for setting in SETTINGS {
            let of_command = defaults.iter().find(|(name, _, _)| *name == setting.name);
            let (text, source) = match (self.given.get(setting.name), of_command) {
                (Some(given), _) => (given.text.clone(), given.source.clone()),
                (None, Some((_, text, why))) => (text.clone(), Source::Follows(why.clone())),
                (None, None) => (setting.default.to_owned(), Source::Default),
            };
            match setting.kind.parse(&text) {
                Some(value) => values.set(setting.name, value, (text, source)),
                None => {
                    let by = self.given.get(setting.name).map_or(setting.name, |given| &given.by);
                    self.faults.push(bad_value(setting, by, &text));
                }
            }
        }
        values
    }

    /// The group is named after the namespace unless somebody names it.
    fn settle_group(&self, values: &mut Values) {
        if let (None, Some(namespace)) = (self.given.get(table::GROUP), self.given.get(table::NAMESPACE)) {
            let group = format!("{}-engine", values.text(table::NAMESPACE));
            values.reason(table::GROUP, (group, Source::Follows(namespace.by.clone())));
        }
    }

    /// Settles what depends on several settings: the two URLs.
    fn settle_targets(&mut self, values: &mut Values) {
        let given = |name| self.given.get(name);
        let (folder, kind, store_url) = (given(table::DATA), given(table::STATE_STORAGE), given(table::STORE_URL));
        let log_default = (table::DEFAULT_LOG_URL.to_owned(), Source::Default);
        let log = targets::settle(given(table::LOG_URL), folder, targets::log_of_folder, log_default);
        let store = targets::settle(store_url, folder, targets::store_of_folder, targets::default_store(kind));
        let mut faults = Vec::new();
        match log {
            Ok(log) => values.reason(table::LOG_URL, log),
            Err(fault) => faults.push(fault),
        }
        match store {
            Ok(store) => {
                let by = match &store.1 {
                    Source::Follows(other) => other.clone(),
                    _ => store_url.map_or(table::STORE_URL, |url| &url.by).to_owned(),
                };
                // A folder given by a flag overrides a kind that only the environment asks for.
                let overridden = by == "--data" && kind.is_some_and(|kind| kind.source == Source::Environment);
                let kind = kind.filter(|_| !overridden);
                if let Err(fault) = targets::check_kind(kind, &store, &by) {
                    faults.push(fault);
                }
                if let Some(target) =
                    StoreTarget::parse(&store.0).filter(|_| kind.is_none() && store.1 != Source::Default)
                {
                    values.reason(table::STATE_STORAGE, (target.kind.as_str().to_owned(), Source::Follows(by)));
                }
                values.reason(table::STORE_URL, store);
            }
            Err(fault) => faults.push(fault),
        }
        // Two URLs that both clash with one folder are one mistake each; a URL that was bad already has its fault.
        faults.retain(|fault| !self.faults.iter().any(|other| other.name == fault.name));
        self.faults.extend(faults);
    }
}

fn bad_value(setting: &Setting, by: &str, text: &str) -> ConfigFault {
    let value = if setting.secret { mask::MASK.to_owned() } else { mask::url(text) };
    let mut allowed = setting.kind.allowed();
    if setting.name == table::STATE_STORAGE && text.trim().eq_ignore_ascii_case("redis") {
        allowed.push_str("; redis comes in a later version");
    }
    let bad = setting.kind.bad_items(text);
    if !bad.is_empty() {
        let bad: Vec<_> = bad.iter().map(|item| format!("{item:?}")).collect();
        allowed.push_str(&format!("; not {}", bad.join(", ")));
    }
    ConfigFault { name: by.to_owned(), value, allowed }
}

/// The warning about a variable that nobody reads, with the nearest one that somebody does.
fn unknown(name: &str) -> String {
    let near = SETTINGS.iter().map(|setting| (strsim::damerau_levenshtein(name, setting.name), setting.name)).min();
    match near {
        // Four typing errors in a name as long as ours are still more likely than another word.
        Some((distance, meant)) if distance <= 4 => {
            format!("{name} is not a setting and is ignored; did you mean {meant}?")
        }
        _ => format!("{name} is not a setting and is ignored; `orchestrator config` lists all"),
    }
}

/// Values by setting, each with its text and source.
#[derive(Default)]
struct Values {
    values: BTreeMap<&'static str, Value>,
    reasons: BTreeMap<&'static str, Reasoned>,
}

impl Values {
    fn set(&mut self, name: &'static str, value: Value, reason: Reasoned) {
        self.values.insert(name, value);
        self.reasons.insert(name, reason);
    }

    fn reason(&mut self, name: &'static str, reason: Reasoned) {
        self.reasons.insert(name, reason);
    }

    fn text(&self, name: &str) -> String {
        self.reasons.get(name).map_or_else(String::new, |(text, _)| text.trim().to_owned())
    }

    fn count(&self, name: &str) -> u64 {
        match self.values.get(name) {
            Some(Value::Count(count)) => *count,
            other => mismatch(name, other),
        }
    }

    fn duration(&self, name: &str) -> Duration {
        match self.values.get(name) {
            Some(Value::Duration(duration)) => *duration,
            other => mismatch(name, other),
        }
    }

    fn retry(&self) -> RetryPolicy {
        let millis = |name| millis(self.duration(name));
        let jitter = self.text(table::RETRY_JITTER);
        RetryPolicy {
            max_retries: u32::try_from(self.count(table::MAX_RETRIES)).unwrap_or(u32::MAX),
            base_delay_ms: millis(table::BASE_RETRY_DELAY),
            exponential_base: match self.values.get(table::RETRY_EXPONENTIAL_BASE) {
                Some(Value::Factor(factor)) => *factor,
                other => mismatch(table::RETRY_EXPONENTIAL_BASE, other),
            },
            max_delay_ms: millis(table::MAX_RETRY_DELAY),
            jitter: Jitter::ALL.into_iter().find(|known| known.as_str() == jitter).unwrap_or(Jitter::Equal),
            max_elapsed_ms: None,
        }
    }

    fn flag(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Value::Bool(flag)) => *flag,
            other => mismatch(name, other),
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.values.get(name) {
            Some(Value::List(list)) => list.clone(),
            other => mismatch(name, other),
        }
    }
}

/// The table gives a setting another kind than the one it is read as: a mistake in this room, found by any test that
/// loads the defaults.
#[allow(clippy::panic, reason = "an invariant between the table and this file, no input can break it")]
fn mismatch(name: &str, found: Option<&Value>) -> ! {
    panic!("the table has {name} as {found:?}")
}

fn settings(values: &Values, kafka: Vec<KafkaProperty>) -> Settings {
    let small = |name| u32::try_from(values.count(name)).unwrap_or(u32::MAX);
    let size = |name| usize::try_from(values.count(name)).unwrap_or(usize::MAX);
    let (log, store) = (values.text(table::LOG_URL), values.text(table::STORE_URL));
    Settings {
        limits: Limits {
            max_agent_calls: small(table::MAX_AGENT_CALLS),
            parallel_threshold: small(table::PARALLEL_THRESHOLD),
            agent_timeout: values.duration(table::AGENT_TIMEOUT),
            retry: values.retry(),
            breaker: BreakerPolicy {
                failure_percent: small(table::BREAKER_FAILURE_PERCENT),
                min_calls: small(table::BREAKER_MIN_CALLS),
                window: values.duration(table::BREAKER_WINDOW),
                open_for: values.duration(table::BREAKER_OPEN),
                probes: small(table::BREAKER_PROBES),
            },
            ..Limits::default()
        },
        log: LogTarget::parse(&log).unwrap_or(LogTarget::Sqlite { path: log.into() }),
        store: StoreTarget::parse(&store).unwrap_or(StoreTarget { kind: super::StoreKind::Sqlite, url: store }),
        schema_registry: Some(values.text(table::SCHEMA_REGISTRY_URL))
            .filter(|url| !url.is_empty())
            .map(|url| HttpTarget { url }),
        namespace: values.text(table::NAMESPACE),
        group: values.text(table::GROUP),
        partitions: small(table::PARTITIONS),
        http_address: match values.values.get(table::HTTP_ADDRESS) {
            Some(Value::Address(address)) => *address,
            other => mismatch(table::HTTP_ADDRESS, other),
        },
        max_request_bytes: size(table::MAX_REQUEST_BYTES),
        max_unfinished: size(table::MAX_UNFINISHED),
        duplicate_window: values.duration(table::DUPLICATE_WINDOW),
        local_agents: values.flag(table::LOCAL_AGENTS),
        worker_concurrency: size(table::WORKER_CONCURRENCY),
        worker_stop_timeout: values.duration(table::WORKER_STOP_TIMEOUT),
        http_agent_hosts: values.list(table::HTTP_AGENT_HOSTS),
        exec_agent_programs: values.list(table::EXEC_AGENT_PROGRAMS),
        journal_timeout: values.duration(table::JOURNAL_TIMEOUT),
        deadline_grace: values.duration(table::DEADLINE_GRACE),
        data: match values.values.get(table::DATA) {
            Some(Value::Folder(folder)) => folder.clone(),
            other => mismatch(table::DATA, other),
        },
        structured_logging: values.flag(table::STRUCTURED_LOGGING),
        log_level: match values.values.get(table::LOG_LEVEL) {
            Some(Value::Level(level)) => *level,
            other => mismatch(table::LOG_LEVEL, other),
        },
        kafka,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_allowed() {
        for setting in SETTINGS {
            assert!(setting.kind.parse(setting.default).is_some(), "{}={:?}", setting.name, setting.default);
        }
        assert!(load(&Inputs::default()).is_ok());
    }

    #[test]
    fn names_near_a_setting_are_recognised() {
        assert!(unknown("ORCHESTRATOR_LOGLEVEL").contains("did you mean ORCHESTRATOR_LOG_LEVEL?"));
        assert!(unknown("ORCHESTRATOR_COFFEE_MACHINE").contains("orchestrator config"));
    }
}
