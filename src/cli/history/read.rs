//! The events of a run: from the journal where the store says they stand, or from the whole event stream.

mod journal;
mod runs;

pub use journal::unprojected;

use crate::core::apply::fold;
use crate::core::breaker::{self, BreakerState};
use crate::core::event::{BreakerChanged, Recorded};
use crate::core::id::{AgentName, RunId, WorkflowId};
use crate::core::partition::partition_of;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::installation::records::read_to_end;
use crate::log::{Log, LogError, Record, Topic};
use crate::store::Store;
use crate::store::row::partition_subject;
use crate::wire::event::{self, PartitionRecorded, Published};
use crate::wire::{chain, headers};
use anyhow::{Context, Error, Result, anyhow, bail};
use journal::{read_at, read_unprojected};
use runs::Runs;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// The events of a run, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The partition it lives in.
    pub partition: u32,
    /// The events, by sequence.
    pub events: Vec<Recorded>,
    /// Events of the partition that name the workflow and no other run of it, by sequence: inputs that were rejected or
    /// refused, letters that were worked off.
    pub beside: Vec<PartitionRecorded>,
    /// Every change of a circuit breaker of the partition, and when; none: not all of them were read.
    pub breakers: Option<Vec<(Timestamp, BreakerChanged)>>,
}

impl History {
    /// Whether its first event is there.
    fn begins(&self) -> bool {
        self.events.first().is_some_and(|first| first.sequence == 1)
    }

    /// The circuit breakers that were not closed at a moment; none: not known.
    pub fn breakers_at(&self, time: Timestamp) -> Option<BTreeMap<AgentName, BreakerState>> {
        let mut states = BTreeMap::new();
        for (at, change) in self.breakers.as_ref()?.iter().filter(|(at, _)| *at <= time) {
            breaker::record(&mut states, change, *at);
        }
        Some(states)
    }

    /// All events in the order of time; those of the run stand before what was said of it at the same moment.
    pub fn in_order(&self) -> Vec<Published> {
        let run = self.events.iter().cloned().map(Published::Run);
        let mut all: Vec<_> = run.chain(self.beside.iter().cloned().map(Published::Partition)).collect();
        all.sort_by_key(|event| match event {
            Published::Run(recorded) => recorded.time,
            Published::Partition(recorded) => recorded.time,
        });
        all
    }
}

/// Folds a whole history.
///
/// # Errors
/// Where it is not whole, or not in order.
pub fn folded(events: &[Recorded]) -> Result<Run> {
    let mut run = None;
    for event in events {
        fold(&mut run, event).context("the history is broken")?;
    }
    run.ok_or_else(|| anyhow!("the history is empty"))
}

/// The events of a run (the newest of the workflow, or the one asked for), from the journal: first what the store
/// knows the place of, then what is not projected yet. Where the journal has lost some of them, from the event stream.
///
/// # Errors
/// Where log or store do not answer, or the journal is not readable.
pub fn from_journal(
    log: &dyn Log,
    store: &dyn Store,
    workflow_id: &WorkflowId,
    run_id: Option<&RunId>,
) -> Result<Option<History>> {
    let partition = home(log, workflow_id)?;
    // The position first: what is projected after it shows up in both, and twice is once.
    let position = store.position(partition)?;
    let stored = store.query().run(workflow_id, run_id)?.map(|(_, run)| (run.started_at, run.run_id));
    let mut found = Runs::new(workflow_id);
    if let Some(known) = &stored {
        found.newest = Some(known.clone());
        let (_, known) = known;
        let beside = store.query().workflow_offsets(partition, workflow_id)?;
        let offsets: BTreeSet<u64> = store.query().offsets(known)?.into_iter().chain(beside).collect();
        if !read_at(log, partition, &offsets, &mut found)? {
            return from_events(log, workflow_id, run_id);
        }
    }
    read_unprojected(log, partition, position.as_ref(), &mut found)?;
    match found.history(partition, run_id) {
        // Of what a journal has lost, the store that was made anew since knows no place.
        Some(history) if !history.begins() => from_events(log, workflow_id, run_id),
        None if stored.is_some() => from_events(log, workflow_id, run_id),
        found => Ok(found),
    }
}

/// The events of a run from the event stream, read from its start.
///
/// # Errors
/// Where the log does not answer, or a record does not continue the run's hash chain.
pub fn from_events(log: &dyn Log, workflow_id: &WorkflowId, run_id: Option<&RunId>) -> Result<Option<History>> {
    let partition = home(log, workflow_id)?;
    let mut found = Runs::new(workflow_id);
    found.sees_all = true;
    let mut chains: BTreeMap<RunId, [u8; 16]> = BTreeMap::new();
    let of_partition = partition_subject(partition);
    read_to_end(log, &Topic::Events, partition, 0, |record| {
        let key = record.key.as_deref().unwrap_or_default();
        if key == workflow_id.as_str().as_bytes() || key == of_partition.as_bytes() {
            match decoded(&record)? {
                Some(Published::Run(recorded)) if found.is_next(&recorded) => {
                    check_chain(&record, &recorded, &mut chains)?;
                    found.add(recorded);
                }
                Some(Published::Partition(recorded)) => found.add_beside(recorded),
                Some(Published::Run(_)) | None => {}
            }
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(found.history(partition, run_id))
}

fn home(log: &dyn Log, workflow_id: &WorkflowId) -> Result<u32> {
    let partitions = log.partitions(&Topic::Journal)?;
    let partitions = partitions.ok_or_else(|| LogError::UnknownTopic(Topic::Journal.to_string()))?;
    Ok(partition_of(workflow_id.as_str().as_bytes(), partitions))
}

fn decoded(record: &Record) -> Result<Option<Published>> {
    let place = || format!("{}/{}, offset {}", record.topic, record.partition, record.offset);
    record.value.as_deref().map(event::decode).transpose().with_context(place)
}

/// Holds a record against the run's hash chain, where the record carries one and the chain is known from its start.
fn check_chain(record: &Record, recorded: &Recorded, chains: &mut BTreeMap<RunId, [u8; 16]>) -> Result<()> {
    let (Some(found), Some(body)) = (record.header(headers::CHAIN), &record.value) else { return Ok(()) };
    let previous = match recorded.sequence {
        1 => chain::START,
        _ => match chains.get(&recorded.run_id) {
            Some(previous) => *previous,
            None => return Ok(()),
        },
    };
    let expected = chain::next(&previous, body);
    let digits: String = hex::encode(expected);
    if found != digits.as_bytes() {
        bail!(
            "event {} of run {} does not continue the run's hash chain: expected {digits}, found {}; something was \
             changed or left out",
            recorded.sequence,
            recorded.run_id,
            String::from_utf8_lossy(found)
        );
    }
    chains.insert(recorded.run_id.clone(), expected);
    Ok(())
}

#[cfg(test)]
mod tests;
