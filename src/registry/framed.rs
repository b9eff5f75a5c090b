//! A log whose event stream has Confluent's framing, for those who know single-object framing alone.

use super::lookup::Lookup;
use super::{Registry, RegistryError, SchemaIds};
use crate::core::time::Timestamp;
use crate::log::{
    Ack, AppendError, Appender, Delivery, Ends, Group, GroupSeen, Log, LogError, Membership, NewRecord, Purpose,
    Reader, Token, Topic, TopicSpec,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long to wait before a registry that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// A log with another framing of the topic `events`; everything else goes through as it is.
pub struct FramedLog {
    log: Arc<dyn Log>,
    side: Side,
}

enum Side {
    Publishing(Arc<SchemaIds>),
    Reading(Arc<Lookup>),
}

impl FramedLog {
    /// For the engine: what is published to `events` is framed with these ids. Nothing is asked of the registry any
    /// more, and what is read is not touched.
    pub fn publishing(log: Arc<dyn Log>, ids: SchemaIds) -> Self {
        Self { log, side: Side::Publishing(Arc::new(ids)) }
    }

    /// For readers of `events`: records of both framings come in single-object framing.
    pub fn reading(log: Arc<dyn Log>, registry: Registry) -> Self {
        Self { log, side: Side::Reading(Arc::new(Lookup::new(registry))) }
    }

    fn read_by(&self, reader: Box<dyn Reader>) -> Box<dyn Reader> {
        match &self.side {
            Side::Publishing(_) => reader,
            Side::Reading(lookup) => {
                Box::new(UnframingReader { reader, lookup: Arc::clone(lookup), held: VecDeque::new(), waiting: false })
            }
        }
    }
}

impl Log for FramedLog {
    fn appender(&self, purpose: Purpose) -> Result<Box<dyn Appender>, LogError> {
        let appender = self.log.appender(purpose)?;
        Ok(match &self.side {
            Side::Publishing(ids) if purpose == Purpose::Events => {
                Box::new(FramingAppender { appender, ids: Arc::clone(ids) })
            }
            _ => appender,
        })
    }
    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        Ok(self.read_by(self.log.reader()?))
    }
    fn patient_reader(&self) -> Result<Box<dyn Reader>, LogError> {
        Ok(self.read_by(self.log.patient_reader()?))
    }

    fn picker(&self) -> Result<Box<dyn Reader>, LogError> {
        Ok(self.read_by(self.log.picker()?))
    }
    fn group(&self, name: &str, topics: &[Topic], membership: Membership) -> Result<Box<dyn Group>, LogError> {
        self.log.group(name, topics, membership)
    }
    fn look_at_group(&self, name: &str, topic: &Topic) -> Result<GroupSeen, LogError> {
        self.log.look_at_group(name, topic)
    }
    fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError> {
        self.log.ends(topic, partition)
    }
    fn offset_at(&self, topic: &Topic, partition: u32, time: Timestamp) -> Result<u64, LogError> {
        self.log.offset_at(topic, partition, time)
    }
    fn partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError> {
        self.log.partitions(topic)
    }
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.log.create_topics(topics)
    }
    fn topic_settings(&self, topic: &Topic) -> Result<Vec<(String, String)>, LogError> {
        self.log.topic_settings(topic)
    }
    fn brokers(&self) -> Result<u32, LogError> {
        self.log.brokers()
    }
    fn cluster(&self) -> String {
        self.log.cluster()
    }
    fn interruptions(&self) -> u64 {
        self.log.interruptions()
    }
}

struct FramingAppender {
    appender: Box<dyn Appender>,
    ids: Arc<SchemaIds>,
}

impl Appender for FramingAppender {
    fn append(&mut self, mut record: NewRecord, token: Token) -> Result<(), AppendError> {
        if record.topic == Topic::Events {
            record.value = record.value.map(|value| self.ids.frame(value));
        }
        self.appender.append(record, token)
    }
    fn poll(&mut self, acks: &mut Vec<Ack>) {
        self.appender.poll(acks);
    }
    fn in_flight(&self) -> usize {
        self.appender.in_flight()
    }
    fn is_gathering(&self) -> bool {
        self.appender.is_gathering()
    }
}

struct UnframingReader {
    reader: Box<dyn Reader>,
    lookup: Arc<Lookup>,
    /// What was read while the registry did not answer, in order: nothing is handed out past it.
    held: VecDeque<Delivery>,
    /// Whether it was said that the registry is waited for.
    waiting: bool,
}

impl UnframingReader {
    /// Hands out what is held, up to what the registry is needed for and does not answer.
    fn release(&mut self, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        while let Some(first) = self.held.front_mut() {
            if let Delivery::Record(record) = first
                && record.topic == Topic::Events
                && let Some(value) = &record.value
            {
                match self.lookup.single_object(value) {
                    Ok(Some(unframed)) => record.value = Some(unframed),
                    Ok(None) => {}
                    Err(away @ RegistryError::Away { .. }) => {
                        if !std::mem::replace(&mut self.waiting, true) {
                            tracing::warn!("{away}; waiting for it");
                        }
                        return Ok(());
                    }
                    Err(refused) => return Err(LogError::Refused(refused.to_string())),
                }
                self.waiting = false;
            }
            out.extend(self.held.pop_front());
        }
        Ok(())
    }

    fn forget(&mut self, topic: &Topic, partition: u32) {
        self.held.retain(|delivery| delivery.topic() != topic || delivery.partition() != partition);
    }
}

impl Reader for UnframingReader {
    fn assign(&mut self, topic: &Topic, partition: u32, offset: u64) -> Result<(), LogError> {
        self.forget(topic, partition);
        self.reader.assign(topic, partition, offset)
    }
    fn unassign(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.forget(topic, partition);
        self.reader.unassign(topic, partition)
    }
    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.reader.pause(topic, partition)
    }
    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.reader.resume(topic, partition)
    }
    fn poll(&mut self, wait: Duration, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        if self.held.is_empty() {
            let mut read = Vec::new();
            self.reader.poll(wait, &mut read)?;
            self.held.extend(read);
        } else {
            thread::sleep(wait.min(AGAIN));
        }
        self.release(out)
    }
}
