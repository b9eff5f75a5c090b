//! An owner's memory: at every step it is what folding its journal gives.

use super::Graphs;
use super::journal::Told;
use crate::core::frontier::Frontier;
use crate::core::id::WorkflowId;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::engine::owner::Owning;
use crate::engine::state::Entry;
use crate::journal::record::Owner;
use std::collections::BTreeMap;

/// Where an owner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) term: u64,
    pub(super) owner: Owner,
    /// The last step that it has decided.
    pub(super) decided: u64,
}

impl Standing {
    pub(super) fn of(owning: &Owning) -> Self {
        let (term, owner, decided) = owning.standing();
        Self { term, owner, decided }
    }
}

/// Compares everything that decisions depend on.
pub(super) fn compare(owning: &Owning, told: &Told, graphs: &Graphs) -> Result<(), String> {
    let (memory, fold) = (owning.state(), &told.state);
    if let Some(id) = memory.runs.keys().chain(fold.runs.keys()).find(|id| {
        let (mine, folded) = (memory.runs.get(*id), fold.runs.get(*id));
        mine.map(|entry| (&entry.run, entry.chain)) != folded.map(|entry| (&entry.run, entry.chain))
    }) {
        let (mine, folded) = (memory.runs.get(id), fold.runs.get(id));
        let run = |entry: Option<&Entry>| entry.map(|entry| entry.run.clone());
        return Err(format!("workflow {id:?}: expected {:?}, found {:?}", run(folded), run(mine)));
    }
    for entry in memory.runs.values() {
        let graph = graphs.get(&entry.run.definition.hash).ok_or("an unknown definition")?;
        let expected = Frontier::of(&entry.run, graph).map_err(|failure| failure.message)?;
        let found = entry.frontier.as_ref().ok_or_else(|| format!("run {} has no frontier", entry.run.run_id))?;
        let next = |frontier: &Frontier| {
            format!("{:?} ready, {:?} delayed, {:?}", frontier.ready(), frontier.delayed(), frontier.at_work())
        };
        let (expected, found) = (next(&expected), next(found));
        if expected != found {
            return Err(format!("run {}: expected {expected}, found {found}", entry.run.run_id));
        }
    }
    if memory.inputs != fold.inputs {
        return Err(format!("expected positions {:?}, found {:?}", fold.inputs, memory.inputs));
    }
    if (memory.sequence, memory.chain) != (fold.sequence, fold.chain) {
        return Err(format!("expected event {} of the partition, found {}", fold.sequence, memory.sequence));
    }
    compare_windows(owning, told)
}

/// The last run of every workflow that has ended is remembered: a run lasts seconds here, and the window a day.
fn compare_windows(owning: &Owning, told: &Told) -> Result<(), String> {
    let mut window = owning.state().window.clone();
    let mut last: BTreeMap<&WorkflowId, &Run> = BTreeMap::new();
    for run in told.runs.values().filter(|run| run.status.has_ended()) {
        let of = last.entry(&run.workflow_id).or_insert(run);
        if run.ended_at > of.ended_at {
            *of = run;
        }
    }
    for run in last.values() {
        let found = window.find(&run.workflow_id, Timestamp::default());
        if !found.is_some_and(|found| found.run_id == run.run_id && found.payload_hash == run.payload_hash) {
            return Err(format!("run {} has ended and is not remembered as that: {found:?}", run.run_id));
        }
    }
    if window.len() == last.len() {
        Ok(())
    } else {
        Err(format!("{} workflows have ended, {} are remembered", last.len(), window.len()))
    }
}
