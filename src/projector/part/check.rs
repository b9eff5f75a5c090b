//! Whether the journal is the one that the store was projected from.

use super::{Part, Stage};
use crate::journal::record::JournalRecord;
use crate::journal::rule::{ReadersRule, Verdict};
use crate::projector::ProjectorError;
use crate::store::JournalMark;

impl Part {
    /// A record below the store's position: the mark has to be what it was, and no step may count after it.
    pub(super) fn check(
        &mut self,
        offset: u64,
        mark: Option<JournalMark>,
        until: u64,
        record: Option<&JournalRecord>,
    ) -> Result<(), ProjectorError> {
        let Some(mark) = mark else {
            let seeded = self.rule.current.is_some();
            let counts = record.is_some_and(|record| self.rule.read(record) == Verdict::Counts);
            // Takings may follow the mark; a step would have been the mark, as would have been the first taking.
            if counts && !(seeded && matches!(record, Some(JournalRecord::PartitionTaken(_)))) {
                return Err(self.lost(offset, until, "expected no record that counts, found one".to_owned()));
            }
            return Ok(());
        };
        let found = record.map(|record| (mark_of(offset, record), record));
        match found {
            Some((found, record)) if found == mark => {
                match record {
                    JournalRecord::Step(step) => self.rule = ReadersRule::seeded(step),
                    JournalRecord::PartitionTaken(_) => {
                        self.rule.read(record);
                    }
                }
                self.stage = Stage::Checking { mark: None, until };
                Ok(())
            }
            other => Err(self.lost(
                mark.offset,
                until,
                format!("expected {mark:?}, found {:?}", other.map(|(found, _)| found)),
            )),
        }
    }

    /// The journal ends here, for now: not below what the store has seen of it.
    pub(super) fn reached_end(&mut self, end: u64) -> Result<(), ProjectorError> {
        if let Stage::Checking { mark, until } = self.stage {
            if let Some(mark) = mark {
                return Err(self.lost(mark.offset, until, format!("expected {mark:?}, found the journal's end")));
            }
            if end < until {
                return Err(self.lost(end, until, format!("the journal ends at {end}")));
            }
            self.stage = Stage::Following;
        }
        Ok(())
    }

    pub(super) fn lost(&self, from: u64, to: u64, found: String) -> ProjectorError {
        ProjectorError::JournalLost { partition: self.partition, from, to, found }
    }
}

/// What a position remembers of a record.
fn mark_of(offset: u64, record: &JournalRecord) -> JournalMark {
    match record {
        JournalRecord::PartitionTaken(taken) => {
            JournalMark { offset, term: taken.term, owner: taken.owner.0, number: None }
        }
        JournalRecord::Step(step) => {
            JournalMark { offset, term: step.term, owner: step.owner.0, number: Some(step.number) }
        }
    }
}
