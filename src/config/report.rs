//! Showing settings: as rows for people and programs, and as `docs/configuration.md`.

use super::Source;
use super::kafka::KafkaProperty;
use super::table::{self, SETTINGS, Setting};
use super::targets::Reasoned;
use crate::core::mask;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A setting as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The variable.
    pub name: String,
    /// The flag, with dashes; none: only the environment says it.
    pub flag: Option<String>,
    /// The value, secrets masked.
    pub value: String,
    /// Where it came from.
    pub source: Source,
    /// The default, secrets masked.
    pub default: String,
    /// What is allowed.
    pub allowed: String,
    /// What it means.
    pub meaning: String,
}

pub(super) fn rows(reasons: &BTreeMap<&'static str, Reasoned>, kafka: &[KafkaProperty]) -> Vec<Row> {
    let of_table = SETTINGS.iter().map(|setting| {
        let (text, source) = reasons.get(setting.name).cloned().unwrap_or_default();
        Row {
            name: setting.name.to_owned(),
            flag: Some(format!("--{}", setting.flag())),
            value: shown(setting, &text),
            source,
            default: shown(setting, setting.default),
            allowed: setting.kind.allowed(),
            meaning: setting.meaning.to_owned(),
        }
    });
    let passed = kafka.iter().map(|property| Row {
        name: property.variable(),
        flag: None,
        value: property.shown().to_owned(),
        source: Source::Environment,
        default: String::new(),
        allowed: "is what librdkafka allows".to_owned(),
        meaning: format!("Passed through to librdkafka as `{}`.", property.key),
    });
    of_table.chain(passed).collect()
}

fn shown(setting: &Setting, text: &str) -> String {
    match setting.secret && !text.is_empty() {
        true => mask::MASK.to_owned(),
        false => mask::url(text),
    }
}

const HEAD: &str = "\
# Configuration

<!-- Made by `orchestrator config --markdown`; a test holds it. Change src/config/table.rs, then make it again. -->

Every setting is a variable of the environment and a flag of every command: `ORCHESTRATOR_LOG_URL` is `--log-url`. A
flag beats the environment, the environment beats the default, an empty variable counts as one that is not there.
A bad value stops the start; all bad ones are reported together, each with what is allowed. A variable that begins with
`ORCHESTRATOR_` and is not a setting is warned about. `orchestrator config` prints every setting with its value and
where it came from, secrets masked.

";

const KAFKA: &str = "\
## Settings of the Kafka client

`ORCHESTRATOR_KAFKA_*` passes any property of librdkafka through, with `_` for `.`: TLS and SASL, for example, are

```sh
export ORCHESTRATOR_KAFKA_SECURITY_PROTOCOL=SASL_SSL      # security.protocol
export ORCHESTRATOR_KAFKA_SASL_MECHANISM=SCRAM-SHA-512    # sasl.mechanism
export ORCHESTRATOR_KAFKA_SASL_USERNAME=orchestrator      # sasl.username
export ORCHESTRATOR_KAFKA_SASL_PASSWORD=...               # sasl.password, never shown
```

Properties on which safety rests (`acks`, `enable.idempotence`, `isolation.level`, `partitioner` and their like) and
those that other settings say (`bootstrap.servers`, `group.id`) are refused, and so are names that librdkafka does not
know and values that it does not take. The mechanisms are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
";

/// `docs/configuration.md`.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| variable | flag | default | allowed | meaning |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = match setting.default {
            "" => "none".to_owned(),
            text => format!("`{}`", mask::url(text)),
        };
        let (flag, allowed) = (setting.flag(), sentence(&setting.kind.allowed()));
        let meaning = setting.meaning.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | `--{flag}` | {default} | {allowed} | {meaning} |", setting.name);
    }
    page.push('\n');
    page.push_str(KAFKA);
    let _ = write!(
        page,
        "\nThe scripts read variables of their own, which the program knows and skips: {}.\n",
        table::OF_SCRIPTS.map(|name| format!("`{name}`")).join(", ")
    );
    page
}

/// What is said after "allowed", as a cell by itself.
fn sentence(allowed: &str) -> String {
    let text = allowed.trim_start_matches("is ").trim_start_matches("are ");
    text.replace('|', "\\|")
}
