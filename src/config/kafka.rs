//! What is passed through to librdkafka: `ORCHESTRATOR_KAFKA_SECURITY_PROTOCOL` is its `security.protocol`.

use super::fault::ConfigFault;
use super::mask;
use super::table::KAFKA_PREFIX;
use std::fmt;

/// A property of librdkafka.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaProperty {
    /// Its name, e.g. `security.protocol`.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl KafkaProperty {
    /// The value as it may be shown.
    pub fn shown(&self) -> &str {
        if mask::names_a_secret(&self.key) { mask::MASK } else { &self.value }
    }
}

impl fmt::Debug for KafkaProperty {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}={}", self.key, self.shown())
    }
}

/// Properties on which safety rests, or that another setting says, each with what to do instead.
const NOT_PASSED: [(&str, &str); 18] = [
    ("bootstrap.servers", "ORCHESTRATOR_LOG_URL names the brokers"),
    ("metadata.broker.list", "ORCHESTRATOR_LOG_URL names the brokers"),
    ("group.id", "ORCHESTRATOR_GROUP names the group"),
    ("acks", SAFETY),
    ("request.required.acks", SAFETY),
    ("enable.idempotence", SAFETY),
    ("enable.gapless.guarantee", SAFETY),
    ("transactional.id", SAFETY),
    ("max.in.flight", SAFETY),
    ("max.in.flight.requests.per.connection", SAFETY),
    ("isolation.level", SAFETY),
    ("enable.partition.eof", SAFETY),
    ("enable.auto.commit", SAFETY),
    ("enable.auto.offset.store", SAFETY),
    ("auto.offset.reset", SAFETY),
    ("partitioner", SAFETY),
    ("allow.auto.create.topics", SAFETY),
    ("check.crcs", SAFETY),
];
const SAFETY: &str = "what the log promises rests on it, so that it can't be set; remove the variable";

/// Reads a variable that begins with [`KAFKA_PREFIX`].
///
/// # Errors
/// Where it names a property that can't be set this way.
pub fn read(variable: &str, value: &str) -> Result<KafkaProperty, ConfigFault> {
    let key = variable.trim_start_matches(KAFKA_PREFIX).to_ascii_lowercase().replace('_', ".");
    let property = KafkaProperty { key, value: value.to_owned() };
    let fault =
        |allowed: String| ConfigFault { name: variable.to_owned(), value: property.shown().to_owned(), allowed };
    if property.key.is_empty() {
        return Err(fault(format!("is {KAFKA_PREFIX}<a property of librdkafka, with _ for .>")));
    }
    match NOT_PASSED.iter().find(|(key, _)| *key == property.key) {
        Some((key, why)) => Err(fault(format!("is nothing for librdkafka's `{key}`: {why}"))),
        None => Ok(property),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_librdkafka() {
        let property = read("ORCHESTRATOR_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512").unwrap();
        assert_eq!((property.key.as_str(), property.shown()), ("sasl.mechanism", "SCRAM-SHA-512"));
    }

    #[test]
    fn secrets_are_never_shown() {
        let property = read("ORCHESTRATOR_KAFKA_SSL_KEY_PASSWORD", "hunter2").unwrap();
        assert!(!format!("{property:?}{}", property.shown()).contains("hunter2"));
    }

    #[test]
    fn what_safety_rests_on_cannot_be_overridden() {
        for variable in ["ORCHESTRATOR_KAFKA_ACKS", "ORCHESTRATOR_KAFKA_BOOTSTRAP_SERVERS", "ORCHESTRATOR_KAFKA_"] {
            assert!(read(variable, "1").is_err(), "{variable}");
        }
    }
}
