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
    rows: Rows,
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

    /// What differs from the tables, which stood at `position`, with these `sums`.
    pub(super) fn compare(
        &self,
        store: &dyn Store,
        (position, sums): (&Position, Vec<MetricRow>),
        report: &mut Report,
    ) -> Result<Vec<Fault>, VerifyError> {
        let mut faults = self.of_position(position);
        let (query, partition) = (store.query(), self.partition);
        let operations = query.partition_operations(partition)?;
        let errors = query.partition_errors(partition)?;
        let offsets = query.all_workflow_offsets(partition)?;
        // Rows of later events may have come, unless it stands where it stood.
        let now = store.position(partition)?;
        let is_still = now.is_some_and(|now| now.partition_sequence == self.sequence);
        let events = self.first.unwrap_or(u64::MAX)..=if is_still { u64::MAX } else { self.sequence };
        let expected = (&self.rows.operations, &self.rows.errors);
        faults.extend(differences(partition, RowsOf::Operations.table(), expected.0, operations, events.clone()));
        faults.extend(differences(partition, RowsOf::Errors.table(), expected.1, errors, events));
        faults.extend(of_letter_rows(partition, store, &self.rows.letters)?);
        report.letters += self.rows.letters.len() as u64;
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
