//! Hands records to the writer and its acknowledgements back.

use super::headers;
use super::hub::{Hub, TopicInfo};
use super::writer::{Outbox, Write};
use crate::core::partition::partition_of;
use crate::log::{Ack, AppendError, Appender, LogError, NewRecord, Purpose, Token, Topic};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Records that an appender may have under way (librdkafka's default is as many).
const MAX_IN_FLIGHT: usize = 100_000;
/// Bytes that an appender may have under way.
const MAX_BYTES_IN_FLIGHT: usize = 64 << 20;

/// See the module.
pub(super) struct SqliteAppender {
    hub: Arc<Hub>,
    namespace: String,
    outbox: Arc<Outbox>,
    topics: BTreeMap<Topic, TopicInfo>,
    in_flight: usize,
    /// Spreads records without key and partition.
    turn: u32,
}

impl SqliteAppender {
    pub(super) fn new(hub: Arc<Hub>, namespace: String, purpose: Purpose) -> Self {
        let outbox = Arc::new(Outbox::new(purpose));
        Self { hub, namespace, outbox, topics: BTreeMap::new(), in_flight: 0, turn: 0 }
    }

    fn topic(&mut self, topic: &Topic) -> Result<&TopicInfo, AppendError> {
        if !self.topics.contains_key(topic) {
            let name = super::topic_name(&self.namespace, topic);
            let info = self.hub.topic(&name).map_err(|error| match error {
                // The file does not answer at the moment: there is no room until it does.
                LogError::Unreachable { .. } => AppendError::Full,
                refused => AppendError::Refused(refused.to_string()),
            })?;
            let unknown = || AppendError::Refused(LogError::UnknownTopic(name).to_string());
            self.topics.insert(topic.clone(), info.ok_or_else(unknown)?);
        }
        self.topics.get(topic).ok_or(AppendError::Full)
    }

    fn partition(&mut self, record: &NewRecord, partitions: u32) -> Result<u32, AppendError> {
        match (record.partition, &record.key) {
            (Some(partition), _) if partition >= partitions => Err(AppendError::Refused(format!(
                "{} has {partitions} partitions; there is no partition {partition}",
                record.topic
            ))),
            (Some(partition), _) => Ok(partition),
            (None, Some(key)) => Ok(partition_of(key, partitions)),
            (None, None) => {
                self.turn = self.turn.wrapping_add(1);
                Ok(self.turn % partitions.max(1))
            }
        }
    }
}

/// The bytes of a record that count against its topic's limit.
fn size_of(record: &NewRecord) -> usize {
    let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    length(&record.key) + length(&record.value) + headers::size(&record.headers)
}

impl Appender for SqliteAppender {
    fn append(&mut self, record: NewRecord, token: Token) -> Result<(), AppendError> {
        if let Some(reason) = self.outbox.poison.get() {
            return Err(AppendError::Fatal(reason.clone()));
        }
        let size = size_of(&record);
        let &TopicInfo { id, partitions, max_record_bytes } = self.topic(&record.topic)?;
        if size > max_record_bytes {
            let refused = format!("{} takes records of {max_record_bytes} bytes; this has {size}", record.topic);
            return Err(AppendError::Refused(refused));
        }
        let bytes = self.outbox.bytes.load(Ordering::Relaxed);
        if self.in_flight >= MAX_IN_FLIGHT || (self.in_flight > 0 && bytes + size > MAX_BYTES_IN_FLIGHT) {
            return Err(AppendError::Full);
        }
        let to = (id, self.partition(&record, partitions)?);
        let (key, value, headers) = (record.key, record.value, headers::encode(&record.headers));
        let (since, from) = (Instant::now(), Arc::clone(&self.outbox));
        self.outbox.bytes.fetch_add(size, Ordering::Relaxed);
        let write = Write { to, key, value, headers, size, token, since, from };
        self.hub.writes.send(write).map_err(|_| AppendError::Fatal("the writer's thread has ended".to_owned()))?;
        self.in_flight += 1;
        Ok(())
    }

    fn poll(&mut self, acks: &mut Vec<Ack>) {
        let before = acks.len();
        self.outbox.drain(acks);
        self.in_flight -= acks.len() - before;
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }
}
