//! What a connection to Kafka can be told, and what it sets by itself.

use super::super::{LogError, Purpose};
use rdkafka::ClientConfig;
use std::collections::BTreeMap;
use std::time::Duration;

/// The largest record: what `init` allows a topic's record batch to have (8 MiB), and room for its frame.
const MAX_MESSAGE_BYTES: u32 = 8 * 1024 * 1024 + 64 * 1024;

/// How long a [`Purpose::Effects`] or [`Purpose::Client`] record is tried.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long, in milliseconds, and for how many bytes the broker gathers for a reader on whom nobody waits. A fetch
/// costs the broker some 100 µs, whatever it brings.
const PATIENT_WAIT_MS: &str = "50";
const PATIENT_BYTES: &str = "1048576";

/// What a reader of single records fetches at a time, in bytes: a step and those around it. A larger one comes whole.
const PICKED_BYTES: &str = "65536";

/// How long a publication waits for others, in milliseconds.
const EVENTS_LINGER_MS: &str = "5";

/// Settings that safety rests on or that the connection sets by itself, each with the reason why it is not passed on.
const KEPT: &[(&str, &str)] = &[
    ("bootstrap.servers", "the brokers have a setting of their own"),
    ("metadata.broker.list", "the brokers have a setting of their own"),
    ("client.id", "the client id has a setting of its own"),
    ("enable.idempotence", "a step that is appended twice out of order would break the journal"),
    ("enable.gapless.guarantee", "the event stream must not have gaps"),
    ("transactional.id", "appenders do not use transactions"),
    ("acks", "a record counts when all replicas in sync have it"),
    ("request.required.acks", "a record counts when all replicas in sync have it"),
    ("retries", "a delivery ends by its timeout alone"),
    ("message.send.max.retries", "a delivery ends by its timeout alone"),
    ("message.timeout.ms", "the timeout belongs to the purpose of an appender"),
    ("delivery.timeout.ms", "the timeout belongs to the purpose of an appender"),
    ("partitioner", "a workflow lives in the partition that murmur2 of its id names"),
    ("isolation.level", "only committed records are read"),
    ("enable.auto.commit", "positions are committed by whoever has handled the records"),
    ("auto.commit.enable", "positions are committed by whoever has handled the records"),
    ("enable.auto.offset.store", "positions are committed by whoever has handled the records"),
    ("offset.store.method", "positions are committed to the brokers"),
    ("auto.offset.reset", "a lost position must be reported, never reset in silence"),
    ("enable.partition.eof", "readers are told where a partition ends"),
    ("group.id", "the group has a setting of its own"),
    ("group.instance.id", "a member that starts again must not inherit a generation"),
    ("group.protocol", "the members of a group must agree on it"),
    ("partition.assignment.strategy", "the members of a group must agree on it"),
    ("allow.auto.create.topics", "`orchestrator init` creates the topics"),
];

/// How to reach Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// The brokers to begin with: `host:port`, separated by commas.
    pub brokers: String,
    /// The prefix of all topics: `<namespace>.<topic>`. Letters, digits, `.`, `_` and `-`.
    pub namespace: String,
    /// What this process is called in the brokers' logs.
    pub client_id: String,
    /// How long a record of the journal is tried before it counts as unconfirmed.
    pub journal_timeout: Duration,
    /// Any other setting of librdkafka by its name, e.g. `security.protocol`.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".into(),
            namespace: "orchestrator".into(),
            client_id: "orchestrator".into(),
            journal_timeout: Duration::from_secs(10),
            properties: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    /// Says what is wrong with the settings, before anything is tried with them.
    pub(super) fn check(&self) -> Result<(), LogError> {
        if self.brokers.trim().is_empty() {
            return Err(LogError::Refused("no Kafka broker is named: expected host:port, separated by commas".into()));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.namespace.is_empty() || self.namespace.len() > 100 || !self.namespace.chars().all(legal) {
            return Err(LogError::Refused(format!(
                "the topic namespace {:?} is not legal: 1 to 100 letters, digits, '.', '_' or '-'",
                self.namespace
            )));
        }
        self.check_mechanism()?;
        let kept = KEPT.iter().filter(|(name, _)| self.properties.contains_key(*name));
        let refused: Vec<String> = kept.map(|(name, reason)| format!("`{name}` ({reason})")).collect();
        if refused.is_empty() {
            return Ok(());
        }
        Err(LogError::Refused(format!(
            "these Kafka settings cannot be changed, leave them out: {}",
            refused.join(", ")
        )))
    }

    /// Librdkafka would wait without a word for a token that nobody brings.
    fn check_mechanism(&self) -> Result<(), LogError> {
        let set = |names: &[&str]| names.iter().find_map(|name| self.properties.get(*name).map(String::as_str));
        let bearer = set(&["sasl.mechanism", "sasl.mechanisms"]).is_some_and(|m| m.eq_ignore_ascii_case("OAUTHBEARER"));
        let unsecured = set(&["enable.sasl.oauthbearer.unsecure.jwt"]) == Some("true");
        if bearer && !unsecured {
            return Err(LogError::Refused(
                "`sasl.mechanism` OAUTHBEARER needs tokens from a provider, which this program does not fetch: use \
                 PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or a client certificate"
                    .into(),
            ));
        }
        Ok(())
    }

    /// What every client has in common; the pass-through settings lie over our defaults.
    fn common(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in COMMON.iter().chain(defaults) {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers).set("client.id", &self.client_id);
        config.set("allow.auto.create.topics", "false");
        config
    }

    /// For an appender.
    pub(super) fn producer(&self, purpose: Purpose) -> ClientConfig {
        let mut config = self.common(PRODUCER);
        let timeout = match purpose {
            Purpose::Journal => self.journal_timeout,
            Purpose::Effects | Purpose::Client => DELIVERY_TIMEOUT,
            // Tried until it lands: 0 is without end.
            Purpose::Events => Duration::ZERO,
        };
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", timeout.as_millis().to_string());
        if purpose == Purpose::Events {
            config.set("enable.gapless.guarantee", "true");
            // No workflow waits for its publication: a few milliseconds make one request of many.
            config.set("queue.buffering.max.ms", EVENTS_LINGER_MS);
        }
        config
    }

    /// For a reader, and for questions: without a group.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.common(CONSUMER);
        config
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true");
        config
    }

    /// For a reader on whom nobody waits: fewer and larger fetches.
    pub(super) fn patient_reader(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("fetch.wait.max.ms", PATIENT_WAIT_MS).set("fetch.min.bytes", PATIENT_BYTES);
        config
    }

    /// For a reader of single records: whatever is fetched beyond one has to arrive before the next can be asked for.
    pub(super) fn picker(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("fetch.message.max.bytes", PICKED_BYTES).set("queued.min.messages", "1");
        config
    }

    /// For a member of a group.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.reader();
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "false")
            // Partitions that stay with a member are not taken from it when another one comes or goes: the engine
            // would have to drop and recover every one of them.
            .set("partition.assignment.strategy", "cooperative-sticky");
        config
    }
}

/// Defaults of ours for every client.
const COMMON: &[(&str, &str)] = &[
    ("socket.nagle.disable", "true"),
    ("socket.keepalive.enable", "true"),
    // A broker that does not answer is noticed after this; also the limit of one request.
    ("socket.timeout.ms", "10000"),
    // A broker that is back is found within a second.
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    // A topic that was created a moment ago may be unknown to a broker that lags behind.
    ("topic.metadata.propagation.max.ms", "5000"),
    ("topic.metadata.refresh.interval.ms", "60000"),
    ("topic.metadata.refresh.fast.interval.ms", "50"),
    ("log.connection.close", "false"),
];

/// Defaults of ours for appenders.
const PRODUCER: &[(&str, &str)] = &[
    // No linger: batches form by themselves while a request is under way.
    ("queue.buffering.max.ms", "0"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "131072"),
    ("message.max.bytes", const_format(MAX_MESSAGE_BYTES)),
    ("retry.backoff.ms", "50"),
];

/// Defaults of ours for readers.
const CONSUMER: &[(&str, &str)] = &[
    // Data is sent at once; this bounds how long a partition that is added waits behind a fetch without data, and
    // how far a reader lags behind the end of someone's transaction.
    ("fetch.wait.max.ms", "50"),
    ("fetch.min.bytes", "1"),
    // The default (1 s) would hold a reader back that has reached its limit of records or bytes.
    ("fetch.queue.backoff.ms", "10"),
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "16384"),
    ("message.max.bytes", const_format(MAX_MESSAGE_BYTES)),
    ("fetch.error.backoff.ms", "100"),
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "3000"),
    // A member that does not poll for this long gives its partitions up.
    ("max.poll.interval.ms", "60000"),
];

/// The one number above as the text that librdkafka wants.
const fn const_format(bytes: u32) -> &'static str {
    assert!(bytes == 8_454_144, "the text says the same as the number");
    "8454144"
}
