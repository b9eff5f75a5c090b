//! What lies before the first record of a journal that has lost its beginning: from the event stream.
//!
//! An event there says in which journal record it stood, and that it stands there says that this record counts. So the
//! events of lost records are folded first, then the first record of the journal that an event names; from there the
//! journal is read like any other. Not to be had from events: where they stood (nothing stands there any more), and the
//! letters of refused inputs, which the journal alone keeps.

use super::RebuildError;
use super::fill::Stretch;
use crate::core::event::PartitionEvent;
use crate::journal::record::{JournalRecord, Step};
use crate::log::cursor::Cursor;
use crate::log::{Delivery, Log, Record, Topic};
use crate::projector::ProjectorError;
use crate::projector::codec::Codec;
use crate::projector::folding::{Decoded, Folding};
use crate::store::Store;
use crate::wire::event::Published;
use crate::wire::{WireError, headers};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Events in one batch.
const BATCH: u64 = 20_000;

/// What came from the event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early {
    /// The partition.
    pub partition: u32,
    /// Where its journal begins.
    pub begins_at: u64,
    /// Events that stood before.
    pub events: u64,
    /// Refused inputs among them: their letters cannot be made.
    pub refused_inputs: u64,
    /// How much of the event stream was read for them.
    pub read: Stretch,
}

/// Folds the events of a partition whose journal begins at `low`, and the first journal record that counts; says on the way
/// how many events there were, and how far reading is.
pub fn fold(
    log: &dyn Log,
    shadow: &dyn Store,
    partition: u32,
    low: u64,
    mut say: impl FnMut(u64, Stretch),
) -> Result<Early, RebuildError> {
    let stream = log.ends(&Topic::Events, partition)?;
    let lost = |events| RebuildError::EventsLost { partition, journal: low, events };
    if stream.low > 0 {
        return Err(lost(stream.low));
    }
    let mut folding = Folding::new(partition, None, Codec::WIRE.chain);
    let mut early = Early {
        partition,
        begins_at: low,
        events: 0,
        refused_inputs: 0,
        read: Stretch { read: 0, at_most: stream.high },
    };
    let (mut seen, mut first) = (Seen::default(), None);
    read(log, (&Topic::Events, partition, 0), lost, |record| {
        early.read.read = record.offset + 1;
        say(early.events, early.read);
        let Some((offset, event)) = event_of(&record, partition)? else { return Ok(ControlFlow::Continue(())) };
        if offset >= low {
            first = Some(offset);
            return Ok(ControlFlow::Break(()));
        }
        if seen.is_new(offset, &event.event) {
            early.events += 1;
            if let Published::Partition(recorded) = &event.event {
                early.refused_inputs += u64::from(matches!(recorded.event, PartitionEvent::InputRefused(_)));
            }
            let broken = |fault| ProjectorError::BrokenHistory { partition, offset, fault };
            folding.early(&event).map_err(broken)?;
            if early.events.is_multiple_of(BATCH) {
                commit(&mut folding, shadow)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    commit(&mut folding, shadow)?;
    let (offset, step) = first_step(log, partition, first.unwrap_or(low))?;
    let broken = |fault| ProjectorError::BrokenHistory { partition, offset, fault };
    folding.step(offset, &step, &events_of(&step, partition, offset)?).map_err(broken)?;
    commit(&mut folding, shadow)?;
    Ok(early)
}

fn commit(folding: &mut Folding, shadow: &dyn Store) -> Result<(), RebuildError> {
    if let Some(batch) = folding.take_batch() {
        shadow.commit(&batch)?;
        folding.committed(batch);
    }
    Ok(())
}

/// Which events have been read. They come in the order of the journal; after a takeover a stretch may come again.
#[derive(Default)]
struct Seen {
    offset: u64,
    /// Those of the record at this offset.
    events: BTreeSet<(String, u64)>,
}

impl Seen {
    fn is_new(&mut self, offset: u64, event: &Published) -> bool {
        if offset > self.offset {
            self.events.clear();
            self.offset = offset;
        }
        let id = match event {
            Published::Run(recorded) => (recorded.run_id.to_string(), recorded.sequence),
            Published::Partition(recorded) => (String::new(), recorded.sequence),
        };
        offset == self.offset && self.events.insert(id)
    }
}

/// An event and where it stood; none: nobody who keeps to the format has written it.
fn event_of(record: &Record, partition: u32) -> Result<Option<(u64, Decoded)>, RebuildError> {
    let offset = record.header(headers::JOURNAL_OFFSET).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    let (Some(offset), Some(body)) = (offset, &record.value) else { return Ok(None) };
    let unreadable = |fault| ProjectorError::Unreadable { partition, offset, fault };
    let event = (Codec::WIRE.event)(body).map_err(unreadable)?;
    Ok(Some((offset, Decoded { body: body.clone(), event, input: None })))
}

fn events_of(step: &Step, partition: u32, offset: u64) -> Result<Vec<Decoded>, RebuildError> {
    let bodies = step.transitions.iter().flat_map(|of| of.events.iter().map(|body| (body, &of.input)));
    let decoded = bodies.map(|(body, input)| {
        Ok(Decoded { body: body.clone(), event: (Codec::WIRE.event)(body)?, input: input.clone() })
    });
    let decoded: Result<_, WireError> = decoded.collect();
    decoded.map_err(|fault| ProjectorError::Unreadable { partition, offset, fault }.into())
}

/// The first step at or after an offset. Where an event names that, it counts; else none has been published since the
/// journal was cut, and it was cut at a step that counts.
fn first_step(log: &dyn Log, partition: u32, from: u64) -> Result<(u64, Step), RebuildError> {
    let mut found = None;
    let lost = |low| RebuildError::JournalCut { partition, low };
    read(log, (&Topic::Journal, partition, from), lost, |record| {
        let value: Bytes = record.value.clone().unwrap_or_default();
        if let Ok(JournalRecord::Step(step)) = (Codec::WIRE.record)(&value) {
            found = Some((record.offset, step));
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    found.ok_or(RebuildError::NoStep { partition, from })
}

/// Hands out what stands in a partition from an offset on at this moment. Where some of that is removed before it is read,
/// `lost` says what that means, by the first offset that is left.
fn read(
    log: &dyn Log,
    (topic, partition, from): (&Topic, u32, u64),
    lost: impl Fn(u64) -> RebuildError,
    mut each: impl FnMut(Record) -> Result<ControlFlow<()>, RebuildError>,
) -> Result<(), RebuildError> {
    let end = log.ends(topic, partition)?.high;
    let mut cursor = Cursor::new(log, topic, partition, from..end)?;
    while let Some(delivery) = cursor.read()? {
        match delivery {
            Delivery::Record(record) => {
                if each(record)?.is_break() {
                    break;
                }
            }
            Delivery::End { .. } => {}
            Delivery::Lost { low, .. } => return Err(lost(low)),
        }
    }
    Ok(())
}
