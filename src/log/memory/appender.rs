//! A handle that appends.

use super::Shared;
use super::world::{Life, Standing};
use crate::core::partition::partition_of;
use crate::log::{Ack, AppendError, Appender, MAX_RECORD_BYTES, NewRecord, Token};

pub(super) struct MemoryAppender {
    pub(super) world: Shared,
    pub(super) life: Life,
    pub(super) id: u64,
    /// Spreads records without key and partition.
    pub(super) turn: u32,
}

fn size_of(record: &NewRecord) -> usize {
    let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    length(&record.key) + length(&record.value) + headers
}

impl Appender for MemoryAppender {
    fn append(&mut self, record: NewRecord, token: Token) -> Result<(), AppendError> {
        let mut world = self.world.lock();
        world.operate(self.life);
        let topic = record.topic.clone();
        let Some(state) = world.topics.get(&topic) else {
            return Err(AppendError::Refused(crate::log::LogError::UnknownTopic(topic.to_string()).to_string()));
        };
        let partitions = state.partitions.len() as u32;
        let size = size_of(&record);
        if size > MAX_RECORD_BYTES {
            let refused = format!("{topic} takes records of {MAX_RECORD_BYTES} bytes; this has {size}");
            return Err(AppendError::Refused(refused));
        }
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of(key, partitions),
            (None, None) => {
                self.turn = self.turn.wrapping_add(1);
                self.turn % partitions
            }
        };
        if partition >= partitions {
            let refused = format!("{topic} has {partitions} partitions; there is no partition {partition}");
            return Err(AppendError::Refused(refused));
        }
        world.append(self.id, (topic, partition), record, token)
    }

    fn poll(&mut self, acks: &mut Vec<Ack>) {
        let mut world = self.world.lock();
        world.operate(self.life);
        world.pump();
        if world.standing(self.life) == Standing::Alive {
            world.take_acks(self.id, acks);
        }
    }

    fn in_flight(&self) -> usize {
        self.world.lock().in_flight(self.id)
    }
}

impl Drop for MemoryAppender {
    fn drop(&mut self) {
        self.world.lock().drop_appender(self.id);
    }
}
