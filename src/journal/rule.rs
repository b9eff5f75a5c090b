//! The readers' rule: which records of a journal count. The same for the engine, the projector, replay and `verify`.
//!
//! A `PartitionTaken` counts if its term is greater than the current one. A step counts if its term and owner are
//! those of the latest counting `PartitionTaken`, and its number is that of the last counting step plus one.
//! Anything else is void: skipped, counted, reported, and moves nothing. The rule depends on the prefix alone, so
//! what counts, counts for ever, for everyone.

use super::record::{JournalRecord, Owner, PartitionTaken, Step};
use crate::planted::{Bug, is_planted};

/// What a reader of the journal knows about who may write what comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadersRule {
    /// The current term and its owner; none before the first taking.
    pub current: Option<(u64, Owner)>,
    /// The number of the last counting step; 0 before the first.
    pub last_number: u64,
    /// How many void records were read.
    pub void_records: u64,
}

/// Whether a record counts, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Counts,
    /// Its term is not greater than the current one.
    OldTerm,
    /// It is not by the current owner in the current term.
    NotTheOwner,
    /// A repetition: its number is not above the last counting one's.
    Twin,
    /// A step of the current owner before it is missing.
    Gap,
}

impl ReadersRule {
    /// The rule at a step that is known to count: the place where recovery begins to read.
    pub fn seeded(step: &Step) -> Self {
        Self { current: Some((step.term, step.owner)), last_number: step.number, void_records: 0 }
    }

    /// Judges the next record and moves on.
    pub fn read(&mut self, record: &JournalRecord) -> Verdict {
        let verdict = match record {
            JournalRecord::PartitionTaken(taken) => self.judge_taken(taken),
            JournalRecord::Step(step) => self.judge_step(step),
        };
        match record {
            _ if verdict != Verdict::Counts => self.void_records += 1,
            JournalRecord::PartitionTaken(taken) => self.current = Some((taken.term, taken.owner)),
            JournalRecord::Step(step) => self.last_number = step.number,
        }
        verdict
    }

    /// Passes over bytes that are no journal record: void like a record that does not count.
    pub fn unreadable(&mut self) {
        self.void_records += 1;
    }

    fn judge_taken(&self, taken: &PartitionTaken) -> Verdict {
        let current = self.current.map_or(0, |(term, _)| term);
        let counts = taken.term > current || (is_planted(Bug::AcceptsAnEqualTerm) && taken.term == current);
        if counts { Verdict::Counts } else { Verdict::OldTerm }
    }

    fn judge_step(&self, step: &Step) -> Verdict {
        if self.current != Some((step.term, step.owner)) && !is_planted(Bug::AcceptsAVoidStep) {
            Verdict::NotTheOwner
        } else if step.number <= self.last_number {
            Verdict::Twin
        } else if step.number > self.last_number + 1 {
            Verdict::Gap
        } else {
            Verdict::Counts
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Timestamp;

    fn taken(term: u64, owner: u8) -> JournalRecord {
        let text = String::new;
        JournalRecord::PartitionTaken(PartitionTaken {
            term,
            owner: Owner([owner; 16]),
            time: Timestamp(0),
            group: text(),
            host: text(),
            version: text(),
            cluster: text(),
        })
    }

    fn step(term: u64, owner: u8, number: u64) -> JournalRecord {
        JournalRecord::Step(Step {
            term,
            owner: Owner([owner; 16]),
            number,
            time: Timestamp(0),
            positions: vec![],
            effects_through: None,
            transitions: vec![],
        })
    }

    #[test]
    fn a_journal_with_every_kind_of_void_record() {
        use Verdict::*;
        let mut rule = ReadersRule::default();
        for (record, verdict) in [
            (step(1, 1, 1), NotTheOwner), // before any taking
            (taken(1, 1), Counts),
            (step(1, 1, 1), Counts),
            (step(1, 1, 1), Twin),
            (step(1, 1, 3), Gap),
            (step(1, 1, 2), Counts),
            (taken(1, 2), OldTerm), // lost the race
            (step(1, 2, 3), NotTheOwner),
            (taken(2, 2), Counts),
            (step(1, 1, 3), NotTheOwner), // a zombie
            (step(2, 2, 3), Counts),      // numbers run on across owners
            (taken(7, 3), Counts),
        ] {
            assert_eq!(rule.read(&record), verdict, "{record:?}");
        }
        assert_eq!((rule.last_number, rule.void_records), (3, 6));
    }

    #[test]
    fn a_reader_seeded_at_a_counting_step_agrees_with_one_from_the_start() {
        let journal = [taken(1, 1), step(1, 1, 1), step(1, 1, 2), taken(2, 2), step(1, 1, 3), step(2, 2, 3)];
        let mut whole = ReadersRule::default();
        for record in &journal[..3] {
            whole.read(record);
        }
        let JournalRecord::Step(seed) = &journal[2] else { unreachable!() };
        let mut seeded = ReadersRule::seeded(seed);
        for record in &journal[3..] {
            assert_eq!(whole.read(record), seeded.read(record));
        }
        assert_eq!(whole, seeded);
    }
}
