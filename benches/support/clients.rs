//! Plain clients of rdkafka, with the settings that the orchestrator's own have where latency is concerned
//! (`src/log/kafka/settings.rs`).

use super::wait;
use anyhow::{Result, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// How long a question to the broker may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("socket.nagle.disable", "true");
    config
}

/// As the orchestrator's topics and clients have it.
const MAX_MESSAGE_BYTES: &str = "8388608";

/// An idempotent producer without linger.
pub fn producer(brokers: &str) -> Result<BaseProducer> {
    let mut config = config(brokers);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.ms", "0")
        // Of librdkafka's own accord it is less than a payload of 1 MB with its key.
        .set("message.max.bytes", MAX_MESSAGE_BYTES);
    Ok(config.create()?)
}

/// A consumer that reads whole topics from where they end now.
pub fn consumer(brokers: &str, topics: &[&str], partitions: u32) -> Result<BaseConsumer> {
    let mut config = config(brokers);
    config
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.min.bytes", "1")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "16384");
    let consumer: BaseConsumer = config.create()?;
    let mut places = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..i32::try_from(partitions)? {
            // A topic that was made a moment ago has no leader yet.
            let ask = || Ok(consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN).ok());
            let ((_, end), _) = wait::until(topic, ANSWER_WITHIN, ask)?;
            places.add_partition_offset(topic, partition, Offset::Offset(end))?;
        }
    }
    consumer.assign(&places)?;
    Ok(consumer)
}

/// The end of a partition.
pub fn end_of(consumer: &BaseConsumer, topic: &str, partition: u32) -> Result<u64> {
    let (_, end) = consumer.fetch_watermarks(topic, i32::try_from(partition)?, ANSWER_WITHIN)?;
    Ok(u64::try_from(end)?)
}

/// The next record, if there is one within `wait`.
pub fn next<'c>(consumer: &'c BaseConsumer, wait: Duration) -> Result<Option<BorrowedMessage<'c>>> {
    Ok(consumer.poll(wait).transpose()?)
}

/// Sends a record to a partition.
pub fn send(producer: &BaseProducer, topic: &str, partition: i32, value: &[u8]) -> Result<()> {
    loop {
        let record: BaseRecord<(), [u8]> = BaseRecord::to(topic).partition(partition).payload(value);
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                producer.poll(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Creates topics, as far as they are not there yet.
pub fn create_topics(brokers: &str, topics: &[&str], partitions: u32) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create()?;
    let count = i32::try_from(partitions)?;
    let new: Vec<_> = topics
        .iter()
        .map(|topic| {
            NewTopic::new(topic, count, TopicReplication::Fixed(1))
                .set("message.timestamp.type", "LogAppendTime")
                .set("max.message.bytes", MAX_MESSAGE_BYTES)
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let made = runtime.block_on(admin.create_topics(&new, &AdminOptions::new()))?;
    for topic in made {
        match topic {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => bail!("topic {name} can't be made: {code}"),
        }
    }
    Ok(())
}
