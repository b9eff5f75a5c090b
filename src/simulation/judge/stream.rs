//! The event stream: every event that counts, in order for each subject; what is there twice is there identically.

use super::Forgotten;
use super::journal::Told;
use crate::log::memory::MemoryLog;
use crate::log::{Record, Topic};
use crate::wire::event::{Published, decode};
use crate::wire::headers;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What a partition of `events` holds.
#[derive(Default)]
pub(super) struct Stream {
    next: u64,
    /// By subject and sequence: the bodies that were published, more than one only after a loss.
    seen: BTreeMap<String, BTreeMap<u64, Vec<Bytes>>>,
    pub(super) repeated: u64,
}

/// The subject and the sequence of an event.
pub(super) fn place_of(event: &Published) -> (String, u64) {
    match event {
        Published::Run(recorded) => (recorded.run_id.to_string(), recorded.sequence),
        Published::Partition(recorded) => (format!("partition-{}", recorded.partition), recorded.sequence),
    }
}

impl Stream {
    pub(super) fn has(&self, subject: &str, sequence: u64, body: &Bytes) -> bool {
        let bodies = self.seen.get(subject).and_then(|subject| subject.get(&sequence));
        bodies.is_some_and(|bodies| bodies.contains(body))
    }

    /// Reads what has landed.
    pub(super) fn read(&mut self, log: &MemoryLog, told: &Told, forgotten: &Forgotten) -> Result<(), String> {
        for record in log.records_from(&Topic::Events, told.partition, self.next) {
            self.next = record.offset + 1;
            let offset = record.offset;
            self.take(&record, told, forgotten).map_err(|what| format!("offset {offset}: {what}"))?;
        }
        Ok(())
    }

    fn take(&mut self, record: &Record, told: &Told, forgotten: &Forgotten) -> Result<(), String> {
        let body = record.value.clone().ok_or("a record without value")?;
        let (subject, sequence) = place_of(&decode(&body).map_err(|error| error.to_string())?);
        let place = format!("{subject}/{sequence}");
        let index = usize::try_from(sequence).ok().and_then(|sequence| sequence.checked_sub(1));
        let index = index.ok_or_else(|| format!("{place}: no sequence"))?;
        let hex = record.header(headers::CHAIN).unwrap_or_default();
        let is_it = |(found, chain): &(Bytes, [u8; 16])| {
            *found == body && chain.iter().map(|byte| format!("{byte:02x}")).collect::<String>().as_bytes() == hex
        };
        let counts = told.stream.get(&subject).and_then(|bodies| bodies.get(index)).is_some_and(is_it);
        // Where the journal has lost records, what they said may have been published before.
        if !counts && !forgotten.events.iter().any(is_it) {
            return Err(format!("{place} is not what the journal says, or its chain is broken"));
        }
        let seen = self.seen.entry(subject).or_default();
        if sequence > seen.len() as u64 + 1 && !forgotten.partitions.contains(&told.partition) {
            return Err(format!("{place}: event {} is missing before it", seen.len() + 1));
        }
        let bodies = seen.entry(sequence).or_default();
        if bodies.contains(&body) {
            self.repeated += 1;
        } else {
            bodies.push(body);
        }
        Ok(())
    }

    /// Nothing that counts is missing.
    pub(super) fn check_complete(&self, told: &Told) -> Result<(), String> {
        for (subject, bodies) in &told.stream {
            for (sequence, (body, _)) in (1..).zip(bodies) {
                if !self.has(subject, sequence, body) {
                    return Err(format!("{subject}/{sequence} was never published"));
                }
            }
        }
        Ok(())
    }
}
