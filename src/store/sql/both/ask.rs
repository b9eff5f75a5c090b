//! Questions. Compiled for each driver: `super` says which.

use super::{Question, SqlConnection, SqlStore, position, several};
use crate::core::id::{LetterId, RunId, WorkflowId};
use crate::core::time::Timestamp;
use crate::store::letter::{ErrorFilter, ErrorGroup, FoundLetter, LetterFilter, LetterGroup};
use crate::store::query::{Filter, LetterHalf, Query, RowsOf, RunRows, StoredRow, Summary};
use crate::store::row::{ErrorRow, MetricRow, OperationRow, ResultRow, partition_subject};
use crate::store::sql::cells::Cells;
use crate::store::sql::fault::Fault;
use crate::store::sql::micros::Micros;
use crate::store::sql::{int, letters, read, statements};
use crate::store::{Position, Snapshot, StoreError};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// One view of a partition; the caller has begun a transaction of one moment.
pub async fn snapshot(
    connection: &mut SqlConnection,
    partition: u32,
    ended_since: Timestamp,
    max_ended: usize,
) -> Result<Option<Snapshot>, Fault> {
    let Some(position) = position::read(&mut *connection, partition).await? else { return Ok(None) };
    let of_partition = |statement| sqlx::query(statement).bind(i64::from(partition));
    let runs = of_partition(statements::UNFINISHED_RUNS).fetch_all(&mut *connection).await?;
    let results = of_partition(statements::UNFINISHED_RESULTS).fetch_all(&mut *connection).await?;
    let carried = of_partition(statements::UNFINISHED_CARRIED).fetch_all(&mut *connection).await?;
    let ended = of_partition(statements::ENDED_RUNS).bind(Micros(ended_since)).bind(int(max_ended as u64));
    let ended = ended.fetch_all(&mut *connection).await?;
    let mut ended = ended.iter().map(read::ended).collect::<Result<Vec<_>, _>>()?;
    ended.reverse();
    Ok(Some(Snapshot { position, runs: read::stored_runs(&runs, &results, &carried)?, ended }))
}

impl Query for SqlStore {
    fn runs(&self, filter: &Filter) -> Result<Vec<Summary>, StoreError> {
        let question = sqlx::query(statements::LIST_RUNS)
            .bind(filter.status.map(|status| status.as_str()))
            .bind(filter.definition.clone())
            .bind(int(filter.limit as u64));
        self.ask(question, read::summary)
    }

    fn stored(&self, workflow_id: &WorkflowId, run_id: Option<&RunId>) -> Result<Option<StoredRow>, StoreError> {
        self.view(async |connection| {
            let question = sqlx::query(statements::ONE_RUN).bind(workflow_id.as_str()).bind(run_id.map(RunId::as_str));
            let Some(row) = question.fetch_optional(&mut *connection).await? else { return Ok(None) };
            let run_id = read::run_id(&row)?;
            let results = sqlx::query(statements::RESULTS).bind(run_id.as_str()).fetch_all(&mut *connection).await?;
            let results = results.iter().map(read::result_row).collect::<Result<_, _>>()?;
            let carried = sqlx::query(statements::CARRIED).bind(run_id.as_str()).fetch_all(&mut *connection).await?;
            let carried = carried.iter().map(read::carried_row).collect::<Result<_, _>>()?;
            Ok(Some(read::stored(&row, results, carried)?))
        })
    }

    fn results(&self, run_id: &RunId) -> Result<Vec<ResultRow>, StoreError> {
        self.ask(sqlx::query(statements::RESULTS).bind(run_id.to_string()), read::result_row)
    }

    fn operations(&self, run_id: &RunId) -> Result<Vec<OperationRow>, StoreError> {
        self.ask(rows(statements::OPERATIONS, run_id.to_string(), 0..=u64::MAX), read::operation)
    }

    fn rows_of(&self, runs: &[(WorkflowId, RunId)]) -> Result<Vec<RunRows>, StoreError> {
        let mut all = Vec::with_capacity(runs.len());
        for runs in runs.chunks(statements::RUNS_AT_ONCE) {
            all.extend(self.view(async |connection| several::rows(connection, runs).await)?);
        }
        Ok(all)
    }

    fn partition_operations(
        &self,
        partition: u32,
        events: RangeInclusive<u64>,
    ) -> Result<Vec<OperationRow>, StoreError> {
        self.ask(rows(statements::OPERATIONS, partition_subject(partition), events), read::operation)
    }

    fn errors(&self, run_id: &RunId) -> Result<Vec<ErrorRow>, StoreError> {
        self.ask(rows(statements::ERRORS, run_id.to_string(), 0..=u64::MAX), read::error)
    }

    fn partition_errors(&self, partition: u32, events: RangeInclusive<u64>) -> Result<Vec<ErrorRow>, StoreError> {
        self.ask(rows(statements::ERRORS, partition_subject(partition), events), read::error)
    }

    fn metrics(&self, since: Timestamp) -> Result<Vec<(u32, MetricRow)>, StoreError> {
        self.ask(sqlx::query(statements::METRICS).bind(Micros(since)), read::metric)
    }

    fn sums(&self, partition: u32) -> Result<(Option<Position>, Vec<MetricRow>), StoreError> {
        self.view(async |connection| {
            let position = position::read(&mut *connection, partition).await?;
            let question = sqlx::query(statements::METRICS_OF).bind(i64::from(partition));
            let rows = question.fetch_all(&mut *connection).await?;
            let metrics = rows.iter().map(|row| Ok(read::metric(row)?.1));
            Ok((position, metrics.collect::<Result<_, StoreError>>()?))
        })
    }

    fn owners(&self, of: RowsOf, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let question = sqlx::query(statements::owners(of)).bind(after.to_owned()).bind(int(limit as u64));
        self.ask(question, |row| row.text(of.column()))
    }

    fn offsets(&self, run_id: &RunId) -> Result<Vec<u64>, StoreError> {
        let batches = self.ask(sqlx::query(statements::OFFSETS).bind(run_id.to_string()), read::offsets)?;
        Ok(batches.concat())
    }

    fn workflow_offsets(&self, partition: u32, workflow_id: &WorkflowId) -> Result<Vec<u64>, StoreError> {
        let question =
            sqlx::query(statements::WORKFLOW_OFFSETS).bind(i64::from(partition)).bind(workflow_id.to_string());
        Ok(self.ask(question, read::offsets)?.concat())
    }

    fn all_workflow_offsets(&self, partition: u32) -> Result<BTreeMap<WorkflowId, Vec<u64>>, StoreError> {
        let question = sqlx::query(statements::ALL_WORKFLOW_OFFSETS).bind(i64::from(partition));
        let mut all = BTreeMap::<WorkflowId, Vec<u64>>::new();
        for (workflow_id, offsets) in self.ask(question, read::workflow_offsets)? {
            all.entry(workflow_id).or_default().extend(offsets);
        }
        Ok(all)
    }

    fn letter_halves(&self, after: Option<&LetterId>, limit: usize) -> Result<Vec<LetterHalf>, StoreError> {
        let after = after.map_or_else(String::new, LetterId::to_string);
        self.ask(sqlx::query(letters::HALVES).bind(after).bind(int(limit as u64)), letters::half)
    }

    fn letters(&self, filter: &LetterFilter) -> Result<Vec<FoundLetter>, StoreError> {
        self.ask(about_letters(letters::LETTERS, filter), letters::found)
    }

    fn letter_document(&self, letter_id: &LetterId) -> Result<Option<String>, StoreError> {
        let question = sqlx::query(letters::DOCUMENT).bind(letter_id.to_string());
        Ok(self.ask(question, letters::document)?.pop())
    }

    fn letter_groups(&self, filter: &LetterFilter) -> Result<Vec<LetterGroup>, StoreError> {
        self.ask(about_letters(letters::LETTER_GROUPS, filter), letters::letter_group)
    }

    fn error_groups(&self, filter: &ErrorFilter) -> Result<Vec<ErrorGroup>, StoreError> {
        let question = sqlx::query(letters::ERROR_GROUPS)
            .bind(Micros(filter.since))
            .bind(Micros(filter.before))
            .bind(filter.agent.clone())
            .bind(filter.definition.clone())
            .bind(int(filter.limit as u64));
        self.ask(question, letters::error_group)
    }

    fn positions(&self) -> Result<Vec<(u32, Position)>, StoreError> {
        self.ask(sqlx::query(statements::POSITIONS), read::position)
    }
}

/// Rows of a run or a partition, of its events with these numbers.
fn rows(statement: &'static str, subject: String, events: RangeInclusive<u64>) -> Question {
    sqlx::query(statement).bind(subject).bind(int(*events.start())).bind(int(*events.end()))
}

fn about_letters(statement: &'static str, filter: &LetterFilter) -> Question {
    let (below_time, below_id) = filter.below.clone().unzip();
    sqlx::query(statement)
        .bind(filter.id.clone())
        .bind(filter.group.clone())
        .bind(filter.state.map(|state| state.as_str()))
        .bind(filter.kind.map(|kind| kind.as_str()))
        .bind(filter.agent.clone())
        .bind(filter.class.map(|class| class.as_str()))
        .bind(filter.code.clone())
        .bind(filter.workflow.clone())
        .bind(filter.definition.clone())
        .bind(Micros(filter.since))
        .bind(below_time.map(Micros))
        .bind(below_id.map(|id| id.to_string()))
        .bind(int(filter.limit as u64))
}
