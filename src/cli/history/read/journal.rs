//! The journal in parts: the records at given offsets, and those that are not projected yet.

use super::runs::Runs;
use crate::installation::records::{PATIENCE, POLL, poll, read_to_end, silent};
use crate::journal::record::{JournalRecord, Owner};
use crate::journal::rule::{ReadersRule, Verdict};
use crate::log::{Delivery, Ends, Log, Reader, Record, Topic};
use crate::store::{JournalMark, Position};
use crate::wire::{WireError, journal};
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::time::Instant;

/// Journal offsets nearer to each other than this are read in one go rather than by seeking.
const NEAR: u64 = 1_024;
/// A group that spans no more than this comes with the first fetch of a [`Log::picker`], or the second.
const SHORT: u64 = 128;

/// Offsets in groups that are read in one go.
pub(super) fn groups(offsets: &BTreeSet<u64>) -> Vec<Vec<u64>> {
    let mut groups: Vec<Vec<u64>> = Vec::new();
    for offset in offsets {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| offset.saturating_sub(*last) <= NEAR) => group.push(*offset),
            _ => groups.push(vec![*offset]),
        }
    }
    groups
}

/// Most readers at a time: where a run's steps are far from each other, each group costs the log a question and an answer.
const MAX_READERS: usize = 4;
/// A reader is made for no fewer groups than this: making one takes as long as a few of them.
const GROUPS_A_READER: usize = 8;

/// Reads the steps at some offsets; whether the journal has all of them.
///
/// # Errors
/// Where the log does not answer, or one of them cannot be read.
pub(super) fn read_at(log: &dyn Log, partition: u32, offsets: &BTreeSet<u64>, found: &mut Runs) -> Result<bool> {
    let (short, long): (Vec<_>, Vec<_>) = groups(offsets).into_iter().partition(|group| span(group) <= SHORT);
    let ends = log.ends(&Topic::Journal, partition)?;
    let records: Vec<Result<Option<Vec<Record>>>> = std::thread::scope(|scope| {
        let pick = |share| scope.spawn(move || read_groups(log, log.picker()?, (partition, ends), share));
        let read = |share| scope.spawn(move || read_groups(log, log.reader()?, (partition, ends), share));
        let reading: Vec<_> = shares(&short).map(pick).chain(shares(&long).map(read)).collect();
        let ended =
            |read: std::thread::ScopedJoinHandle<'_, _>| read.join().unwrap_or_else(|panic| resume_unwind(panic));
        reading.into_iter().map(ended).collect()
    });
    for share in records {
        let Some(records) = share? else { return Ok(false) };
        for record in records {
            found.add_step(&record, &journal_record(&record)?)?;
        }
    }
    Ok(true)
}

fn span(group: &[u64]) -> u64 {
    group.first().zip(group.last()).map_or(0, |(first, last)| last - first)
}

/// What each of some readers reads.
fn shares(groups: &[Vec<u64>]) -> std::slice::Chunks<'_, Vec<u64>> {
    let readers = groups.len().div_ceil(GROUPS_A_READER).clamp(1, MAX_READERS);
    groups.chunks(groups.len().div_ceil(readers).max(1))
}

/// The records of some groups; none: the journal has lost some. Through one reader: making one takes longer than reading a
/// few hundred records.
fn read_groups(
    log: &dyn Log,
    mut reader: Box<dyn Reader>,
    (partition, ends): (u32, Ends),
    groups: &[Vec<u64>],
) -> Result<Option<Vec<Record>>> {
    let mut records = Vec::new();
    for group in groups {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let before = records.len();
        if *first >= ends.low && *last < ends.high {
            reader.assign(&Topic::Journal, partition, *first)?;
            read_group(log, reader.as_mut(), group, &mut records)?;
        }
        let lost = group.len() - (records.len() - before);
        if lost > 0 {
            tracing::info!(
                partition,
                "the journal has lost {lost} of the records from {first} to {last}: reading events"
            );
            return Ok(None);
        }
    }
    Ok(Some(records))
}

/// Reads on to the last record of a group, and keeps those that are of it.
fn read_group(log: &dyn Log, reader: &mut dyn Reader, group: &[u64], records: &mut Vec<Record>) -> Result<()> {
    let mut heard = Instant::now();
    loop {
        for delivery in poll(reader, POLL)? {
            heard = Instant::now();
            let Delivery::Record(record) = delivery else { return Ok(()) };
            let is_last = group.last().is_none_or(|last| record.offset >= *last);
            if group.binary_search(&record.offset).is_ok() {
                records.push(record);
            }
            if is_last {
                return Ok(());
            }
        }
        if heard.elapsed() > PATIENCE {
            return Err(silent(log, &Topic::Journal).into());
        }
    }
}

/// Reads the steps that count and are not projected.
///
/// # Errors
/// As [`unprojected`].
pub(super) fn read_unprojected(
    log: &dyn Log,
    partition: u32,
    position: Option<&Position>,
    found: &mut Runs,
) -> Result<()> {
    unprojected(log, partition, position, |record, decoded, counts| match counts {
        true => found.add_step(record, decoded),
        false => Ok(()),
    })
}

/// Hands out the records of a journal that are not projected, in order, and of each whether it counts. What nobody wrote
/// who keeps to the format does not count, and is passed over.
///
/// # Errors
/// Where the log does not answer, the journal is not readable, or `each` says so.
pub fn unprojected(
    log: &dyn Log,
    partition: u32,
    position: Option<&Position>,
    mut each: impl FnMut(&Record, &JournalRecord, bool) -> Result<()>,
) -> Result<()> {
    // From above the last step that is projected: takings that follow it say whose step comes next.
    let mark = position.and_then(|position| position.mark);
    let mut rule = mark.map_or_else(ReadersRule::default, rule_at);
    let from = mark.map_or(0, |mark| mark.offset + 1);
    let mut is_headless = log.ends(&Topic::Journal, partition)?.low > from;
    read_to_end(log, &Topic::Journal, partition, from, |record| {
        let decoded = match journal::decode(&record.value.clone().unwrap_or_default()) {
            Ok(decoded) => decoded,
            Err(fault @ WireError::Newer { .. }) => return Err(anyhow!(fault).context(place(&record))),
            Err(_) => {
                rule.unreadable();
                return Ok(ControlFlow::Continue(()));
            }
        };
        // The first step of a journal that has lost its beginning counts by construction.
        if let (true, JournalRecord::Step(step)) = (is_headless, &decoded) {
            rule = ReadersRule { last_number: step.number.saturating_sub(1), ..ReadersRule::seeded(step) };
            is_headless = false;
        }
        let counts = rule.read(&decoded) == Verdict::Counts;
        each(&record, &decoded, counts)?;
        Ok(ControlFlow::Continue(()))
    })
}

/// The readers' rule as it stands after the last counting record below a position.
fn rule_at(mark: JournalMark) -> ReadersRule {
    ReadersRule {
        current: Some((mark.term, Owner(mark.owner))),
        last_number: mark.number.unwrap_or(0),
        ..ReadersRule::default()
    }
}

fn journal_record(record: &Record) -> Result<JournalRecord> {
    let value = record.value.clone().unwrap_or_default();
    journal::decode(&value).with_context(|| place(record))
}

fn place(record: &Record) -> String {
    format!("journal/{}, offset {}", record.partition, record.offset)
}
