//! Reading partitions to their end, and appending records and waiting until they stand in the log.

use super::EmbeddedError;
use crate::log::{Delivery, Log, LogError, NewRecord, Purpose, Record, Topic};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A file that answers nothing for this long is taken to be away (locked, or on a disk that hangs).
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(50);
/// How often acknowledgements are looked for: an append to a file takes about as long.
const LOOK: Duration = Duration::from_millis(1);

/// Hands out what stands in a partition at this moment.
///
/// # Errors
/// Where the log does not answer, or `each` says so.
pub fn read_to_end(
    log: &dyn Log,
    topic: &Topic,
    partition: u32,
    mut each: impl FnMut(Record) -> Result<(), EmbeddedError>,
) -> Result<(), EmbeddedError> {
    let ends = log.ends(topic, partition)?;
    if ends.low >= ends.high {
        return Ok(());
    }
    let mut reader = log.reader()?;
    reader.assign(topic, partition, ends.low)?;
    let mut deliveries = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        reader.poll(POLL, &mut deliveries)?;
        for delivery in deliveries.drain(..) {
            match delivery {
                Delivery::Record(record) if record.offset < ends.high => each(record)?,
                Delivery::Record(_) | Delivery::End { .. } => return Ok(()),
                // What was there a moment ago has been removed; reading goes on behind it.
                Delivery::Lost { .. } => {}
            }
        }
    }
    Err(silent(log, topic))
}

/// Appends records; partition and offset of each, in order, once all of them stand in the log.
///
/// # Errors
/// Where one is not taken.
pub fn append(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<(u32, u64)>, EmbeddedError> {
    let mut appender = log.appender(Purpose::Client)?;
    let topics: Vec<Topic> = records.iter().map(|record| record.topic.clone()).collect();
    for (token, record) in (0..).zip(records) {
        let topic = record.topic.to_string();
        appender.append(record, token).map_err(|fault| EmbeddedError::Append { topic, fault })?;
    }
    let mut places = BTreeMap::new();
    let mut acks = Vec::new();
    let begun = Instant::now();
    while places.len() < topics.len() {
        appender.poll(&mut acks);
        for ack in acks.drain(..) {
            let topic = usize::try_from(ack.token).ok().and_then(|at| topics.get(at));
            let topic = topic.map(Topic::to_string).unwrap_or_default();
            let place = ack.result.map_err(|fault| EmbeddedError::Append { topic, fault })?;
            places.insert(ack.token, place);
        }
        if places.len() < topics.len() {
            match topics.first() {
                Some(topic) if begun.elapsed() > PATIENCE => return Err(silent(log, topic)),
                _ => std::thread::sleep(LOOK),
            }
        }
    }
    Ok(places.into_values().collect())
}

fn silent(log: &dyn Log, topic: &Topic) -> EmbeddedError {
    let reason = format!("nothing was heard of {topic} for {} s", PATIENCE.as_secs());
    LogError::Unreachable { at: log.cluster(), reason }.into()
}
