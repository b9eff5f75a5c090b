//! The log on Kafka.
//!
//! | part | librdkafka client | file |
//! |---|---|---|
//! | appender | an idempotent producer each | `appender.rs` |
//! | reader | a consumer without a group; partitions started and stopped one by one | `reader.rs` |
//! | group | a subscribed consumer, cooperative-sticky | `group.rs`, `member.rs` |
//! | questions | one consumer without a group for the whole log | `control.rs`, `admin.rs` |
//!
//! A broker that is away is waited for: `watch.rs` says so once, and says when it is back; `lifeline.rs` keeps clients from
//! losing their brokers for good. `raw/` is the only place
//! here with `unsafe`.

mod admin;
mod appender;
mod complaint;
mod control;
mod faults;
mod gather;
mod group;
mod lifeline;
mod member;
mod names;
mod raw;
mod reader;
mod record;
mod settings;
mod watch;

pub use settings::KafkaSettings;

use super::{Appender, Ends, Group, GroupSeen, Log, LogError, Membership, Purpose, Reader, Topic, TopicSpec};
use crate::core::time::Timestamp;
use control::{ANSWER, Asker};
use names::Names;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use std::sync::{Arc, OnceLock};
use watch::{Context, Control, Watch};

/// A connection to Kafka. Made without waiting for a broker.
pub struct KafkaLog {
    settings: KafkaSettings,
    names: Names,
    asker: Asker,
    cluster: OnceLock<String>,
}

impl KafkaLog {
    /// Checks the settings and begins to connect; does not wait for it.
    ///
    /// # Errors
    /// `Refused` for settings that are not legal, that librdkafka does not know, or that safety rests on.
    pub fn connect(settings: KafkaSettings) -> Result<Self, LogError> {
        settings.check()?;
        let names = Names::new(&settings.namespace);
        let watch = Watch::new(settings.brokers.clone(), names.name(&Topic::Definitions));
        let control = Control::new(client(settings.reader(), Context(Arc::clone(&watch)))?).ok_or_else(no_queue)?;
        let asker = Asker::new(control, watch, &settings.brokers);
        Ok(Self { settings, names, asker, cluster: OnceLock::new() })
    }

    fn reader_with(&self, config: ClientConfig) -> Result<Box<dyn Reader>, LogError> {
        let fetcher = raw::Fetcher::new(client(config, self.context())?).ok_or_else(no_queue)?;
        Ok(Box::new(reader::KafkaReader::new(fetcher, self.asker.clone(), self.names.clone())))
    }

    fn context(&self) -> Context {
        Context(Arc::clone(self.asker.watch()))
    }
}

/// Makes a client. Its log lines cost nothing unless someone listens.
fn client<C, T: FromClientConfigAndContext<C>>(mut config: ClientConfig, context: C) -> Result<T, LogError>
where
    C: rdkafka::ClientContext,
{
    let listening = tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG);
    config.set_log_level(if listening { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Emerg });
    config.create_with_context(context).map_err(|error| faults::setting_error(&error))
}

fn no_queue() -> LogError {
    LogError::Refused("librdkafka gave no event queue: out of memory".into())
}

impl Log for KafkaLog {
    fn appender(&self, purpose: Purpose) -> Result<Box<dyn Appender>, LogError> {
        let producer = client(self.settings.producer(purpose), self.context())?;
        let made = appender::KafkaAppender::new(producer, purpose, self.names.clone(), self.asker.clone());
        Ok(Box::new(made.ok_or_else(no_queue)?))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        self.reader_with(self.settings.reader())
    }

    fn patient_reader(&self) -> Result<Box<dyn Reader>, LogError> {
        self.reader_with(self.settings.patient_reader())
    }

    fn picker(&self) -> Result<Box<dyn Reader>, LogError> {
        self.reader_with(self.settings.picker())
    }

    fn group(&self, name: &str, topics: &[Topic], membership: Membership) -> Result<Box<dyn Group>, LogError> {
        let context = member::MemberContext::new(self.context());
        let consumer = client(self.settings.member(name), context)?;
        let joined = group::KafkaGroup::join(consumer, topics, membership, self.asker.clone(), self.names.clone())?;
        Ok(Box::new(joined))
    }

    fn look_at_group(&self, name: &str, topic: &Topic) -> Result<GroupSeen, LogError> {
        self.asker.group(name, &self.names.name(topic))
    }

    fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError> {
        let name = self.names.name(topic);
        match i32::try_from(partition) {
            Ok(partition) => self.asker.ends(&name, partition, ANSWER),
            Err(_) => Err(LogError::UnknownTopic(format!("{name} (partition {partition})"))),
        }
    }

    fn offset_at(&self, topic: &Topic, partition: u32, time: Timestamp) -> Result<u64, LogError> {
        let name = self.names.name(topic);
        match i32::try_from(partition) {
            Ok(partition) => self.asker.offset_at(&name, partition, time.as_millis(), ANSWER),
            Err(_) => Err(LogError::UnknownTopic(format!("{name} (partition {partition})"))),
        }
    }

    fn partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError> {
        self.asker.partitions(&self.names.name(topic), ANSWER)
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        let admin: AdminClient<Context> = client(self.settings.reader(), self.context())?;
        admin::create(&admin, &self.asker, &self.names, topics)
    }

    fn topic_settings(&self, topic: &Topic) -> Result<Vec<(String, String)>, LogError> {
        let admin: AdminClient<Context> = client(self.settings.reader(), self.context())?;
        admin::settings(&admin, &self.asker, &self.names.name(topic))
    }

    fn brokers(&self) -> Result<u32, LogError> {
        self.asker.brokers(&self.names.name(&Topic::Definitions))
    }

    fn interruptions(&self) -> u64 {
        self.asker.watch().recoveries()
    }

    fn cluster(&self) -> String {
        if let Some(known) = self.cluster.get() {
            return known.clone();
        }
        match self.asker.cluster() {
            Some(id) => self.cluster.get_or_init(|| id).clone(),
            None => self.settings.brokers.clone(),
        }
    }
}
