//! One thread a process that writes all records: one transaction for everything that has come meanwhile.

use super::bulletin::{Bulletin, PartitionId};
use super::connection::{Connection, Fault, now_us};
use super::retention;
use crate::log::{Ack, AppendError, Purpose, Token};
use bytes::Bytes;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// At most this many records a transaction: other processes wait for it.
const BATCH_RECORDS: usize = 4_000;
/// At most this many bytes a transaction (but always one record).
const BATCH_BYTES: usize = 16 << 20;
/// Rows an INSERT: sqlx passes each statement from thread to thread, and keeps each form of it prepared.
const ROWS_PER_INSERT: usize = 32;
/// Between two attempts after a fault.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Between two passes that delete what is older than its topic's retention.
const RETENTION_PAUSE: Duration = Duration::from_secs(60);

/// How long a record of an appender with this purpose is tried for.
fn give_up_after(purpose: Purpose) -> Duration {
    match purpose {
        Purpose::Journal => Duration::from_secs(10),
        Purpose::Effects | Purpose::Events | Purpose::Client => Duration::from_secs(30),
    }
}

/// A record on its way.
pub(super) struct Write {
    pub(super) to: PartitionId,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Option<Vec<u8>>,
    /// Bytes of key, value and headers.
    pub(super) size: usize,
    pub(super) token: Token,
    pub(super) since: Instant,
    pub(super) from: Arc<Outbox>,
}

/// Where the ends of an appender's records are put.
pub(super) struct Outbox {
    pub(super) purpose: Purpose,
    /// Why the appender is of no use any more.
    pub(super) poison: OnceLock<String>,
    /// Bytes under way.
    pub(super) bytes: AtomicUsize,
    acks: Mutex<Vec<Ack>>,
}

impl Outbox {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self { purpose, poison: OnceLock::new(), bytes: AtomicUsize::new(0), acks: Mutex::default() }
    }

    /// Hands out what has ended.
    pub(super) fn drain(&self, acks: &mut Vec<Ack>) {
        acks.append(&mut self.acks.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Write {
    fn end(self, result: Result<(u32, u64), AppendError>) {
        if let (Purpose::Events, Err(error)) = (self.from.purpose, &result) {
            let _ = self.from.poison.set(error.to_string());
        }
        self.from.bytes.fetch_sub(self.size, Ordering::Relaxed);
        let ack = Ack { token: self.token, result };
        self.from.acks.lock().unwrap_or_else(PoisonError::into_inner).push(ack);
    }
}

/// Starts the thread; it ends when all senders are gone and everything is written.
pub(super) fn start(path: PathBuf, bulletin: Arc<Bulletin>) -> std::io::Result<Sender<Write>> {
    let (sender, receiver) = channel();
    let writer = Writer { path, bulletin, connection: None, pending: VecDeque::new(), complained: false };
    thread::Builder::new().name("log-writer".into()).spawn(move || writer.run(&receiver))?;
    Ok(sender)
}

struct Writer {
    path: PathBuf,
    bulletin: Arc<Bulletin>,
    connection: Option<Connection>,
    /// In order of coming.
    pending: VecDeque<Write>,
    complained: bool,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Write>) {
        let mut next_retention = Instant::now() + RETENTION_PAUSE;
        loop {
            if self.pending.is_empty() {
                match receiver.recv_timeout(next_retention.saturating_duration_since(Instant::now())) {
                    Ok(write) => self.pending.push_back(write),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            self.pending.extend(receiver.try_iter());
            self.drop_poisoned();
            if !self.pending.is_empty() {
                self.write_batch();
            }
            if Instant::now() >= next_retention {
                self.expire();
                next_retention = Instant::now() + RETENTION_PAUSE;
            }
        }
    }

    /// Of a gapless appender that has had an error nothing more may land.
    fn drop_poisoned(&mut self) {
        if self.pending.iter().any(|write| write.from.poison.get().is_some()) {
            for write in std::mem::take(&mut self.pending) {
                match write.from.poison.get().cloned() {
                    Some(reason) => write.end(Err(AppendError::Fatal(reason))),
                    None => self.pending.push_back(write),
                }
            }
        }
    }

    fn batch_length(&self) -> usize {
        let mut bytes = 0;
        let fitting = self.pending.iter().take(BATCH_RECORDS).take_while(|write| {
            bytes += write.size;
            bytes <= BATCH_BYTES
        });
        fitting.count().max(1)
    }

    fn write_batch(&mut self) {
        let length = self.batch_length();
        let connection = match connected(&mut self.connection, &self.path) {
            Ok(connection) => connection,
            Err(fault) => return self.failed(fault),
        };
        let batch: Vec<&Write> = self.pending.iter().take(length).collect();
        match connection.write(async |c| insert(c, &batch).await) {
            Ok((offsets, highs)) => {
                self.complained = false;
                self.bulletin.post(highs);
                for (write, offset) in self.pending.drain(..length).zip(offsets) {
                    let partition = write.to.1;
                    write.end(Ok((partition, offset)));
                }
            }
            Err(fault) => self.failed(fault),
        }
    }

    /// Ends what has been tried for too long, and everything where trying again is no use.
    fn failed(&mut self, fault: Fault) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(file = %self.path.display(), reason = fault.reason, "cannot write records");
        }
        self.connection = None;
        for write in std::mem::take(&mut self.pending) {
            let over = !fault.may_heal || write.since.elapsed() >= give_up_after(write.from.purpose);
            match write.from.poison.get().cloned() {
                Some(reason) => write.end(Err(AppendError::Fatal(reason))),
                None if over => write.end(Err(AppendError::Unconfirmed(fault.reason.clone()))),
                None => self.pending.push_back(write),
            }
        }
        thread::sleep(RETRY_PAUSE);
    }

    fn expire(&mut self) {
        let expired =
            connected(&mut self.connection, &self.path).and_then(|connection| retention::expire(connection, now_us()));
        if let Err(fault) = expired {
            tracing::warn!(file = %self.path.display(), reason = fault.reason, "cannot delete old records");
            self.connection = None;
        }
    }
}

fn connected<'a>(connection: &'a mut Option<Connection>, path: &Path) -> Result<&'a mut Connection, Fault> {
    match connection {
        Some(connection) => Ok(connection),
        None => Ok(connection.insert(Connection::open(path)?)),
    }
}

type Written = (Vec<u64>, BTreeMap<PartitionId, u64>);

/// Inserts a batch; the offset of each record, and the next offset of each partition.
async fn insert(c: &mut SqliteConnection, batch: &[&Write]) -> Result<Written, sqlx::Error> {
    let mut counts: BTreeMap<PartitionId, i64> = BTreeMap::new();
    for write in batch {
        *counts.entry(write.to).or_default() += 1;
    }
    let now = now_us();
    let mut next: BTreeMap<PartitionId, (i64, i64)> = BTreeMap::new();
    for (id, count) in counts {
        let update = "UPDATE log_partitions SET high = high + ?3, last_time = max(last_time, ?4) \
                      WHERE topic = ?1 AND part = ?2 RETURNING high - ?3, last_time";
        let query = sqlx::query_as(update).bind(id.0).bind(id.1).bind(count).bind(now);
        next.insert(id, query.fetch_one(&mut *c).await?);
    }
    let mut offsets = Vec::with_capacity(batch.len());
    let mut rows = Vec::with_capacity(batch.len());
    for write in batch {
        if let Some((offset, time)) = next.get_mut(&write.to) {
            rows.push((*write, *offset, *time));
            offsets.push(offset.cast_unsigned());
            *offset += 1;
        }
    }
    for rows in rows.chunks(ROWS_PER_INSERT) {
        insert_rows(c, rows).await?;
    }
    Ok((offsets, next.into_iter().map(|(id, (high, _))| (id, high.cast_unsigned())).collect()))
}

async fn insert_rows(c: &mut SqliteConnection, rows: &[(&Write, i64, i64)]) -> Result<(), sqlx::Error> {
    let values = ["(?, ?, ?, ?, ?, ?, ?, ?)"; ROWS_PER_INSERT];
    let insert = format!(
        "INSERT INTO log_records (topic, part, pos, time, size, key, headers, value) VALUES {}",
        values[..rows.len()].join(", ")
    );
    // Nothing but a number of question marks went into it.
    let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
    for (write, offset, time) in rows {
        query = query
            .bind(write.to.0)
            .bind(write.to.1)
            .bind(offset)
            .bind(time)
            .bind(i64::try_from(write.size).unwrap_or(i64::MAX))
            .bind(write.key.as_deref())
            .bind(write.headers.as_deref())
            .bind(write.value.as_deref());
    }
    query.execute(c).await.map(|_| ())
}
