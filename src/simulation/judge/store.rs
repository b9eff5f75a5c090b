//! The projection is the fold.

use super::journal::Told;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::query::Filter;
use std::collections::BTreeMap;

/// The store holds the runs that the journal tells of, as they are, and no others; and it stands where they stand.
pub(super) fn check(store: &MemoryStore, told: &Told) -> Result<(), String> {
    let query = store.query();
    for run in told.runs.values() {
        let found = query.run(&run.workflow_id, Some(&run.run_id)).map_err(|error| error.to_string())?;
        match found {
            Some((place, stored)) if place == told.partition && stored == *run => {}
            Some((_, stored)) => return Err(format!("the store: expected {run:?}, found {stored:?}")),
            None => return Err(format!("the store: run {} is missing", run.run_id)),
        }
    }
    let all = query.runs(&Filter { limit: usize::MAX, ..Filter::default() }).map_err(|error| error.to_string())?;
    let here = all.iter().filter(|summary| summary.partition == told.partition);
    if let Some(extra) = here.clone().find(|summary| !told.runs.contains_key(&summary.run_id)) {
        return Err(format!("the store holds run {}, of which the journal does not tell", extra.run_id));
    }
    let Some(position) = store.position(told.partition).map_err(|error| error.to_string())? else {
        return Ok(());
    };
    let inputs: BTreeMap<_, _> = position.inputs.iter().map(|input| (input.topic.clone(), input.clone())).collect();
    let found = (position.partition_sequence, position.partition_chain, &inputs, position.effects_through);
    let expected = (told.state.sequence, told.state.chain, &told.state.inputs, told.state.effects_through);
    if found != expected {
        return Err(format!("the store stands at {found:?}, the journal at {expected:?}"));
    }
    Ok(())
}
