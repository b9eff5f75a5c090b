//! What the tables have to say, by folding, and what they say.

use super::fields::{Row, of_runs};
use super::{Counting, Expected, Fault, Kind, Parts, Report, VerifyError};
use crate::core::apply::fold;
use crate::core::breaker::{self, BreakerState};
use crate::core::event::{PartitionEvent, Recorded};
use crate::core::id::{AgentName, RunId};
use crate::core::run::Run;
use crate::projector::rows::Rows;
use crate::store::row::partition_subject;
use crate::store::{Position, Store};
use crate::wire::chain;
use crate::wire::event::{PartitionRecorded, Published};
use std::collections::BTreeMap;

/// The tables by their names.
const RUNS: &str = "orchestrator_workflow_states";
const RESULTS: &str = "orchestrator_agent_results";
const OPERATIONS: &str = "orchestrator_operation_logs";
const ERRORS: &str = "orchestrator_error_logs";
const OFFSETS: &str = "orchestrator_run_offsets";
const POSITIONS: &str = "orchestrator_projector_positions";

/// Folds events, and compares runs with the tables once they have ended, or the tables go no further.
pub(super) struct Tables<'a> {
    parts: Parts<'a>,
    /// Where the tables stood at the beginning.
    position: Option<Position>,
    /// Runs that have not ended.
    runs: BTreeMap<RunId, Folded>,
    own: Own,
    /// Whether everything that was projected has been compared.
    is_past: bool,
}

/// A run that has not ended.
#[derive(Default)]
struct Folded {
    /// None: its history is broken, or begins before what is there.
    run: Option<Run>,
    rows: Rows,
}

/// The partition itself.
struct Own {
    sequence: u64,
    chain: [u8; 16],
    breakers: BTreeMap<AgentName, BreakerState>,
    rows: Rows,
}

impl<'a> Tables<'a> {
    /// Compares with the tables as far as they go now.
    pub(super) fn new(parts: Parts<'a>) -> Result<Self, VerifyError> {
        let position = parts.store.map(|store| store.position(parts.partition)).transpose()?.flatten();
        let own = Own { sequence: 0, chain: chain::START, breakers: BTreeMap::new(), rows: Rows::default() };
        Ok(Self { parts, position, runs: BTreeMap::new(), own, is_past: false })
    }

    /// Up to which offset of the journal the tables go.
    pub(super) fn bound(&self) -> Option<u64> {
        self.parts.store.map(|_| self.position.as_ref().map_or(0, |position| position.next_offset))
    }

    /// The next event, in the order of the journal.
    pub(super) fn fold(&mut self, event: &Expected, report: &mut Report, to: &mut Counting) -> Result<(), VerifyError> {
        if !self.is_past && self.bound().is_some_and(|bound| event.journal_offset >= bound) {
            self.compare_rest(report, to)?;
        }
        if self.is_past && self.bound().is_some() {
            report.unprojected += 1;
        }
        match &event.published {
            Published::Run(recorded) => self.run_event(recorded, event, report, to),
            Published::Partition(recorded) => {
                self.partition_event(recorded, event, to);
                Ok(())
            }
        }
    }

    fn run_event(
        &mut self,
        recorded: &Recorded,
        event: &Expected,
        report: &mut Report,
        to: &mut Counting,
    ) -> Result<(), VerifyError> {
        let is_new = !self.runs.contains_key(&recorded.run_id);
        let folded = self.runs.entry(recorded.run_id.clone()).or_default();
        if is_new && recorded.sequence > 1 {
            report.beheaded += 1;
        }
        if (is_new && recorded.sequence == 1) || folded.run.is_some() {
            match fold(&mut folded.run, recorded) {
                Ok(()) => {
                    if let (Some(run), false) = (&folded.run, self.is_past) {
                        folded.rows.run_event(recorded, run, Some(event.journal_offset));
                    }
                }
                Err(fault) => {
                    folded.run = None;
                    to.fault(
                        Fault::new(
                            Kind::BrokenHistory,
                            self.parts.partition,
                            "the run's next event",
                            fault.to_string(),
                        )
                        .of(event),
                    );
                }
            }
        }
        if recorded.event.ends_the_run()
            && let Some(folded) = self.runs.remove(&recorded.run_id)
            && !self.is_past
        {
            self.compare(&folded, report, to)?;
        }
        Ok(())
    }

    fn partition_event(&mut self, recorded: &PartitionRecorded, event: &Expected, to: &mut Counting) {
        if self.is_past {
            return;
        }
        let next = self.own.sequence + 1;
        if recorded.sequence != next && (self.own.sequence > 0 || event.journal_offset > 0) {
            let found = format!("event {}", recorded.sequence);
            to.fault(
                Fault::new(Kind::BrokenHistory, self.parts.partition, format!("event {next} of the partition"), found)
                    .of(event),
            );
        }
        self.own.sequence = recorded.sequence;
        self.own.chain = event.chain;
        if let PartitionEvent::BreakerChanged(change) = &recorded.event {
            breaker::record(&mut self.own.breakers, change, recorded.time);
        }
        self.own.rows.partition_event(recorded, event.input.as_ref(), Some(event.journal_offset));
    }

    /// Everything has been folded that was projected: what has not ended is compared as it stands.
    pub(super) fn compare_rest(&mut self, report: &mut Report, to: &mut Counting) -> Result<(), VerifyError> {
        if std::mem::replace(&mut self.is_past, true) {
            return Ok(());
        }
        let runs = std::mem::take(&mut self.runs);
        for folded in runs.values() {
            self.compare(folded, report, to)?;
        }
        self.runs = runs;
        self.compare_partition(to)
    }

    fn compare(&self, folded: &Folded, report: &mut Report, to: &mut Counting) -> Result<(), VerifyError> {
        let (Some(store), Some(run)) = (self.parts.store, &folded.run) else { return Ok(()) };
        let row = |kind, expected: String, found: String| Fault {
            table: Some(RUNS),
            workflow_id: Some(run.workflow_id.clone()),
            subject: Some(run.run_id.to_string()),
            ..Fault::new(kind, self.parts.partition, expected, found)
        };
        match store.query().run(&run.workflow_id, Some(&run.run_id))? {
            None => to.fault(row(Kind::RowMissing, format!("the run after event {}", run.sequence), "nothing".into())),
            // It has been projected further since.
            Some((_, stored)) if run.ended_at.is_none() && stored.sequence > run.sequence => report.moved_on += 1,
            Some((partition, stored)) => {
                report.runs += 1;
                report.unfinished += u64::from(run.ended_at.is_none());
                for differs in of_runs(run, &stored) {
                    let fault = row(Kind::RowDiffers, differs.expected, differs.found);
                    to.fault(Fault { field: Some(differs.field), ..fault });
                }
                if partition != self.parts.partition {
                    let fault = row(Kind::RowDiffers, self.parts.partition.to_string(), partition.to_string());
                    to.fault(Fault { field: Some("partition".to_owned()), ..fault });
                }
            }
        }
        self.compare_rows(store, run, &folded.rows, to)
    }

    fn compare_rows(&self, store: &dyn Store, run: &Run, rows: &Rows, to: &mut Counting) -> Result<(), VerifyError> {
        let (query, id) = (store.query(), &run.run_id);
        let of_run = |fault: Fault| Fault { workflow_id: Some(run.workflow_id.clone()), ..fault };
        let partition = self.parts.partition;
        let up_to = run.sequence;
        let mut faults = differences(partition, RESULTS, &rows.results, query.results(id)?, up_to);
        faults.extend(differences(partition, OPERATIONS, &rows.operations, query.operations(id)?, up_to));
        faults.extend(differences(partition, ERRORS, &rows.errors, query.errors(id)?, up_to));
        let bound = self.bound().unwrap_or_default();
        let found: Vec<u64> = query.offsets(id)?.into_iter().filter(|offset| *offset < bound).collect();
        let expected = rows.offsets.get(id).cloned().unwrap_or_default();
        if found != expected {
            let fault = Fault::new(Kind::RowDiffers, partition, format!("{expected:?}"), format!("{found:?}"));
            let (table, field) = (Some(OFFSETS), Some("offsets".to_owned()));
            faults.push(Fault { table, field, subject: Some(id.to_string()), ..fault });
        }
        faults.into_iter().map(of_run).for_each(|fault| to.fault(fault));
        Ok(())
    }

    fn compare_partition(&self, to: &mut Counting) -> Result<(), VerifyError> {
        let (Some(store), Some(position)) = (self.parts.store, &self.position) else { return Ok(()) };
        let (partition, own) = (self.parts.partition, &self.own);
        let subject = Some(partition_subject(partition));
        let fields = [
            ("sequence", own.sequence.to_string(), position.partition_sequence.to_string()),
            ("chain", hex::encode(own.chain), hex::encode(position.partition_chain)),
            ("breakers", format!("{:?}", own.breakers), format!("{:?}", position.breakers)),
        ];
        for (field, expected, found) in fields.into_iter().filter(|(_, expected, found)| expected != found) {
            let fault = Fault::new(Kind::RowDiffers, partition, expected, found);
            let (table, field) = (Some(POSITIONS), Some(field.to_owned()));
            to.fault(Fault { table, field, subject: subject.clone(), ..fault });
        }
        let (query, up_to) = (store.query(), own.sequence);
        let mut faults =
            differences(partition, OPERATIONS, &own.rows.operations, query.partition_operations(partition)?, up_to);
        faults.extend(differences(partition, ERRORS, &own.rows.errors, query.partition_errors(partition)?, up_to));
        faults.into_iter().for_each(|fault| to.fault(fault));
        Ok(())
    }
}

/// What differs between the rows of a table: those that are expected, and those that are there of events up to a number.
fn differences<R: Row>(partition: u32, table: &'static str, expected: &[R], found: Vec<R>, up_to: u64) -> Vec<Fault> {
    let mut found: BTreeMap<_, R> =
        found.into_iter().filter(|row| row.id().sequence <= up_to).map(|row| (row.id(), row)).collect();
    let mut faults = Vec::new();
    let mut differs = |row: &R, field: Option<String>, expected: String, found: String| {
        let kind = if found == NOTHING { Kind::RowMissing } else { Kind::RowDiffers };
        let fault = Fault::new(kind, partition, expected, found).of_id(&row.id());
        faults.push(Fault { table: Some(table), field, ..fault });
    };
    for row in expected {
        match found.remove(&row.id()) {
            None => differs(row, None, format!("{row:?}"), NOTHING.to_owned()),
            Some(other) if other == *row => {}
            Some(other) => {
                for difference in row.differences(&other) {
                    differs(row, Some(difference.field), difference.expected, difference.found);
                }
            }
        }
    }
    for row in found.values() {
        differs(row, None, NOTHING.to_owned(), format!("{row:?}"));
    }
    faults
}

const NOTHING: &str = "nothing";
