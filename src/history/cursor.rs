//! Reads a stretch of a partition record by record, as the reader asks for them.

use crate::installation::records::{PATIENCE, POLL, poll};
use crate::log::{Delivery, Log, LogError, Reader, Record, Topic};
use std::collections::VecDeque;
use std::time::Instant;

/// Where reading stands.
pub struct Cursor {
    reader: Option<Box<dyn Reader>>,
    topic: Topic,
    cluster: String,
    end: u64,
    buffer: VecDeque<Record>,
}

impl Cursor {
    /// Reads a partition from an offset (or the first that is there) up to an end, which is not read.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn new(log: &dyn Log, topic: &Topic, partition: u32, from: u64, end: u64) -> Result<Self, LogError> {
        let from = from.max(log.ends(topic, partition)?.low);
        let reader = if from < end {
            let mut reader = log.reader()?;
            reader.assign(topic, partition, from)?;
            Some(reader)
        } else {
            None
        };
        Ok(Self { reader, topic: topic.clone(), cluster: log.cluster(), end, buffer: VecDeque::new() })
    }

    /// The next record; none: that was all.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn read(&mut self) -> Result<Option<Record>, LogError> {
        let mut heard = Instant::now();
        loop {
            if let Some(record) = self.buffer.pop_front() {
                if record.offset + 1 >= self.end {
                    self.reader = None;
                }
                return Ok((record.offset < self.end).then_some(record));
            }
            let Some(reader) = &mut self.reader else { return Ok(None) };
            for delivery in poll(reader.as_mut(), POLL)? {
                heard = Instant::now();
                match delivery {
                    Delivery::Record(record) => self.buffer.push_back(record),
                    Delivery::End { .. } => self.reader = None,
                    // What was asked for has been removed meanwhile; reading goes on at what is there.
                    Delivery::Lost { .. } => {}
                }
            }
            if heard.elapsed() > PATIENCE {
                let reason = format!("nothing was heard of {} for {} s", self.topic, PATIENCE.as_secs());
                return Err(LogError::Unreachable { at: self.cluster.clone(), reason });
            }
        }
    }
}
