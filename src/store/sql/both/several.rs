//! All rows of several runs. Compiled for each driver: `super` says which.

use super::{Question, SqlConnection, SqlRow};
use crate::core::id::{RunId, WorkflowId};
use crate::store::StoreError;
use crate::store::query::{RowsOf, RunRows};
use crate::store::sql::cells::Cells;
use crate::store::sql::fault::Fault;
use crate::store::sql::statements::{OF_SEVERAL, RUNS_AT_ONCE};
use crate::store::sql::{read, statements};
use std::collections::HashMap;

/// The rows of at most [`RUNS_AT_ONCE`] runs, in their order; the caller has begun a transaction of one moment.
pub async fn rows(connection: &mut SqlConnection, runs: &[(WorkflowId, RunId)]) -> Result<Vec<RunRows>, Fault> {
    let statements: &'static statements::OfSeveral = &OF_SEVERAL;
    let mut read = Vec::new();
    for statement in [
        &statements.carried,
        &statements.results,
        &statements.operations,
        &statements.errors,
        &statements.offsets,
        &statements.runs,
    ] {
        read.push(asked(statement, runs).fetch_all(&mut *connection).await?);
    }
    let Ok([carried, results, operations, errors, offsets, own]) = <[Vec<SqlRow>; 6]>::try_from(read) else {
        return Ok(Vec::new());
    };
    let mut found = Found::of(runs);
    found.each(RowsOf::Results, &results, read::result_row, |rows, row| rows.results.push(row));
    found.each(RowsOf::Operations, &operations, read::operation, |rows, row| rows.operations.push(row));
    found.each(RowsOf::Errors, &errors, read::error, |rows, row| rows.errors.push(row));
    found.each(RowsOf::Offsets, &offsets, read::offsets, |rows, offsets| rows.offsets.extend(offsets));
    let mut taken_over = HashMap::<String, Vec<_>>::new();
    for row in &carried {
        match read::carried_row(row) {
            Ok(carried) => taken_over.entry(carried.run_id.to_string()).or_default().push(carried),
            Err(fault) => found.unreadable(RowsOf::Carried, row, &fault),
        }
    }
    let mut outputs = found.rows.iter().map(|rows| rows.results.clone()).collect::<Vec<_>>();
    for row in &own {
        let Some(at) = found.at(RowsOf::Runs, row) else { continue };
        let carried = taken_over.remove(runs[at].1.as_str()).unwrap_or_default();
        match read::stored(row, std::mem::take(&mut outputs[at]), carried) {
            Ok(stored) => found.rows[at].stored = Some(stored),
            Err(fault) => found.unreadable(RowsOf::Runs, row, &fault),
        }
    }
    Ok(found.rows)
}

/// A statement of so many parameters that its plan can be kept: the last run fills them up.
fn asked(statement: &'static str, runs: &[(WorkflowId, RunId)]) -> Question {
    let last = runs.last().map(|(_, run_id)| run_id.to_string());
    let ids = runs.iter().map(|(_, run_id)| Some(run_id.to_string()));
    ids.chain(std::iter::repeat(last)).take(RUNS_AT_ONCE).fold(sqlx::query(statement), |query, id| query.bind(id))
}

struct Found<'a> {
    places: HashMap<&'a str, usize>,
    rows: Vec<RunRows>,
}

impl<'a> Found<'a> {
    fn of(runs: &'a [(WorkflowId, RunId)]) -> Self {
        let places = runs.iter().enumerate().map(|(at, (_, run_id))| (run_id.as_str(), at)).collect();
        Self { places, rows: vec![RunRows::default(); runs.len()] }
    }

    /// Which run the row is of.
    fn at(&self, of: RowsOf, row: &SqlRow) -> Option<usize> {
        row.text(of.column()).ok().and_then(|id| self.places.get(id.as_str()).copied())
    }

    fn unreadable(&mut self, of: RowsOf, row: &SqlRow, fault: &StoreError) {
        if let Some(at) = self.at(of, row) {
            self.rows[at].unreadable.push((of, fault.to_string()));
        }
    }

    fn each<T>(
        &mut self,
        of: RowsOf,
        rows: &[SqlRow],
        read: impl Fn(&SqlRow) -> Result<T, StoreError>,
        put: impl Fn(&mut RunRows, T),
    ) {
        for row in rows {
            match (self.at(of, row), read(row)) {
                (Some(at), Ok(value)) => put(&mut self.rows[at], value),
                (Some(_), Err(fault)) => self.unreadable(of, row, &fault),
                (None, _) => {}
            }
        }
    }
}
