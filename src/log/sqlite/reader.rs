//! Reads partitions: asks the bulletin what is new, and the file only where something is.

use super::bulletin::PartitionId;
use super::connection::{Connection, Fault};
use super::{headers, hub::Hub, schema};
use crate::core::time::Timestamp;
use crate::log::{Delivery, LogError, Reader, Record, Topic};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records that one query hands out.
const BATCH_RECORDS: i64 = 1_000;
/// Bytes that one query hands out (but always one record).
const BATCH_BYTES: i64 = 4 << 20;
/// Records that one poll hands out before it returns to its caller, give or take a batch.
const POLL_RECORDS: usize = 4_000;
/// Between two attempts after a fault.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Sizes are summed up first, so that a batch of large records does not fill the memory.
const READ: &str = "\
    SELECT pos, time, key, headers, value FROM log_records WHERE topic = ?1 AND part = ?2 AND pos >= ?3 AND pos <= (\
        SELECT max(pos) FROM (\
            SELECT pos, sum(size) OVER (ORDER BY pos ROWS UNBOUNDED PRECEDING) - size AS before FROM (\
                SELECT pos, size FROM log_records WHERE topic = ?1 AND part = ?2 AND pos >= ?3 ORDER BY pos LIMIT ?4\
            )\
        ) WHERE before < ?5\
    ) ORDER BY pos";

type Row = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

struct Part {
    topic: Topic,
    partition: u32,
    id: PartitionId,
    next: u64,
    paused: bool,
    /// Whether `next` was found within the partition's ends.
    checked: bool,
    /// Whether `End` was said at `next`.
    ended: bool,
}

/// See the module.
pub(super) struct SqliteReader {
    hub: Arc<Hub>,
    namespace: String,
    connection: Option<Connection>,
    parts: Vec<Part>,
    /// The partition to begin with, so that a busy one does not starve the others.
    turn: usize,
    complained: bool,
}

impl SqliteReader {
    pub(super) fn new(hub: Arc<Hub>, namespace: String) -> Result<Self, LogError> {
        hub.watch()?;
        let connection = Some(hub.connect()?);
        Ok(Self { hub, namespace, connection, parts: vec![], turn: 0, complained: false })
    }

    fn part(&mut self, topic: &Topic, partition: u32) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.partition == partition && part.topic == *topic)
    }

    fn set_paused(&mut self, topic: &Topic, partition: u32, paused: bool) -> Result<(), LogError> {
        let unassigned = || LogError::Refused(format!("{topic}[{partition}] is not being read; assign it first"));
        self.part(topic, partition).ok_or_else(unassigned)?.paused = paused;
        Ok(())
    }

    /// Hands out what is there now. Waits out operating faults for a moment.
    pub(super) fn pass(&mut self, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        let count = self.parts.len();
        let enough = out.len() + POLL_RECORDS;
        self.turn = if count == 0 { 0 } else { (self.turn + 1) % count };
        for i in 0..count {
            let part = &mut self.parts[(self.turn + i) % count];
            let connection = match &mut self.connection {
                Some(connection) => Ok(connection),
                None => Connection::open(&self.hub.path).map(|new| self.connection.insert(new)),
            };
            match connection.and_then(|connection| part.read(connection, &self.hub, out)) {
                Ok(()) => self.complained = false,
                Err(fault) => return self.failed(fault),
            }
            if out.len() >= enough {
                break;
            }
        }
        Ok(())
    }

    fn failed(&mut self, fault: Fault) -> Result<(), LogError> {
        self.connection = None;
        if !fault.may_heal {
            return Err(fault.at(&self.hub.at));
        }
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(file = self.hub.at, reason = fault.reason, "cannot read records");
        }
        std::thread::sleep(RETRY_PAUSE);
        Ok(())
    }
}

impl Part {
    fn read(&mut self, connection: &mut Connection, hub: &Hub, out: &mut Vec<Delivery>) -> Result<(), Fault> {
        if self.paused {
            return Ok(());
        }
        if !self.checked {
            self.check(connection, hub, out)?;
        }
        let high = hub.bulletin.high(self.id);
        if self.next < high {
            self.read_batch(connection, hub, out)?;
        }
        if self.next >= high && !self.ended {
            self.ended = true;
            out.push(Delivery::End { topic: self.topic.clone(), partition: self.partition, offset: self.next });
        }
        Ok(())
    }

    /// Goes on at the first offset that is there where the wanted one is not.
    fn check(&mut self, connection: &mut Connection, hub: &Hub, out: &mut Vec<Delivery>) -> Result<(), Fault> {
        let ends = schema::ends(connection, self.id)?;
        hub.bulletin.post([(self.id, ends.high)]);
        if self.next < ends.low || self.next > ends.high {
            let (topic, partition, wanted) = (self.topic.clone(), self.partition, self.next);
            out.push(Delivery::Lost { topic, partition, wanted, low: ends.low, high: ends.high });
            self.next = ends.low;
            self.ended = false;
        }
        self.checked = true;
        Ok(())
    }

    fn read_batch(&mut self, connection: &mut Connection, hub: &Hub, out: &mut Vec<Delivery>) -> Result<(), Fault> {
        let (id, next) = (self.id, self.next.cast_signed());
        let rows: Vec<Row> = connection.run(async |c| {
            let query = sqlx::query_as(READ).bind(id.0).bind(id.1).bind(next);
            query.bind(BATCH_RECORDS).bind(BATCH_BYTES).fetch_all(c).await
        })?;
        if rows.first().is_none_or(|row| row.0 != next) {
            // Offsets have no holes: what was to come next has been deleted meanwhile.
            self.check(connection, hub, out)?;
        }
        let from = self.next;
        for row in rows.into_iter().skip_while(|row| row.0.cast_unsigned() < from) {
            let record = self.record(row)?;
            self.next = record.offset + 1;
            self.ended = false;
            out.push(Delivery::Record(record));
        }
        Ok(())
    }

    fn record(&self, (offset, time, key, headers, value): Row) -> Result<Record, Fault> {
        let damaged = || Fault {
            may_heal: false,
            reason: format!("the headers of {}[{}] at {offset} are damaged", self.topic, self.partition),
        };
        Ok(Record {
            topic: self.topic.clone(),
            partition: self.partition,
            offset: offset.cast_unsigned(),
            time: Timestamp(time),
            key: key.map(Bytes::from),
            value: value.map(Bytes::from),
            headers: headers::decode(headers).ok_or_else(damaged)?,
        })
    }
}

impl Reader for SqliteReader {
    fn assign(&mut self, topic: &Topic, partition: u32, offset: u64) -> Result<(), LogError> {
        let id = self.hub.partition(&super::topic_name(&self.namespace, topic), partition)?;
        self.unassign(topic, partition)?;
        let (topic, next) = (topic.clone(), offset.min(i64::MAX.cast_unsigned()));
        self.parts.push(Part { topic, partition, id, next, paused: false, checked: false, ended: false });
        Ok(())
    }

    fn unassign(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.parts.retain(|part| part.partition != partition || part.topic != *topic);
        Ok(())
    }

    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.set_paused(topic, partition, true)
    }

    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.set_paused(topic, partition, false)
    }

    fn poll(&mut self, wait: Duration, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        let deadline = super::deadline(wait);
        let before = out.len();
        loop {
            let version = self.hub.bulletin.version();
            self.pass(out)?;
            if out.len() > before || Instant::now() >= deadline {
                return Ok(());
            }
            self.hub.bulletin.wait(version, deadline);
        }
    }
}
