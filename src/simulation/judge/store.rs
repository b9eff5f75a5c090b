//! The projection is the fold.

use super::journal::Told;
use crate::core::time::Timestamp;
use crate::log::Log;
use crate::log::memory::{MemoryLog, ProcessId};
use crate::projector::Projector;
use crate::store::memory::MemoryStore;
use crate::store::query::{Filter, Query};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The process that projects once more.
const REFEREE: ProcessId = ProcessId(9_000);

/// The store holds the runs that the journal tells of, as they are, and no others; it stands where they stand; and
/// every table is what one go over the journal makes of it, whatever interrupted the one that made it.
pub(super) fn check(log: &MemoryLog, store: &MemoryStore, told: &Told) -> Result<(), String> {
    check_runs(store, told).map_err(|error| error.to_string())??;
    check_position(store, told).map_err(|error| error.to_string())??;
    let anew = project(log, told.partition)?;
    let (expected, found) = (tables(&anew, told), tables(store, told));
    let (expected, found) = (expected.map_err(|error| error.to_string())?, found.map_err(|error| error.to_string())?);
    match expected.iter().zip(&found).find(|(expected, found)| expected != found) {
        Some((expected, found)) => Err(format!("the store: expected {expected}, found {found}")),
        None => Ok(()),
    }
}

fn check_runs(store: &MemoryStore, told: &Told) -> Result<Result<(), String>, StoreError> {
    for run in told.runs.values() {
        match store.run(&run.workflow_id, Some(&run.run_id))? {
            Some((place, stored)) if place == told.partition && stored == *run => {}
            Some((_, stored)) => return Ok(Err(format!("the store: expected {run:?}, found {stored:?}"))),
            None => return Ok(Err(format!("the store: run {} is missing", run.run_id))),
        }
    }
    let all = store.runs(&Filter { limit: usize::MAX, ..Filter::default() })?;
    let mut here = all.iter().filter(|summary| summary.partition == told.partition);
    Ok(match here.find(|summary| !told.runs.contains_key(&summary.run_id)) {
        Some(extra) => Err(format!("the store holds run {}, of which the journal does not tell", extra.run_id)),
        None => Ok(()),
    })
}

fn check_position(store: &MemoryStore, told: &Told) -> Result<Result<(), String>, StoreError> {
    let Some(position) = store.position(told.partition)? else { return Ok(Ok(())) };
    let inputs: BTreeMap<_, _> = position.inputs.iter().map(|input| (input.topic.clone(), input.clone())).collect();
    let found =
        (position.partition_sequence, position.partition_chain, &inputs, position.effects_through, &position.breakers);
    let told = &told.state;
    let expected = (told.sequence, told.chain, &told.inputs, told.effects_through, &told.breakers);
    if found == expected {
        return Ok(Ok(()));
    }
    Ok(Err(format!("the store stands at {found:?}, the journal at {expected:?}")))
}

/// A journal, projected in one go.
fn project(log: &MemoryLog, partition: u32) -> Result<MemoryStore, String> {
    let store = MemoryStore::new();
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let process = log.process(REFEREE);
    let mut projector = Projector::new(&process as &dyn Log, shared, partition).map_err(|error| error.to_string())?;
    for _ in 0..1_000 {
        if projector.poll(Duration::ZERO).map_err(|error| error.to_string())?.caught_up {
            return Ok(store);
        }
    }
    Err("the journal cannot be projected anew".to_owned())
}

/// Everything that the store says of a partition, a line a table and run.
fn tables(store: &MemoryStore, told: &Told) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    for run in told.runs.keys() {
        lines.push(format!("results {:?}", store.results(run)?));
        lines.push(format!("operations {:?}", store.operations(run)?));
        lines.push(format!("errors {:?}", store.errors(run)?));
        lines.push(format!("offsets of {run} {:?}", store.offsets(run)?));
    }
    lines.push(format!("operations {:?}", store.partition_operations(told.partition, 0..=u64::MAX)?));
    lines.push(format!("errors {:?}", store.partition_errors(told.partition, 0..=u64::MAX)?));
    let metrics = store.metrics(Timestamp(i64::MIN))?;
    let here: Vec<_> = metrics.into_iter().filter(|(partition, _)| *partition == told.partition).collect();
    lines.push(format!("metrics {here:?}"));
    Ok(lines)
}
