//! The journal in parts: the records at given offsets, and those that are not projected yet.

use super::runs::Runs;
use crate::installation::records::read_to_end;
use crate::journal::record::{JournalRecord, Owner};
use crate::journal::rule::{ReadersRule, Verdict};
use crate::log::{Log, Record, Topic};
use crate::store::{JournalMark, Position};
use crate::wire::journal;
use anyhow::{Context, Error, Result, bail};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Journal offsets nearer to each other than this are read in one go rather than by seeking.
const NEAR: u64 = 256;

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

/// Reads the steps at some offsets.
///
/// # Errors
/// Where one of them is gone, or cannot be read.
pub(super) fn read_group(log: &dyn Log, partition: u32, group: &[u64], found: &mut Runs) -> Result<()> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
    let wanted: BTreeSet<u64> = group.iter().copied().collect();
    let mut seen = 0;
    read_to_end(log, &Topic::Journal, partition, *first, |record| {
        if wanted.contains(&record.offset) {
            seen += 1;
            found.add_step(&record, &journal_record(&record)?)?;
        }
        Ok::<_, Error>(if record.offset >= *last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if seen < wanted.len() {
        bail!("journal/{partition} has lost {} of the records from {first} to {last}", wanted.len() - seen);
    }
    Ok(())
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

/// Hands out the records of a journal that are not projected, in order, and of each whether it counts.
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
    read_to_end(log, &Topic::Journal, partition, from, |record| {
        let decoded = journal_record(&record)?;
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
    journal::decode(&value).with_context(|| format!("journal/{}, offset {}", record.partition, record.offset))
}
