//! Reads a stretch of a partition, delivery by delivery, as they are asked for: for whoever does not run for ever.

use super::{Delivery, Log, LogError, Reader, Topic};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A log that hands out nothing for this long is taken to be away.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long one poll waits for something to come.
pub const POLL: Duration = Duration::from_millis(100);

/// Where reading stands.
pub struct Cursor {
    /// None: it is at its end.
    reader: Option<Box<dyn Reader>>,
    topic: Topic,
    cluster: String,
    end: u64,
    buffer: VecDeque<Delivery>,
}

impl Cursor {
    /// Reads a partition between two offsets. What is appended meanwhile is no part of it: there would be no end.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn new(log: &dyn Log, topic: &Topic, partition: u32, offsets: Range<u64>) -> Result<Self, LogError> {
        let mut reader = None;
        if !offsets.is_empty() {
            reader.insert(log.reader()?).assign(topic, partition, offsets.start)?;
        }
        Ok(Self { reader, topic: topic.clone(), cluster: log.cluster(), end: offsets.end, buffer: VecDeque::new() })
    }

    /// The next record, or what is lost of them ([`Delivery::Lost`]; reading goes on behind it): the reader says what that
    /// means. None: that was all.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn read(&mut self) -> Result<Option<Delivery>, LogError> {
        let mut heard = Instant::now();
        loop {
            let Some(reader) = &mut self.reader else { return Ok(None) };
            if let Some(delivery) = self.buffer.pop_front() {
                let (is_within, next) = match &delivery {
                    Delivery::Record(record) => (record.offset < self.end, record.offset + 1),
                    Delivery::Lost { low, .. } => (true, *low),
                    Delivery::End { .. } => (false, self.end),
                };
                if next >= self.end {
                    self.reader = None;
                }
                return Ok(is_within.then_some(delivery));
            }
            let deliveries = poll(reader.as_mut(), POLL)?;
            if !deliveries.is_empty() {
                heard = Instant::now();
            } else if heard.elapsed() > PATIENCE {
                return Err(silent(&self.cluster, &self.topic));
            }
            self.buffer.extend(deliveries);
        }
    }
}

/// Whatever is there, waiting a moment for it.
///
/// # Errors
/// As [`Reader::poll`].
pub fn poll(reader: &mut dyn Reader, wait: Duration) -> Result<Vec<Delivery>, LogError> {
    let mut deliveries = Vec::new();
    reader.poll(wait, &mut deliveries)?;
    Ok(deliveries)
}

/// The error of a log of which nothing has been heard for [`PATIENCE`].
pub fn silent(cluster: &str, topic: &Topic) -> LogError {
    let reason = format!("nothing was heard of {topic} for {} s", PATIENCE.as_secs());
    LogError::Unreachable { at: cluster.to_owned(), reason }
}
