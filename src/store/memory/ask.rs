//! Questions to the store in memory.

use super::MemoryStore;
use super::letters::{self, LetterHalves};
use super::tables::Tables;
use crate::core::id::{LetterId, RunId, WorkflowId};
use crate::core::run::Outcome;
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use crate::store::letter::{ErrorFilter, ErrorGroup, FoundLetter, LetterFilter, LetterGroup};
use crate::store::query::{Filter, LetterHalf, Query, RowsOf, RunRows, StoredFailure, StoredRow, Summary};
use crate::store::row::{ErrorRow, MetricRow, OperationRow, ResultRow, RunRow, partition_subject};
use crate::store::{Position, StoreError, StoredRun};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

impl Query for MemoryStore {
    fn runs(&self, filter: &Filter) -> Result<Vec<Summary>, StoreError> {
        let wanted = |summary: &Summary| {
            filter.status.is_none_or(|status| status == summary.status)
                && filter.definition.as_ref().is_none_or(|name| *name == summary.definition)
        };
        let mut runs = self.ask(|tables| tables.runs.values().map(summary).filter(wanted).collect::<Vec<_>>())?;
        runs.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
        runs.truncate(filter.limit);
        Ok(runs)
    }

    fn stored(&self, workflow_id: &WorkflowId, run_id: Option<&RunId>) -> Result<Option<StoredRow>, StoreError> {
        let wanted =
            |row: &RunRow| row.run.workflow_id == *workflow_id && run_id.is_none_or(|run_id| *run_id == row.run.run_id);
        self.ask(|tables| {
            let runs = tables.runs.values().filter(|(_, row)| wanted(row));
            let newest = runs.max_by_key(|(_, row)| (row.run.started_at, row.run.run_id.clone()));
            newest.map(|(partition, row)| stored(*partition, row, tables))
        })
    }

    fn results(&self, run_id: &RunId) -> Result<Vec<ResultRow>, StoreError> {
        self.ask(|tables| rows_of(tables.results.get(run_id)))
    }

    fn operations(&self, run_id: &RunId) -> Result<Vec<OperationRow>, StoreError> {
        self.ask(|tables| rows_of(tables.operations.get(run_id.as_str())))
    }

    fn rows_of(&self, runs: &[(WorkflowId, RunId)]) -> Result<Vec<RunRows>, StoreError> {
        let of_one = |(workflow_id, run_id): &(WorkflowId, RunId)| {
            Ok(RunRows {
                stored: self.stored(workflow_id, Some(run_id))?,
                results: self.results(run_id)?,
                operations: self.operations(run_id)?,
                errors: self.errors(run_id)?,
                offsets: self.offsets(run_id)?,
                unreadable: Vec::new(),
            })
        };
        runs.iter().map(of_one).collect()
    }

    fn partition_operations(
        &self,
        partition: u32,
        events: RangeInclusive<u64>,
    ) -> Result<Vec<OperationRow>, StoreError> {
        self.ask(|tables| rows_between(tables.operations.get(&partition_subject(partition)), &events))
    }

    fn errors(&self, run_id: &RunId) -> Result<Vec<ErrorRow>, StoreError> {
        self.ask(|tables| rows_of(tables.errors.get(run_id.as_str())))
    }

    fn partition_errors(&self, partition: u32, events: RangeInclusive<u64>) -> Result<Vec<ErrorRow>, StoreError> {
        self.ask(|tables| rows_between(tables.errors.get(&partition_subject(partition)), &events))
    }

    fn metrics(&self, since: Timestamp) -> Result<Vec<(u32, MetricRow)>, StoreError> {
        let rows = |tables: &Tables| {
            let rows = tables.metrics.iter().filter(|((_, _, minute), _)| *minute >= since);
            rows.map(|((partition, _, _), row)| (*partition, row.clone())).collect()
        };
        self.ask(rows)
    }

    fn sums(&self, partition: u32) -> Result<(Option<Position>, Vec<MetricRow>), StoreError> {
        self.ask(|tables| {
            let rows = tables.metrics.iter().filter(|((of, _, _), _)| *of == partition);
            (tables.positions.get(&partition).cloned(), rows.map(|(_, row)| row.clone()).collect())
        })
    }

    fn owners(&self, of: RowsOf, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        self.ask(|tables| {
            let runs = |ids: &mut dyn Iterator<Item = &RunId>| ids.map(RunId::to_string).collect::<Vec<_>>();
            let all = match of {
                RowsOf::Runs => runs(&mut tables.runs.keys()),
                RowsOf::Carried => runs(&mut tables.carried.keys()),
                RowsOf::Results => runs(&mut tables.results.keys()),
                RowsOf::Offsets => runs(&mut tables.offsets.keys()),
                RowsOf::Operations => tables.operations.keys().cloned().collect(),
                RowsOf::Errors => tables.errors.keys().cloned().collect(),
            };
            all.into_iter().filter(|owner| owner.as_str() > after).take(limit).collect()
        })
    }

    fn offsets(&self, run_id: &RunId) -> Result<Vec<u64>, StoreError> {
        self.ask(|tables| tables.offsets.get(run_id).cloned().unwrap_or_default())
    }

    fn workflow_offsets(&self, partition: u32, workflow_id: &WorkflowId) -> Result<Vec<u64>, StoreError> {
        let key = (partition, workflow_id.clone());
        self.ask(|tables| tables.workflow_offsets.get(&key).cloned().unwrap_or_default())
    }

    fn all_workflow_offsets(&self, partition: u32) -> Result<BTreeMap<WorkflowId, Vec<u64>>, StoreError> {
        self.ask(|tables| {
            let rows = tables.workflow_offsets.iter().filter(|((of, _), _)| *of == partition);
            rows.map(|((_, workflow_id), offsets)| (workflow_id.clone(), offsets.clone())).collect()
        })
    }

    fn letter_halves(&self, after: Option<&LetterId>, limit: usize) -> Result<Vec<LetterHalf>, StoreError> {
        self.ask(|tables| {
            let rows = tables.letters.iter().filter(|(letter_id, _)| after.is_none_or(|after| *letter_id > after));
            let half = |(letter_id, halves): (&LetterId, &LetterHalves)| LetterHalf {
                letter_id: letter_id.clone(),
                has_letter: halves.letter.is_some(),
                handled: halves.handled.clone(),
            };
            rows.map(half).take(limit).collect()
        })
    }

    fn letters(&self, filter: &LetterFilter) -> Result<Vec<FoundLetter>, StoreError> {
        self.ask(|tables| letters::letters(tables, filter))
    }

    fn letter_document(&self, letter_id: &LetterId) -> Result<Option<String>, StoreError> {
        let letter = |tables: &Tables| tables.letters.get(letter_id).and_then(|halves| halves.letter.clone());
        Ok(self.ask(letter)?.map(|(_, row)| row.document))
    }

    fn letter_groups(&self, filter: &LetterFilter) -> Result<Vec<LetterGroup>, StoreError> {
        self.ask(|tables| letters::letter_groups(tables, filter))
    }

    fn error_groups(&self, filter: &ErrorFilter) -> Result<Vec<ErrorGroup>, StoreError> {
        self.ask(|tables| letters::error_groups(tables, filter))
    }

    fn positions(&self) -> Result<Vec<(u32, Position)>, StoreError> {
        self.ask(|tables| tables.positions.iter().map(|(partition, position)| (*partition, position.clone())).collect())
    }
}

fn rows_of<R: Clone>(rows: Option<&BTreeMap<u64, R>>) -> Vec<R> {
    rows_between(rows, &(0..=u64::MAX))
}

fn rows_between<R: Clone>(rows: Option<&BTreeMap<u64, R>>, events: &RangeInclusive<u64>) -> Vec<R> {
    let rows = rows.into_iter().flatten().filter(|(sequence, _)| events.contains(sequence));
    rows.map(|(_, row)| row.clone()).collect()
}

fn stored(partition: u32, row: &RunRow, tables: &Tables) -> StoredRow {
    let whole = tables.whole(&row.run);
    let taken_over = tables.carried.get(&row.run.run_id);
    let taken_over = taken_over.map(|rows| rows.keys().cloned().collect()).unwrap_or_default();
    let count = |is: fn(NodeStatus) -> bool| row.run.count(is) as u64;
    let failure = match &whole.outcome {
        Some(Outcome::Failure(node_id, failure)) => Some(StoredFailure {
            node_id: node_id.clone(),
            class: failure.class,
            code: failure.code.clone(),
            message: failure.message.clone(),
        }),
        Some(Outcome::Answer(_)) | None => None,
    };
    let nodes = [count(NodeStatus::has_output), count(NodeStatus::has_failed), count(NodeStatus::awaits)];
    StoredRow { partition, stored: StoredRun { run: whole, chain: row.chain }, nodes, failure, taken_over }
}

fn summary((partition, row): &(u32, RunRow)) -> Summary {
    let run = &row.run;
    let count = |is: fn(NodeStatus) -> bool| u32::try_from(run.count(is)).unwrap_or(u32::MAX);
    Summary {
        workflow_id: run.workflow_id.clone(),
        run_id: run.run_id.clone(),
        partition: *partition,
        definition: run.definition.name.to_string(),
        version: run.definition.version,
        status: run.status,
        nodes: (count(NodeStatus::has_output), count(NodeStatus::has_failed), count(NodeStatus::awaits)),
        started_at: run.started_at,
        ended_at: run.ended_at,
    }
}
