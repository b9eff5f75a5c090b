//! What the tables have to say of the partition itself: of its own events, and the sums over its runs.

use super::fields::of_metrics;
use super::rows::{NOTHING, differences, of_letter_rows, of_offsets};
use super::{Fault, Kind, Report, VerifyError};
use crate::core::breaker::{self, BreakerState};
use crate::core::event::PartitionEvent;
use crate::core::id::AgentName;
use crate::core::time::Timestamp;
use crate::projector::rows::Rows;
use crate::store::query::RowsOf;
use crate::store::rebuild::{POSITIONS, WORKFLOW_OFFSETS};
use crate::store::row::{MetricRow, partition_subject};
use crate::store::{Position, Store};
use crate::wire::chain;
use crate::wire::event::PartitionRecorded;
use std::collections::BTreeMap;

/// How many rows are gathered before they are compared.
const PAGE: usize = 5_000;
const METRICS: &str = "orchestrator_performance_metrics";

/// The partition itself, folded.
pub(super) struct Own {
    partition: u32,
    /// Events of its own that are gone: the first that is there.
    first: Option<u64>,
    /// Whether it began again, after a gap.
    began_again: bool,
    sequence: u64,
    chain: [u8; 16],
    breakers: BTreeMap<AgentName, BreakerState>,
    /// Rows of the events that have not been compared, and where all of them stand.
    rows: Rows,
    /// The first of those events; none: the first that is there.
    from: Option<u64>,
    sums: BTreeMap<(AgentName, Timestamp), MetricRow>,
    /// Whether there is not all that the sums are made of.
    pub(super) is_cut: bool,
}

impl Own {
    pub(super) fn new(partition: u32) -> Self {
        Self {
            partition,
            first: None,
            began_again: false,
            sequence: 0,
            chain: chain::START,
            breakers: BTreeMap::new(),
            rows: Rows::default(),
            from: None,
            sums: BTreeMap::new(),
            is_cut: false,
        }
    }

    /// The number that its next event has; none: any.
    pub(super) fn next(&self) -> Option<u64> {
        (self.first.is_some() || !self.is_cut).then_some(self.sequence + 1)
    }

    /// Forgets the events so far, once; whether it had not before.
    pub(super) fn begin_again(&mut self) -> bool {
        if self.began_again {
            return false;
        }
        *self =
            Self { began_again: true, is_cut: true, sums: std::mem::take(&mut self.sums), ..Self::new(self.partition) };
        true
    }

    /// Its next event, after which its chain is `chain`, in the record at `offset`.
    pub(super) fn event(
        &mut self,
        recorded: &PartitionRecorded,
        input: Option<&crate::journal::record::InputRecord>,
        chain: [u8; 16],
        offset: u64,
    ) {
        self.first.get_or_insert(recorded.sequence);
        (self.sequence, self.chain) = (recorded.sequence, chain);
        if let PartitionEvent::BreakerChanged(change) = &recorded.event {
            breaker::record(&mut self.breakers, change, recorded.time);
        }
        self.rows.partition_event(recorded, input, Some(offset));
    }

    /// What a run adds to the sums.
    pub(super) fn add(&mut self, metrics: &BTreeMap<(AgentName, Timestamp), MetricRow>) {
        for (key, row) in metrics {
            self.sums.entry(key.clone()).and_modify(|sum| sum.add(row)).or_insert_with(|| row.clone());
        }
    }

    /// What differs, once there are enough rows to be compared: all of them have been projected.
    pub(super) fn compare_page(
        &mut self,
        store: Option<&dyn Store>,
        report: &mut Report,
    ) -> Result<Vec<Fault>, VerifyError> {
        if self.rows.operations.len() + self.rows.errors.len() < PAGE {
            return Ok(Vec::new());
        }
        let faults = match store {
            Some(store) => self.compare_rows(store, false, report)?,
            None => Vec::new(),
        };
        let workflow_offsets = std::mem::take(&mut self.rows.workflow_offsets);
        self.rows = Rows { workflow_offsets, ..Rows::default() };
        self.from = Some(self.sequence + 1);
        Ok(faults)
    }

    /// What differs in the rows of the events since the last page; the last one goes on to where the tables end.
    fn compare_rows(&self, store: &dyn Store, is_last: bool, report: &mut Report) -> Result<Vec<Fault>, VerifyError> {
        let (query, partition) = (store.query(), self.partition);
        let from = self.from.or(self.first).unwrap_or(u64::MAX);
        let asked = from..=if is_last { u64::MAX } else { self.sequence };
        let operations = query.partition_operations(partition, asked.clone())?;
        let errors = query.partition_errors(partition, asked)?;
        // Rows of later events may have come, unless it stands where it stood.
        let now = if is_last { store.position(partition)? } else { None };
        let is_still = now.is_some_and(|now| now.partition_sequence == self.sequence);
        let events = from..=if is_still { u64::MAX } else { self.sequence };
        let (of, rows) = (RowsOf::table, &self.rows);
        let mut faults = differences(partition, of(RowsOf::Operations), &rows.operations, operations, events.clone());
        faults.extend(differences(partition, of(RowsOf::Errors), &rows.errors, errors, events));
        faults.extend(of_letter_rows(partition, store, &rows.letters)?);
        report.letters += rows.letters.len() as u64;
        Ok(faults)
    }

    /// What differs from the tables, which stood at `position`, with these `sums`.
    pub(super) fn compare(
        &self,
        store: &dyn Store,
        (position, sums): (&Position, Vec<MetricRow>),
        report: &mut Report,
    ) -> Result<Vec<Fault>, VerifyError> {
        let mut faults = self.of_position(position);
        faults.extend(self.compare_rows(store, true, report)?);
        let offsets = store.query().all_workflow_offsets(self.partition)?;
        faults.extend(self.of_workflow_offsets(offsets, report.journal_low, position.next_offset));
        if self.is_cut {
            report.sums_left_out += sums.len() as u64;
        } else {
            report.sums += self.sums.len() as u64;
            faults.extend(self.of_sums(sums));
        }
        Ok(faults)
    }

    fn fault(&self, kind: Kind, table: &'static str, field: String, expected: String, found: String) -> Fault {
        let fault = Fault::new(kind, self.partition, expected, found);
        let subject = Some(partition_subject(self.partition));
        Fault { table: Some(table), field: Some(field), subject, ..fault }
    }

    fn of_position(&self, position: &Position) -> Vec<Fault> {
        if self.next().is_none() {
            return Vec::new();
        }
        let fields = [
            ("sequence", self.sequence.to_string(), position.partition_sequence.to_string()),
            ("chain", hex::encode(self.chain), hex::encode(position.partition_chain)),
            ("breakers", format!("{:?}", self.breakers), format!("{:?}", position.breakers)),
        ];
        // A breaker may have been opened by what is gone.
        let fields = fields.into_iter().filter(|(field, ..)| !self.is_cut || *field != "breakers");
        let differing = fields.filter(|(_, expected, found)| expected != found);
        let fault = |(field, expected, found): (&str, _, _)| {
            self.fault(Kind::RowDiffers, POSITIONS, field.to_owned(), expected, found)
        };
        differing.map(fault).collect()
    }

    fn of_workflow_offsets(
        &self,
        mut found: BTreeMap<crate::core::id::WorkflowId, Vec<u64>>,
        low: u64,
        bound: u64,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut compare = |workflow_id: &_, expected: &[u64], found: &[u64]| {
            // Where events are gone, there is nothing to hold against what is said of them.
            let there: Vec<u64> = found.iter().copied().filter(|offset| !self.is_cut || *offset >= low).collect();
            let found = there.as_slice();
            if let Some(differs) = of_offsets(expected, found, low, bound) {
                let kind = if expected.is_empty() { Kind::RowUnknown } else { Kind::RowDiffers };
                let fault = self.fault(kind, WORKFLOW_OFFSETS, differs.field, differs.expected, differs.found);
                faults.push(Fault { workflow_id: Some(Clone::clone(workflow_id)), ..fault });
            }
        };
        for (workflow_id, expected) in &self.rows.workflow_offsets {
            compare(workflow_id, expected, &found.remove(workflow_id).unwrap_or_default());
        }
        if !self.is_cut {
            found.iter().for_each(|(workflow_id, found)| compare(workflow_id, &[], found));
        }
        faults
    }

    fn of_sums(&self, found: Vec<MetricRow>) -> Vec<Fault> {
        let mut found: BTreeMap<_, _> =
            found.into_iter().map(|row| ((row.agent_name.clone(), row.minute), row)).collect();
        let mut faults = Vec::new();
        for (key, expected) in &self.sums {
            let at = format!("{}, minute {:?}: ", key.0, key.1);
            match found.remove(key) {
                None => {
                    let (expected, found) = (format!("{expected:?}"), NOTHING.to_owned());
                    faults.push(self.fault(Kind::RowMissing, METRICS, at, expected, found));
                }
                Some(other) => faults.extend(of_metrics(&at, expected, &other).into_iter().map(|differs| {
                    self.fault(Kind::RowDiffers, METRICS, differs.field, differs.expected, differs.found)
                })),
            }
        }
        for (key, row) in found {
            let at = format!("{}, minute {:?}: ", key.0, key.1);
            faults.push(self.fault(Kind::RowUnknown, METRICS, at, NOTHING.to_owned(), format!("{row:?}")));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::EffectFailed;
    use crate::store::memory::MemoryStore;
    use crate::store::row::ProjectionBatch;

    const EVENTS: u64 = 2 * PAGE as u64 + 7;

    fn event(sequence: u64) -> PartitionRecorded {
        let words = || "x".to_owned();
        let event = EffectFailed { effect: words(), step: 1, topic: words(), workflow_id: None, message: words() };
        PartitionRecorded { partition: 0, sequence, time: Timestamp(0), event: PartitionEvent::EffectFailed(event) }
    }

    /// Tables in which one row of the first page says something else, and the last but one is missing.
    fn damaged() -> (MemoryStore, Position) {
        let mut rows = Rows::default();
        (1..=EVENTS).for_each(|sequence| rows.partition_event(&event(sequence), None, None));
        rows.errors[2].message = "y".to_owned();
        rows.errors.remove(rows.errors.len() - 2);
        let next = Position {
            next_offset: EVENTS,
            mark: None,
            inputs: vec![],
            effects_through: None,
            partition_sequence: EVENTS,
            partition_chain: chain::START,
            time: Timestamp(0),
            breakers: BTreeMap::new(),
            generation: 0,
        };
        let batch = ProjectionBatch {
            partition: 0,
            expected: None,
            next: next.clone(),
            runs: vec![],
            carried: vec![],
            results: vec![],
            operations: vec![],
            errors: rows.errors,
            letters: vec![],
            handled: vec![],
            metrics: vec![],
            offsets: vec![],
            workflow_offsets: vec![],
        };
        let store = MemoryStore::new();
        store.commit(&batch).expect("it is the first batch");
        (store, next)
    }

    #[test]
    fn rows_of_the_partition_are_compared_page_by_page_and_held_no_longer() {
        let ((store, position), mut own, mut report) = (damaged(), Own::new(0), Report::default());
        let mut faults = Vec::new();
        for sequence in 1..=EVENTS {
            own.event(&event(sequence), None, chain::START, sequence);
            faults.extend(own.compare_page(Some(&store), &mut report).expect("a store in memory answers"));
            assert!(own.rows.errors.len() < PAGE);
        }
        faults.extend(own.compare(&store, (&position, vec![]), &mut report).expect("a store in memory answers"));
        let found: Vec<_> = faults.iter().map(|fault| (fault.kind, fault.sequence)).collect();
        assert_eq!(found, [(Kind::RowDiffers, Some(3)), (Kind::RowMissing, Some(EVENTS - 1))], "{faults:#?}");
    }
}
