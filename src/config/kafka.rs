//! What is passed through to librdkafka: `ORCHESTRATOR_KAFKA_SECURITY_PROTOCOL` is its `security.protocol`.

use super::fault::ConfigFault;
use super::table::KAFKA_PREFIX;
use crate::core::mask;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
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

    /// The variable that says it.
    pub fn variable(&self) -> String {
        format!("{KAFKA_PREFIX}{}", self.key.to_ascii_uppercase().replace('.', "_"))
    }

    fn fault(&self, allowed: String) -> ConfigFault {
        ConfigFault { name: self.variable(), value: self.shown().to_owned(), allowed }
    }

    /// Asks librdkafka whether it has this property and takes this value; nothing is connected to.
    fn check(&self) -> Result<(), ConfigFault> {
        match ClientConfig::new().set(&self.key, &self.value).create_native_config() {
            Ok(_) => Ok(()),
            Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
                Err(self.fault(format!("is nothing for `{}`, which is no property of librdkafka", self.key)))
            }
            // What it says may quote the value.
            Err(KafkaError::ClientConfig(_, reason, ..)) if !mask::names_a_secret(&self.key) => {
                Err(self.fault(format!("is what librdkafka takes for `{}`; it says: {reason}", self.key)))
            }
            Err(_) => Err(self.fault(format!("is what librdkafka takes for `{}`", self.key))),
        }
    }
}

impl fmt::Debug for KafkaProperty {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}={}", self.key, self.shown())
    }
}

/// Properties on which safety rests, or that another setting or the program itself says, each with what to do instead.
const NOT_PASSED: [(&str, &str); 28] = [
    ("bootstrap.servers", "ORCHESTRATOR_LOG_URL names the brokers"),
    ("metadata.broker.list", "ORCHESTRATOR_LOG_URL names the brokers"),
    ("group.id", "ORCHESTRATOR_GROUP names the group"),
    ("client.id", OURS),
    ("retries", OURS),
    ("message.send.max.retries", OURS),
    ("message.timeout.ms", OURS),
    ("delivery.timeout.ms", OURS),
    ("group.instance.id", SAFETY),
    ("group.protocol", SAFETY),
    ("partition.assignment.strategy", SAFETY),
    ("auto.commit.enable", SAFETY),
    ("offset.store.method", SAFETY),
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
const OURS: &str = "the program sets it by itself, as it needs it; remove the variable";
const SAFETY: &str = "what the log promises rests on it, so that it can't be set; remove the variable";

/// Reads a variable that begins with [`KAFKA_PREFIX`].
///
/// # Errors
/// Where it names a property that can't be set this way or that there is not, or a value that librdkafka refuses.
pub fn read(variable: &str, value: &str) -> Result<KafkaProperty, ConfigFault> {
    let key = variable.trim_start_matches(KAFKA_PREFIX).to_ascii_lowercase().replace('_', ".");
    let property = KafkaProperty { key, value: value.to_owned() };
    if property.key.is_empty() {
        return Err(property.fault(format!("is {KAFKA_PREFIX}<a property of librdkafka, with _ for .>")));
    }
    match NOT_PASSED.iter().find(|(key, _)| *key == property.key) {
        Some((key, why)) => Err(property.fault(format!("is nothing for librdkafka's `{key}`: {why}"))),
        None => property.check().map(|()| property),
    }
}

/// The ways to log in that this program can go.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// Checks how it is logged in: a mechanism that cannot work would be waited for without a word, or be refused late.
///
/// # Errors
/// Where the mechanism is not one that this program can use, or is missing.
pub fn check_login(properties: &[KafkaProperty]) -> Result<(), ConfigFault> {
    let find = |keys: &[&str]| properties.iter().find(|property| keys.contains(&property.key.as_str()));
    let unsecured = find(&["enable.sasl.oauthbearer.unsecure.jwt"]).is_some_and(|property| property.value == "true");
    let allowed = MECHANISMS.join(", ");
    if let Some(mechanism) = find(&["sasl.mechanism", "sasl.mechanisms"]) {
        let usable = MECHANISMS.contains(&mechanism.value.as_str()) || unsecured && mechanism.value == "OAUTHBEARER";
        let fault = || mechanism.fault(format!("are {allowed}; or leave it out and use a client certificate"));
        return if usable { Ok(()) } else { Err(fault()) };
    }
    match find(&["security.protocol"]) {
        Some(protocol) if protocol.value.to_ascii_lowercase().starts_with("sasl") => Err(protocol.fault(format!(
            "is a SASL protocol only together with {KAFKA_PREFIX}SASL_MECHANISM, which is one of {allowed}"
        ))),
        _ => Ok(()),
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

    #[test]
    fn what_librdkafka_does_not_take_is_refused_by_its_variable() {
        for (variable, value, words) in [
            ("ORCHESTRATOR_KAFKA_LINGER_MSS", "5", "`linger.mss`, which is no property"),
            ("ORCHESTRATOR_KAFKA_LINGER_MS", "soon", "takes for `linger.ms`; it says"),
            ("ORCHESTRATOR_KAFKA_SECURITY_PROTOCOL", "tls", "takes for `security.protocol`"),
        ] {
            let fault = read(variable, value).unwrap_err().to_string();
            assert!(fault.starts_with(&format!("{variable} is {value:?}: allowed is ")), "{fault}");
            assert!(fault.contains(words), "{fault}");
        }
    }

    #[test]
    fn a_login_that_cannot_work_is_refused() {
        let property = |(key, value): &(&str, &str)| KafkaProperty { key: (*key).into(), value: (*value).into() };
        let check = |all: &[(&str, &str)]| check_login(&all.iter().map(property).collect::<Vec<_>>());
        for fine in [
            &[][..],
            &[("security.protocol", "SSL")],
            &[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "SCRAM-SHA-512")],
            &[("sasl.mechanisms", "OAUTHBEARER"), ("enable.sasl.oauthbearer.unsecure.jwt", "true")],
        ] {
            assert_eq!(check(fine), Ok(()), "{fine:?}");
        }
        for bad in [
            &[("security.protocol", "sasl_ssl")][..],
            &[("sasl.mechanism", "GSSAPI")],
            &[("sasl.mechanism", "OAUTHBEARER")],
            &[("sasl.mechanism", "scram-sha-512")],
        ] {
            assert!(check(bad).unwrap_err().allowed.contains("SCRAM-SHA-256"), "{bad:?}");
        }
    }
}
