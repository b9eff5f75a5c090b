//! Whoever reads a journal, and wherever he starts: the same records count.

use super::invariant::{Fault, Invariant};
use super::journal::Told;
use crate::journal::record::JournalRecord;
use crate::journal::rule::{ReadersRule, Verdict};
use crate::log::Topic;
use crate::log::memory::MemoryLog;
use crate::wire::journal;

/// Readers that start at so many places of a journal, spread over it.
const PLACES: usize = 24;

/// Reads a journal from many places, by production's rule; each time the same records count, and as many as the judge
/// has counted.
pub(super) fn all_readers_agree(log: &MemoryLog, told: &Told) -> Result<(), Fault> {
    let records: Vec<JournalRecord> = log
        .records(&Topic::Journal, told.partition)
        .iter()
        .filter_map(|record| journal::decode(record.value.as_ref()?).ok())
        .collect();
    let mut from_the_start = ReadersRule::default();
    let verdicts: Vec<bool> = records.iter().map(|record| from_the_start.read(record) == Verdict::Counts).collect();
    let steps = records.iter().zip(&verdicts).filter(|(record, counts)| **counts && is_step(record)).count() as u64;
    let counted = told.last_number();
    Invariant::OneSequence.holds(steps == counted, || format!("{steps} steps count, the last is {counted}"))?;
    let seeds: Vec<usize> = (0..records.len()).filter(|i| verdicts[*i] && is_step(&records[*i])).collect();
    for start in seeds.iter().copied().step_by((seeds.len() / PLACES).max(1)) {
        let JournalRecord::Step(seed) = &records[start] else { continue };
        let mut rule = ReadersRule::seeded(seed);
        let differs = (start + 1..records.len()).find(|i| (rule.read(&records[*i]) == Verdict::Counts) != verdicts[*i]);
        Invariant::AllReadersAgree.holds(differs.is_none(), || {
            format!("a reader that starts at offset {start} sees the record at offset {differs:?} otherwise")
        })?;
    }
    Ok(())
}

fn is_step(record: &JournalRecord) -> bool {
    matches!(record, JournalRecord::Step(_))
}
