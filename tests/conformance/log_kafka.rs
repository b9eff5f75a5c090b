//! The log trait on a real Kafka: what every implementation promises, and what only Kafka can get wrong.

#![allow(clippy::panic, reason = "helpers of tests, too, end a test by panicking")]

#[path = "log_kafka/appending.rs"]
mod appending;
#[path = "log_kafka/connecting.rs"]
mod connecting;
#[path = "log_kafka/grouping.rs"]
mod grouping;
#[path = "log_kafka/managing.rs"]
mod managing;
#[path = "log_kafka/reading.rs"]
mod reading;

use bytes::Bytes;
use orchestrator::log::kafka::{KafkaLog, KafkaSettings};
use orchestrator::log::{
    Ack, AppendError, Appender, Delivery, Group, GroupEvent, Log, NewRecord, Purpose, Reader, Record, Topic, TopicSpec,
};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The broker that the tests use; none: they are skipped, aloud, because someone asked for it.
pub fn brokers() -> Option<String> {
    match std::env::var("ORCHESTRATOR_TEST_KAFKA") {
        Ok(brokers) => Some(brokers),
        Err(_) if std::env::var("ORCHESTRATOR_TEST_WITHOUT_SERVICES").as_deref() == Ok("1") => {
            eprintln!("SKIPPED: ORCHESTRATOR_TEST_WITHOUT_SERVICES=1 and no ORCHESTRATOR_TEST_KAFKA");
            None
        }
        Err(_) => panic!("ORCHESTRATOR_TEST_KAFKA=host:port is not set; scripts/test brings a broker up and sets it"),
    }
}

/// A log in a namespace of its own, and what it is made with.
struct Fixture {
    log: KafkaLog,
    settings: KafkaSettings,
}

impl Fixture {
    /// None: the tests are to be skipped.
    fn new() -> Option<Self> {
        Self::with(&[])
    }

    /// With settings of librdkafka.
    fn with(properties: &[(&str, &str)]) -> Option<Self> {
        let settings = KafkaSettings {
            brokers: brokers()?,
            namespace: format!("t{:016x}", rand::random::<u64>()),
            client_id: "conformance".into(),
            properties: properties.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..KafkaSettings::default()
        };
        let log = KafkaLog::connect(settings.clone()).expect("the settings are legal");
        Some(Self { log, settings })
    }

    fn topic(self, topic: &Topic, partitions: u32) -> Self {
        self.topic_with(topic, partitions, &[])
    }

    fn topic_with(self, topic: &Topic, partitions: u32, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.log.create_topics(&[TopicSpec { topic: topic.clone(), partitions, settings }]).expect("the topic is made");
        self
    }

    fn name(&self, topic: &Topic) -> String {
        format!("{}.{topic}", self.settings.namespace)
    }

    fn appender(&self, purpose: Purpose) -> Box<dyn Appender> {
        self.log.appender(purpose).expect("an appender")
    }

    fn reader(&self) -> Box<dyn Reader> {
        self.log.reader().expect("a reader")
    }

    /// Appends values to a partition, one after another, and returns their offsets.
    fn write(&self, topic: &Topic, partition: u32, values: impl IntoIterator<Item = String>) -> Vec<u64> {
        write(&mut *self.appender(Purpose::Client), topic, partition, values)
    }

    /// A client of librdkafka's own, for what the trait cannot do.
    fn raw_config(&self) -> rdkafka::ClientConfig {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", &self.settings.brokers);
        config
    }

    /// Deletes the records of a partition below an offset.
    fn delete_below(&self, topic: &Topic, partition: u32, offset: u64) {
        use rdkafka::{
            Offset, TopicPartitionList, admin::AdminClient, admin::AdminOptions, client::DefaultClientContext,
        };
        let admin: AdminClient<DefaultClientContext> = self.raw_config().create().expect("an admin client");
        let mut list = TopicPartitionList::new();
        let place = (self.name(topic), partition.cast_signed(), Offset::Offset(offset.cast_signed()));
        list.add_partition_offset(&place.0, place.1, place.2).expect("a place");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).expect("the records are deleted");
    }
}

fn record(topic: &Topic, partition: Option<u32>, key: Option<&str>, value: &str) -> NewRecord {
    NewRecord {
        topic: topic.clone(),
        partition,
        key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
    }
}

/// Waits until everything under way has ended.
fn acks(appender: &mut dyn Appender) -> Vec<Ack> {
    let mut acks = Vec::new();
    until("all appends have ended", || {
        appender.poll(&mut acks);
        appender.in_flight() == 0
    });
    acks
}

fn write(
    appender: &mut dyn Appender,
    topic: &Topic,
    partition: u32,
    values: impl IntoIterator<Item = String>,
) -> Vec<u64> {
    for (token, value) in values.into_iter().enumerate() {
        appender.append(record(topic, Some(partition), None, &value), token as u64).expect("it is queued");
    }
    let mut acks = acks(appender);
    acks.sort_by_key(|ack| ack.token);
    acks.into_iter().map(|ack| ack.result.expect("it is confirmed").1).collect()
}

/// The end of one append, at once or later.
fn append_one(appender: &mut dyn Appender, record: NewRecord) -> Result<(u32, u64), AppendError> {
    appender.append(record, 7)?;
    let mut acks = acks(appender);
    assert_eq!(acks.len(), 1, "one append has one end: {acks:?}");
    let ack = acks.remove(0);
    assert_eq!(ack.token, 7);
    ack.result
}

/// Waits for a condition by asking for it.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Polls until what came satisfies.
fn read_until(what: &str, reader: &mut dyn Reader, enough: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
    let (began, mut all) = (Instant::now(), Vec::new());
    while !enough(&all) {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}; came: {all:?}");
        reader.poll(Duration::from_millis(100), &mut all).expect("a poll");
    }
    all
}

/// Polls until a partition's end at an offset has come.
fn read_to_end(reader: &mut dyn Reader, topic: &Topic, partition: u32, offset: u64) -> Vec<Delivery> {
    let end = Delivery::End { topic: topic.clone(), partition, offset };
    read_until(&format!("the end of {topic}/{partition} at {offset}"), reader, |all| all.contains(&end))
}

/// What comes while something else is certain to have come: reads a marker partition to its end.
fn read_marker(fixture: &Fixture, reader: &mut dyn Reader, marker: &Topic) -> Vec<Delivery> {
    let offset = fixture.write(marker, 0, ["marker".to_owned()])[0];
    let is_marker = |d: &Delivery| matches!(d, Delivery::Record(r) if r.topic == *marker && r.offset == offset);
    read_until("the marker has come", reader, |all| all.iter().any(is_marker))
}

fn values_of(topic: &Topic, deliveries: &[Delivery]) -> Vec<String> {
    let of = |d: &Delivery| match d {
        Delivery::Record(record) if record.topic == *topic => Some(text(record)),
        _ => None,
    };
    deliveries.iter().filter_map(of).collect()
}

fn text(record: &Record) -> String {
    String::from_utf8(record.value.clone().unwrap_or_default().to_vec()).expect("text")
}

fn numbers(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|n| n.to_string())
}

/// Polls a member until what came satisfies.
fn member_until(what: &str, group: &mut dyn Group, enough: impl Fn(&[GroupEvent]) -> bool) -> Vec<GroupEvent> {
    let (began, mut all) = (Instant::now(), Vec::new());
    while !enough(&all) {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}; came: {all:?}");
        group.poll(Duration::from_millis(100), &mut all).expect("a poll");
    }
    all
}
