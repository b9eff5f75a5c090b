//! What the tables have to say, by folding, and what they say.

use super::fields::of_stored;
use super::own::Own;
use super::rows::{NOTHING, differences, of_letter_rows, of_offsets};
use super::{Counting, Expected, Fault, Kind, Known, Parts, Report, VerifyError};
use crate::core::apply::fold;
use crate::core::event::Recorded;
use crate::core::id::RunId;
use crate::core::run::{Outcome, Run};
use crate::core::status::NodeStatus;
use crate::log::Ends;
use crate::projector::rows::Rows;
use crate::store::query::{RowsOf, RunRows, StoredFailure, StoredRow};
use crate::store::row::{ErrorRow, MetricRow, OperationRow, ResultRow};
use crate::store::{Position, StoredRun, clean};
use crate::wire::chain;
use crate::wire::event::{PartitionRecorded, Published};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Folds events, and compares runs with the tables once they have ended, or the tables go no further.
pub(super) struct Tables<'a> {
    parts: Parts<'a>,
    known: &'a mut Known,
    /// Where the tables stood at the beginning, with the sums that they had there.
    position: Option<(Position, Vec<MetricRow>)>,
    /// Runs that have not ended.
    runs: BTreeMap<RunId, Folded>,
    /// Runs that have, and are compared together.
    ended: Vec<Folded>,
    own: Own,
    /// Whether stream and journal have both lost their beginning.
    is_cut: bool,
    /// Whether everything that was projected has been compared.
    is_past: bool,
}

/// How many runs are compared at once: asking for one costs the store almost as much as asking for all of them.
const RUNS_AT_ONCE: usize = 64;

/// A run.
struct Folded {
    /// None: its history is broken, or begins before what is there.
    run: Option<Run>,
    chain: [u8; 16],
    rows: Rows,
}

impl<'a> Tables<'a> {
    /// Compares with the tables as far as they go now.
    pub(super) fn new(parts: Parts<'a>, known: &'a mut Known) -> Result<Self, VerifyError> {
        let sums = parts.store.map(|store| store.query().sums(parts.partition)).transpose()?;
        let position = sums.and_then(|(position, sums)| Some((position?, sums)));
        let own = Own::new(parts.partition);
        Ok(Self {
            parts,
            known,
            position,
            runs: BTreeMap::new(),
            ended: Vec::new(),
            own,
            is_cut: false,
            is_past: false,
        })
    }

    /// What there is of journal and stream.
    pub(super) fn begin(&mut self, journal: Ends, events: Ends) {
        self.is_cut = journal.low > 0 && events.low > 0;
        self.own.is_cut = self.is_cut;
        self.known.is_cut |= self.is_cut;
        self.known.read_to.insert(self.parts.partition, journal.high);
    }

    /// Up to which offset of the journal the tables go.
    pub(super) fn bound(&self) -> Option<u64> {
        self.parts.store.map(|_| self.position.as_ref().map_or(0, |(position, _)| position.next_offset))
    }

    /// The next event, in the order of the journal.
    pub(super) fn fold(&mut self, event: &Expected, report: &mut Report, to: &mut Counting) -> Result<(), VerifyError> {
        if !self.is_past && self.bound().is_some_and(|bound| event.journal_offset >= bound) {
            self.compare_rest(report, to)?;
        }
        if self.is_past && self.bound().is_some() {
            report.unprojected += 1;
        }
        self.known.tell(&event.published, !self.is_past);
        match &event.published {
            Published::Run(recorded) => self.run_event(recorded, event, report, to),
            Published::Partition(recorded) => self.partition_event(recorded, event, report, to),
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
        let nothing = || Folded { run: None, chain: chain::START, rows: Rows::default() };
        let folded = self.runs.entry(recorded.run_id.clone()).or_insert_with(nothing);
        if is_new && recorded.sequence > 1 {
            report.beheaded += 1;
            self.known.run(recorded.run_id.as_str());
            self.own.is_cut = true;
            if !self.is_cut {
                let expected = "the run's first event".to_owned();
                let found = format!("its event {}, and none before", recorded.sequence);
                to.fault(Fault::new(Kind::Missing, self.parts.partition, expected, found).of(event));
            }
        }
        folded.chain = event.chain;
        if (is_new && recorded.sequence == 1) || folded.run.is_some() {
            match fold(&mut folded.run, recorded) {
                Ok(()) => {
                    if let (Some(run), false) = (&folded.run, self.is_past) {
                        folded.rows.run_event(recorded, run, Some(event.journal_offset));
                    }
                }
                Err(fault) => {
                    folded.run = None;
                    self.own.is_cut = true;
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
            self.ended.push(folded);
            if self.ended.len() >= RUNS_AT_ONCE {
                let ended = std::mem::take(&mut self.ended);
                self.compare(&ended.iter().collect::<Vec<_>>(), report, to)?;
            }
        }
        Ok(())
    }

    fn partition_event(
        &mut self,
        recorded: &PartitionRecorded,
        event: &Expected,
        report: &mut Report,
        to: &mut Counting,
    ) -> Result<(), VerifyError> {
        if self.is_past {
            return Ok(());
        }
        let next = self.own.next();
        if self.is_cut && next.is_some_and(|next| recorded.sequence > next) && self.own.begin_again() {
            // What was there before is further records of events whose first ones have been removed.
        } else if let Some(next) = next.filter(|next| *next != recorded.sequence) {
            let found = format!("event {}", recorded.sequence);
            to.fault(
                Fault::new(Kind::BrokenHistory, self.parts.partition, format!("event {next} of the partition"), found)
                    .of(event),
            );
        }
        self.own.event(recorded, event.input.as_ref(), event.chain, event.journal_offset);
        self.own.compare_page(self.parts.store, report)?.into_iter().for_each(|fault| to.fault(fault));
        Ok(())
    }

    /// Everything has been folded that was projected: what has not ended is compared as it stands.
    pub(super) fn compare_rest(&mut self, report: &mut Report, to: &mut Counting) -> Result<(), VerifyError> {
        if std::mem::replace(&mut self.is_past, true) {
            return Ok(());
        }
        let (runs, ended) = (std::mem::take(&mut self.runs), std::mem::take(&mut self.ended));
        let all: Vec<&Folded> = ended.iter().chain(runs.values()).collect();
        for some in all.chunks(RUNS_AT_ONCE) {
            self.compare(some, report, to)?;
        }
        self.runs = runs;
        self.compare_partition(report, to)
    }

    fn compare(&mut self, all: &[&Folded], report: &mut Report, to: &mut Counting) -> Result<(), VerifyError> {
        let Some(store) = self.parts.store else { return Ok(()) };
        let runs = |folded: &&Folded| folded.run.as_ref().map(|run| (run.workflow_id.clone(), run.run_id.clone()));
        let stored = store.query().rows_of(&all.iter().filter_map(runs).collect::<Vec<_>>())?;
        for (folded, stored) in all.iter().filter(|folded| folded.run.is_some()).zip(stored) {
            self.compare_one(folded, stored, report, to)?;
        }
        Ok(())
    }

    fn compare_one(
        &mut self,
        folded: &Folded,
        stored: RunRows,
        report: &mut Report,
        to: &mut Counting,
    ) -> Result<(), VerifyError> {
        let (Some(store), Some(run)) = (self.parts.store, &folded.run) else { return Ok(()) };
        self.own.add(&folded.rows.metrics);
        let partition = self.parts.partition;
        let fault_in = |of: RowsOf, kind, expected: String, found: String| Fault {
            table: Some(of.table()),
            subject: Some(run.run_id.to_string()),
            ..Fault::new(kind, partition, expected, found)
        };
        let RunRows { stored: found, results, operations, errors, offsets, unreadable } = stored;
        let unread = |of| unreadable.iter().any(|(table, _)| *table == of);
        let mut faults = Vec::new();
        let mut events = 0..=u64::MAX;
        match found {
            None if unread(RowsOf::Runs) => {}
            None => {
                let expected = format!("the run after event {}", run.sequence);
                faults.push(fault_in(RowsOf::Runs, Kind::RowMissing, expected, NOTHING.to_owned()));
            }
            // It has been projected further since.
            Some(found) if run.ended_at.is_none() && found.stored.run.sequence > run.sequence => {
                report.moved_on += 1;
                events = 0..=run.sequence;
            }
            Some(found) => {
                report.runs += 1;
                report.unfinished += u64::from(run.ended_at.is_none());
                let expected = as_stored(partition, run, folded);
                faults.extend(of_stored(&expected, &as_it_stands(found)).into_iter().map(|differs| {
                    let fault = fault_in(RowsOf::Runs, Kind::RowDiffers, differs.expected, differs.found);
                    Fault { field: Some(differs.field), ..fault }
                }));
            }
        }
        for (of, why) in &unreadable {
            faults.push(fault_in(*of, Kind::RowDiffers, "a row that can be read".to_owned(), why.clone()));
        }
        let rows = &folded.rows;
        faults.extend(self.of_rows(rows, (results, operations, errors), events, unread));
        let expected = rows.offsets.get(&run.run_id).map(Vec::as_slice).unwrap_or_default();
        let bound = self.bound().unwrap_or_default();
        faults.extend(of_offsets(expected, &offsets, report.journal_low, bound).map(|differs| {
            let fault = fault_in(RowsOf::Offsets, Kind::RowDiffers, differs.expected, differs.found);
            Fault { field: Some(differs.field), ..fault }
        }));
        faults.extend(of_letter_rows(partition, store, &rows.letters)?);
        report.letters += rows.letters.len() as u64;
        let of_run = |fault: Fault| Fault { workflow_id: Some(run.workflow_id.clone()), ..fault };
        faults.into_iter().map(of_run).for_each(|fault| to.fault(fault));
        Ok(())
    }

    /// What differs in the rows of a run, without tables that were told of already since a row cannot be read.
    fn of_rows(
        &self,
        rows: &Rows,
        (results, operations, errors): (Vec<ResultRow>, Vec<OperationRow>, Vec<ErrorRow>),
        events: RangeInclusive<u64>,
        unread: impl Fn(RowsOf) -> bool,
    ) -> Vec<Fault> {
        let (partition, of) = (self.parts.partition, RowsOf::table);
        let mut faults = Vec::new();
        if !unread(RowsOf::Results) {
            faults.extend(differences(partition, of(RowsOf::Results), &rows.results, results, events.clone()));
        }
        if !unread(RowsOf::Operations) {
            faults.extend(differences(partition, of(RowsOf::Operations), &rows.operations, operations, events.clone()));
        }
        if !unread(RowsOf::Errors) {
            faults.extend(differences(partition, of(RowsOf::Errors), &rows.errors, errors, events));
        }
        faults
    }

    fn compare_partition(&mut self, report: &mut Report, to: &mut Counting) -> Result<(), VerifyError> {
        let (Some(store), Some((position, sums))) = (self.parts.store, &mut self.position) else { return Ok(()) };
        let faults = self.own.compare(store, (position, std::mem::take(sums)), report)?;
        faults.into_iter().for_each(|fault| to.fault(fault));
        Ok(())
    }
}

/// The row that a run has to have.
fn as_stored(partition: u32, run: &Run, folded: &Folded) -> StoredRow {
    let count = |is: fn(NodeStatus) -> bool| run.count(is) as u64;
    let failure = match &run.outcome {
        Some(Outcome::Failure(node_id, failure)) => Some(StoredFailure {
            node_id: node_id.clone(),
            class: failure.class,
            code: failure.code.clone(),
            message: failure.message.clone(),
        }),
        Some(Outcome::Answer(_)) | None => None,
    };
    as_it_stands(StoredRow {
        partition,
        stored: StoredRun { run: run.clone(), chain: folded.chain },
        nodes: [count(NodeStatus::has_output), count(NodeStatus::has_failed), count(NodeStatus::awaits)],
        failure,
        taken_over: folded.rows.carried.iter().map(|row| row.node_id.clone()).collect(),
    })
}

/// With texts as a table holds them.
fn as_it_stands(mut row: StoredRow) -> StoredRow {
    for failure in row.failure.iter_mut() {
        failure.code = clean(&failure.code).into_owned();
        failure.message = clean(&failure.message).into_owned();
    }
    row
}
