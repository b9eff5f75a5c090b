//! Steps of the journal that are read again, here and there, because the stream names them.

use super::told::events;
use super::{Expected, Parts, VerifyError};
use crate::installation::records::{PATIENCE, POLL, poll, silent};
use crate::journal::record::{JournalRecord, Step};
use crate::log::{Delivery, Reader, Record, Topic};
use crate::wire::chain;
use std::time::Instant;

/// Reads them through one reader, and remembers the last: a stretch of the stream that comes again names each step for as
/// many events as it has.
#[derive(Default)]
pub(super) struct Again {
    reader: Option<Box<dyn Reader>>,
    last: Option<(u64, Vec<Expected>)>,
}

impl Again {
    /// The events of the step at an offset, with their chains; none, where there is none.
    pub(super) fn events(
        &mut self,
        parts: Parts,
        offset: u64,
        decoded: impl FnOnce(&Record) -> Result<Option<JournalRecord>, VerifyError>,
    ) -> Result<&[Expected], VerifyError> {
        if self.last.as_ref().is_none_or(|(of, _)| *of != offset) {
            let record = self.record(parts, offset)?;
            let decoded = record.as_ref().map(decoded).transpose()?.flatten();
            let Some(JournalRecord::Step(step)) = decoded else {
                self.last = None;
                return Ok(&[]);
            };
            self.last = Some((offset, chained(parts.partition, offset, &step)));
        }
        Ok(self.last.as_ref().map(|(_, events)| events.as_slice()).unwrap_or_default())
    }

    /// The record at an offset; none: it has been removed.
    fn record(&mut self, parts: Parts, offset: u64) -> Result<Option<Record>, VerifyError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(parts.log.picker()?),
        };
        reader.assign(&Topic::Journal, parts.partition, offset)?;
        let heard = Instant::now();
        loop {
            match poll(reader.as_mut(), POLL)?.into_iter().next() {
                Some(Delivery::Record(record)) => return Ok((record.offset == offset).then_some(record)),
                Some(Delivery::End { .. } | Delivery::Lost { .. }) => return Ok(None),
                None if heard.elapsed() > PATIENCE => return Err(silent(parts.log, &Topic::Journal).into()),
                None => {}
            }
        }
    }
}

fn chained(partition: u32, offset: u64, step: &Step) -> Vec<Expected> {
    let mut all = Vec::new();
    for transition in &step.transitions {
        let mut running = transition.chain;
        for event in events(partition, offset, transition).into_iter().flatten() {
            running = chain::next(&running, &event.body);
            all.push(Expected { chain: running, ..event });
        }
    }
    all
}
