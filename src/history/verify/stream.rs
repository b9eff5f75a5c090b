//! What the stream says, held against what the journal tells.

use super::tables::Tables;
use super::told::{Chains, Place, Told};
use super::window::Window;
use super::{Counting, EventId, Expected, Fault, Kind, Known, Parts, Report, VerifyError, next_record, workflow_of};
use crate::log::cursor::Cursor;
use crate::log::{Ends, Record, Topic};
use crate::wire::event::{self, Published};
use crate::wire::headers::{self, event_headers, partition_key};
use crate::wire::{WireError, chain};
use std::collections::BTreeMap;

pub(super) fn verify(parts: Parts, known: &mut Known, to: &mut Counting) -> Result<Report, VerifyError> {
    // In this order: what the tables hold is in the journal, what is on the stream is in the journal, and what the
    // journal said to be done before the stream was asked is on it.
    let mut tables = Tables::new(parts, known)?;
    let sure = parts.log.ends(&Topic::Journal, parts.partition)?.high;
    let events = parts.events.ends(&Topic::Events, parts.partition)?;
    let journal = parts.log.ends(&Topic::Journal, parts.partition)?;
    tables.begin(journal, events);
    let report = Report {
        events_end: events.high,
        journal_low: journal.low,
        journal_end: journal.high,
        projected_to: tables.bound(),
        ..Report::default()
    };
    let mut stream = Stream {
        parts,
        told: Told::new(parts, journal.low, sure, journal.high)?,
        chains: Chains::default(),
        seen: Window::default(),
        missing: Window::default(),
        before: BTreeMap::new(),
        has_lost_its_beginning: events.low > 0,
        has_begun_again: false,
        is_cut: events.low > 0,
        tables,
        report,
    };
    stream.read(events, to)?;
    stream.rest(events.high, to)?;
    Ok(Report { void_records: stream.told.void_records(), faults: to.faults, ..stream.report })
}

/// A stream that has lost its beginning can begin with further records of events whose first ones are gone: of owners
/// that published again what another had published. Among so many of its records such are looked for.
const MAX_REPEATED: u64 = 4_096;

struct Stream<'a> {
    parts: Parts<'a>,
    told: Told<'a>,
    chains: Chains,
    seen: Window,
    /// Events that the journal tells of, and that were not where they have to be.
    missing: Window,
    /// Where they had to be: before which offset.
    before: BTreeMap<EventId, u64>,
    /// Whether the stream's first records have been removed.
    has_lost_its_beginning: bool,
    /// Whether events were missing behind what it begins with now, and that was let pass.
    has_begun_again: bool,
    /// Whether they have, and none has been read that is left.
    is_cut: bool,
    tables: Tables<'a>,
    report: Report,
}

impl Stream<'_> {
    fn read(&mut self, ends: Ends, to: &mut Counting) -> Result<(), VerifyError> {
        let mut cursor = Cursor::new(self.parts.events, &Topic::Events, self.parts.partition, ends.low..ends.high)?;
        while let Some(record) = next_record(&mut cursor)? {
            self.report.records += 1;
            self.record(&record, to)?;
            to.listener.progress(1);
        }
        Ok(())
    }

    fn record(&mut self, record: &Record, to: &mut Counting) -> Result<(), VerifyError> {
        let value = event::decode(record.value.as_deref().unwrap_or_default());
        if let Err(fault @ WireError::Newer { .. }) = &value
            && record.header(headers::CHAIN).is_none()
        {
            return Err(VerifyError::Newer {
                partition: record.partition,
                offset: record.offset,
                fault: fault.clone(),
            });
        }
        // A damaged record is known by what is whole of it.
        let by_header = record.header("ce_id").and_then(EventId::read);
        let by_value = value.as_ref().ok().map(EventId::of);
        let ids: Vec<EventId> = by_value.into_iter().chain(by_header).collect();
        let is_placed = self.as_early(record, &ids, value.as_ref().ok(), to)?
            || self.as_next(record, &ids, to)?
            || self.as_late(record, &ids, to)
            || self.as_twin(record, &ids, to)
            || self.by_its_journal_offset(record, &ids, value.as_ref().ok(), to)?;
        self.is_cut &= !is_placed;
        if !is_placed {
            to.fault(self.foreign(record, &value, ids.first()));
        }
        Ok(())
    }

    /// Whether it tells of a step before the journal's first, of which nothing has been asked so far: what it tells of next
    /// is held against the chains as they are after the last of these.
    fn as_early(
        &mut self,
        record: &Record,
        ids: &[EventId],
        value: Option<&Published>,
        to: &mut Counting,
    ) -> Result<bool, VerifyError> {
        let (Some(offset), Some(published)) = (journal_offset(record), value) else { return Ok(false) };
        if offset >= self.told.low || self.told.records > 0 {
            return Ok(false);
        }
        if !self.as_twin(record, ids, to) {
            self.before_the_journal(record, published, offset, to)?;
        }
        Ok(true)
    }

    /// Whether it is the event that the journal tells of next.
    fn as_next(&mut self, record: &Record, ids: &[EventId], to: &mut Counting) -> Result<bool, VerifyError> {
        let next = self.told.peek(&mut self.chains, to)?;
        if !next.is_some_and(|next| ids.contains(&next.id)) {
            return Ok(false);
        }
        if let Some(expected) = self.told.take() {
            self.check(&expected, record, Kind::Changed, to);
            self.tables.fold(&expected, &mut self.report, to)?;
            self.seen.push(expected);
        }
        Ok(true)
    }

    /// Whether it was missing before.
    fn as_late(&mut self, record: &Record, ids: &[EventId], to: &mut Counting) -> bool {
        let Some(expected) = ids.iter().find_map(|id| self.missing.take(id)) else { return false };
        let before = self.before.remove(&expected.id).unwrap_or_default();
        let fault = Fault::new(
            Kind::OutOfOrder,
            self.parts.partition,
            format!("before offset {before}"),
            format!("at offset {}", record.offset),
        );
        to.fault(fault.of(&expected).at(record.offset));
        self.check(&expected, record, Kind::Changed, to);
        self.seen.push(expected);
        true
    }

    /// Whether it is a further record of an event.
    fn as_twin(&mut self, record: &Record, ids: &[EventId], to: &mut Counting) -> bool {
        let Some(expected) = ids.iter().find_map(|id| self.seen.get(id)) else { return false };
        self.check(expected, record, Kind::TwinDiffers, to);
        self.report.twins += 1;
        true
    }

    /// Whether the journal has it where the record says.
    fn by_its_journal_offset(
        &mut self,
        record: &Record,
        ids: &[EventId],
        value: Option<&Published>,
        to: &mut Counting,
    ) -> Result<bool, VerifyError> {
        let Some(offset) = journal_offset(record) else { return Ok(false) };
        if offset < self.told.low {
            return match value {
                Some(published) => self.before_the_journal(record, published, offset, to).map(|()| true),
                None => Ok(false),
            };
        }
        self.told.peek(&mut self.chains, to)?;
        for id in ids {
            if self.told.is_to_come(id, offset) {
                if self.told.look(offset, id)?.is_some() {
                    self.pass_over_up_to(id, offset, record.offset, to)?;
                    return self.as_next(record, std::slice::from_ref(id), to);
                }
            } else if let Some(expected) = self.told.look_back(offset, id)? {
                self.check(&expected, record, Kind::TwinDiffers, to);
                self.report.twins += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether what has been read may be further records of events whose first ones are gone.
    fn may_be_repeated(&self) -> bool {
        self.has_lost_its_beginning && self.report.records <= MAX_REPEATED
    }

    /// The events that the journal tells of before another one are not there. That what the stream begins with is
    /// repeated, and what follows it is removed, cannot be told from a removed record: it is let pass once, and counted.
    fn pass_over_up_to(&mut self, id: &EventId, offset: u64, at: u64, to: &mut Counting) -> Result<(), VerifyError> {
        let is_removed = self.is_cut || (self.may_be_repeated() && !self.has_begun_again);
        loop {
            let next = self.told.peek(&mut self.chains, to)?;
            if next.is_none_or(|next| next.id == *id || next.journal_offset > offset) {
                return Ok(());
            }
            let Some(expected) = self.told.take() else { return Ok(()) };
            self.tables.fold(&expected, &mut self.report, to)?;
            if is_removed {
                self.has_begun_again |= !self.is_cut;
                self.report.removed += 1;
                continue;
            }
            self.before.insert(expected.id.clone(), at);
            for forgotten in self.missing.push(expected) {
                self.is_missing(&forgotten, to);
            }
        }
    }

    fn is_missing(&mut self, expected: &Expected, to: &mut Counting) {
        let before = self.before.remove(&expected.id).unwrap_or(self.report.events_end);
        let name = match &expected.published {
            Published::Run(recorded) => recorded.event.name(),
            Published::Partition(recorded) => recorded.event.name(),
        };
        let found = format!("nothing before offset {before}");
        to.fault(Fault::new(Kind::Missing, self.parts.partition, name, found).of(expected).at(before));
    }

    /// An event of a step that the journal does not hold any more: what it says is held against its run's chain.
    fn before_the_journal(
        &mut self,
        record: &Record,
        published: &Published,
        journal_offset: u64,
        to: &mut Counting,
    ) -> Result<(), VerifyError> {
        self.report.before_the_journal += 1;
        let (id, body) = (EventId::of(published), record.value.clone().unwrap_or_default());
        let place = self.chains.place_early(&id, self.has_lost_its_beginning);
        let is_repetition = place == Place::Repetition;
        let said = record.header(headers::CHAIN).and_then(|text| {
            let mut bytes = [0; 16];
            hex::decode_to_slice(text, &mut bytes).is_ok().then_some(bytes)
        });
        // Where the run's first events are gone, the chain is taken at its word.
        let chain = place.chain().map(|before| chain::next(&before, &body)).or(said).unwrap_or_default();
        let traceparent = record.header(headers::TRACEPARENT).map(|text| String::from_utf8_lossy(text).into_owned());
        let expected =
            Expected { id, published: published.clone(), body, chain, journal_offset, traceparent, input: None };
        self.check(&expected, record, Kind::Changed, to);
        if is_repetition {
            self.report.twins += 1;
        } else {
            // What follows is held against what is said, so that one fault is not told of every event after it.
            self.chains.set_early(&expected.id, published, said.unwrap_or(chain), self.may_be_repeated());
            self.tables.fold(&expected, &mut self.report, to)?;
        }
        self.seen.push(expected);
        Ok(())
    }

    /// Key, value and headers of a record, held against what they have to be.
    fn check(&self, expected: &Expected, record: &Record, kind: Kind, to: &mut Counting) {
        let fault = |field: String, expected_words: String, found: String| Fault {
            field: Some(field),
            ..Fault::new(kind, self.parts.partition, expected_words, found).of(expected).at(record.offset)
        };
        let key = match &expected.published {
            Published::Run(recorded) => recorded.workflow_id.to_string(),
            Published::Partition(recorded) => partition_key(recorded.partition),
        };
        if record.key.as_deref() != Some(key.as_bytes()) {
            to.fault(fault("key".to_owned(), key, words(record.key.as_deref())));
        }
        let value = record.value.clone().unwrap_or_default();
        if value != expected.body {
            let (expected_words, found) = where_bytes_differ(&expected.body, &value);
            let values = Some((expected.body.clone(), value));
            to.fault(Fault { values, ..fault("value".to_owned(), expected_words, found) });
        }
        let Expected { published, body, chain, journal_offset, traceparent, .. } = expected;
        let namespace = self.parts.namespace;
        for (name, text) in event_headers(namespace, published, body, *journal_offset, chain, traceparent.as_deref()) {
            let found = record.header(&name);
            if found != Some(&*text) {
                to.fault(fault(format!("header {name}"), words(Some(&text)), words(found)));
            }
        }
    }

    fn foreign(&self, record: &Record, value: &Result<Published, WireError>, id: Option<&EventId>) -> Fault {
        let fault = match value {
            Err(error) => Fault::new(Kind::Unreadable, self.parts.partition, "an event", error.to_string()),
            Ok(published) => {
                let found = match published {
                    Published::Run(recorded) => recorded.event.name(),
                    Published::Partition(recorded) => recorded.event.name(),
                };
                let fault = Fault::new(Kind::Unknown, self.parts.partition, "an event of the journal", found);
                Fault { workflow_id: workflow_of(published).cloned(), ..fault }
            }
        };
        let fault = fault.at(record.offset);
        id.map_or_else(|| fault.clone(), |id| fault.clone().of_id(id))
    }

    /// The stream has ended: what the journal tells of beyond it, and what never came.
    fn rest(&mut self, end: u64, to: &mut Counting) -> Result<(), VerifyError> {
        while self.told.peek(&mut self.chains, to)?.is_some() {
            let Some(expected) = self.told.take() else { break };
            self.tables.fold(&expected, &mut self.report, to)?;
            if self.told.had_to_be_published(&expected) && !self.parts.is_copy {
                self.before.insert(expected.id.clone(), end);
                self.is_missing(&expected, to);
            } else {
                self.report.unpublished += 1;
            }
        }
        for expected in self.missing.drain() {
            self.is_missing(&expected, to);
        }
        self.tables.compare_rest(&mut self.report, to)
    }
}

/// Where in the journal the event stands, by its header.
fn journal_offset(record: &Record) -> Option<u64> {
    std::str::from_utf8(record.header(headers::JOURNAL_OFFSET)?).ok()?.parse().ok()
}

/// A text, or bytes as digits.
fn words(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "nothing".to_owned() };
    std::str::from_utf8(bytes).map_or_else(|_| hex::encode(bytes), str::to_owned)
}

/// The first byte that differs, on either side.
fn where_bytes_differ(expected: &[u8], found: &[u8]) -> (String, String) {
    let at = expected.iter().zip(found).take_while(|(expected, found)| expected == found).count();
    let byte = |bytes: &[u8]| match bytes.get(at) {
        Some(byte) => format!("byte {at} of {}: {byte:#04x}", bytes.len()),
        None => format!("{} bytes", bytes.len()),
    };
    (byte(expected), byte(found))
}
