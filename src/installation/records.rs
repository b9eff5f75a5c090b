//! Reading partitions to their end, and appending records and waiting until they stand in the log: for whoever does
//! not run for ever.

use super::InstallationError;
use crate::log::cursor::{self, Cursor};
pub use crate::log::cursor::{PATIENCE, POLL, poll};
use crate::log::{Appender, Delivery, Log, LogError, NewRecord, Purpose, Record, Topic};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

/// How often acknowledgements are looked for: an append takes about as long.
const LOOK: Duration = Duration::from_millis(1);

/// Hands out what stands in a partition at this moment, from an offset on, or until `each` has had enough.
///
/// # Errors
/// Where the log does not answer, or `each` says so.
pub fn read_to_end<E: From<LogError>>(
    log: &dyn Log,
    topic: &Topic,
    partition: u32,
    from: u64,
    mut each: impl FnMut(Record) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let ends = log.ends(topic, partition)?;
    read_between(log, topic, partition, from.max(ends.low)..ends.high, |delivery| match delivery {
        Delivery::Record(record) => each(record),
        // What was asked for has been removed meanwhile; reading goes on at what is there.
        Delivery::End { .. } | Delivery::Lost { .. } => Ok(ControlFlow::Continue(())),
    })
}

/// Hands out the records of a partition between two offsets, and what is lost of them, or until `each` has had enough.
///
/// # Errors
/// Where the log does not answer, or `each` says so.
pub fn read_between<E: From<LogError>>(
    log: &dyn Log,
    topic: &Topic,
    partition: u32,
    offsets: Range<u64>,
    mut each: impl FnMut(Delivery) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let mut cursor = Cursor::new(log, topic, partition, offsets)?;
    while let Some(delivery) = cursor.read()? {
        if each(delivery)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The record at an offset; none: it has been removed.
///
/// # Errors
/// Where the log does not answer.
pub fn read_one(log: &dyn Log, topic: &Topic, partition: u32, offset: u64) -> Result<Option<Record>, LogError> {
    let mut found = None;
    read_to_end(log, topic, partition, offset, |record| {
        found = (record.offset == offset).then_some(record);
        Ok::<_, LogError>(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Appends records; partition and offset of each, in order, once all of them stand in the log.
///
/// # Errors
/// Where one is not taken, or not confirmed.
pub fn append(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<(u32, u64)>, InstallationError> {
    append_through(log, log.appender(Purpose::Client)?.as_mut(), records)
}

/// [`append`] through an appender that is there already: for whoever appends again and again.
///
/// # Errors
/// As [`append`].
pub fn append_through(
    log: &dyn Log,
    appender: &mut dyn Appender,
    records: Vec<NewRecord>,
) -> Result<Vec<(u32, u64)>, InstallationError> {
    let topics: Vec<Topic> = records.iter().map(|record| record.topic.clone()).collect();
    for (token, record) in (0..).zip(records) {
        let topic = record.topic.clone();
        appender.append(record, token).map_err(|fault| InstallationError::Append { topic, fault })?;
    }
    let (mut places, mut acks) = (BTreeMap::new(), Vec::new());
    let begun = Instant::now();
    while let Some(waiting) = topics.get(places.len()) {
        appender.poll(&mut acks);
        if acks.is_empty() {
            if begun.elapsed() > PATIENCE {
                return Err(silent(log, waiting).into());
            }
            std::thread::sleep(LOOK);
        }
        for ack in acks.drain(..) {
            let topic = usize::try_from(ack.token).ok().and_then(|at| topics.get(at)).unwrap_or(waiting).clone();
            places.insert(ack.token, ack.result.map_err(|fault| InstallationError::Append { topic, fault })?);
        }
    }
    Ok(places.into_values().collect())
}

/// The error of a log of which nothing has been heard for [`PATIENCE`].
pub fn silent(log: &dyn Log, topic: &Topic) -> LogError {
    cursor::silent(&log.cluster(), topic)
}
