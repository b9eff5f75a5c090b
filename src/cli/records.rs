//! Reading partitions to their end and appending records, for commands that end by themselves.

use super::exit::{Exit, fail};
use crate::log::{Delivery, Log, LogError, NewRecord, Purpose, Reader, Record, Topic};
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A log that hands out nothing for this long is taken to be away.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long one poll waits for something to come.
pub const POLL: Duration = Duration::from_millis(100);

/// Reads a partition from an offset to its end at this moment, or until `each` has had enough.
///
/// # Errors
/// Where the log does not answer, or `each` says so.
pub fn read_to_end(
    log: &dyn Log,
    topic: &Topic,
    partition: u32,
    from: u64,
    mut each: impl FnMut(Record) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let ends = log.ends(topic, partition)?;
    if from.max(ends.low) >= ends.high {
        return Ok(());
    }
    let mut reader = log.reader()?;
    reader.assign(topic, partition, from.max(ends.low))?;
    let mut waiting_since = Instant::now();
    loop {
        let deliveries = poll(reader.as_mut())?;
        if deliveries.is_empty() && waiting_since.elapsed() > PATIENCE {
            return Err(silent(log, topic));
        }
        for delivery in deliveries {
            waiting_since = Instant::now();
            match delivery {
                Delivery::Record(record) => {
                    if each(record)?.is_break() {
                        return Ok(());
                    }
                }
                Delivery::End { .. } => return Ok(()),
                // What was asked for has been removed meanwhile; reading goes on at what is there.
                Delivery::Lost { .. } => {}
            }
        }
    }
}

/// Whatever is there, waiting a moment for it.
pub fn poll(reader: &mut dyn Reader) -> Result<Vec<Delivery>> {
    let mut deliveries = Vec::new();
    reader.poll(POLL, &mut deliveries)?;
    Ok(deliveries)
}

fn silent(log: &dyn Log, topic: &Topic) -> anyhow::Error {
    let reason = format!("nothing of {topic} came within {} s", PATIENCE.as_secs());
    LogError::Unreachable { at: log.cluster(), reason }.into()
}

/// Appends records and waits until each stands in the log; partition and offset of each, in order.
///
/// # Errors
/// Where one is refused, or not confirmed.
pub fn append(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<(u32, u64)>> {
    let mut appender = log.appender(Purpose::Client)?;
    let wanted = records.len();
    for (token, record) in records.into_iter().enumerate() {
        let topic = record.topic.clone();
        appender.append(record, token as u64).map_err(|error| refused(&topic, &error))?;
    }
    let mut places = BTreeMap::new();
    let begun = Instant::now();
    while places.len() < wanted {
        let mut acks = Vec::new();
        appender.poll(&mut acks);
        if acks.is_empty() {
            if begun.elapsed() > PATIENCE {
                let reason = format!("it did not confirm a record within {} s", PATIENCE.as_secs());
                return Err(LogError::Unreachable { at: log.cluster(), reason }.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        for ack in acks {
            let place = ack.result.map_err(|error| anyhow!("the record may or may not stand in the log: {error}"))?;
            places.insert(ack.token, place);
        }
    }
    Ok(places.into_values().collect())
}

fn refused(topic: &Topic, error: &crate::log::AppendError) -> anyhow::Error {
    fail(Exit::Refused, format!("{topic}: {error}"))
}

/// The record at an offset.
///
/// # Errors
/// Where it is not there.
pub fn read_one(log: &dyn Log, topic: &Topic, partition: u32, offset: u64) -> Result<Record> {
    let mut found = None;
    read_to_end(log, topic, partition, offset, |record| {
        found = (record.offset == offset).then_some(record);
        Ok(ControlFlow::Break(()))
    })?;
    found.ok_or_else(|| anyhow!("{topic}/{partition} has no record at offset {offset}: it has been removed"))
}
