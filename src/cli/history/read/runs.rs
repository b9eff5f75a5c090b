//! What is found of the runs of a workflow, in whatever order and however often it is read.

use super::History;
use crate::core::event::{BreakerChanged, Event, PartitionEvent, Recorded};
use crate::core::id::{RunId, WorkflowId};
use crate::core::time::Timestamp;
use crate::journal::record::JournalRecord;
use crate::log::Record;
use crate::wire::event::{self, PartitionRecorded, Published};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// The runs of a workflow as far as they have been read.
pub(super) struct Runs {
    workflow_id: WorkflowId,
    /// The run that started last, and when.
    pub(super) newest: Option<(Timestamp, RunId)>,
    pub(super) events: BTreeMap<RunId, BTreeMap<u64, Recorded>>,
    /// What the partition says of the workflow, by sequence.
    beside: BTreeMap<u64, PartitionRecorded>,
    /// Whether every event of the partition itself comes by.
    pub(super) sees_all: bool,
    /// What they say of circuit breakers, by sequence.
    breakers: BTreeMap<u64, (Timestamp, BreakerChanged)>,
}

impl Runs {
    pub(super) fn new(workflow_id: &WorkflowId) -> Self {
        Self {
            workflow_id: workflow_id.clone(),
            newest: None,
            events: BTreeMap::new(),
            beside: BTreeMap::new(),
            sees_all: false,
            breakers: BTreeMap::new(),
        }
    }

    /// Whether an event is not a repetition of one that has been read.
    pub(super) fn is_next(&self, recorded: &Recorded) -> bool {
        let last = self.events.get(&recorded.run_id).and_then(|events| events.last_key_value());
        last.is_none_or(|(sequence, _)| recorded.sequence > *sequence)
    }

    pub(super) fn add(&mut self, recorded: Recorded) {
        if recorded.workflow_id != self.workflow_id {
            return;
        }
        let events = self.events.entry(recorded.run_id.clone()).or_default();
        let is_newest = self.newest.as_ref().is_none_or(|(started_at, _)| recorded.time >= *started_at);
        if matches!(recorded.event, Event::WorkflowStarted(_)) && is_newest {
            self.newest = Some((recorded.time, recorded.run_id.clone()));
        }
        events.insert(recorded.sequence, recorded);
    }

    pub(super) fn add_beside(&mut self, recorded: PartitionRecorded) {
        if let (true, PartitionEvent::BreakerChanged(change)) = (self.sees_all, &recorded.event) {
            self.breakers.insert(recorded.sequence, (recorded.time, change.clone()));
        }
        if recorded.event.workflow_id() == Some(&self.workflow_id) {
            self.beside.insert(recorded.sequence, recorded);
        }
    }

    pub(super) fn add_step(&mut self, record: &Record, decoded: &JournalRecord) -> Result<()> {
        let JournalRecord::Step(step) = decoded else { return Ok(()) };
        for body in step.transitions.iter().flat_map(|transition| &transition.events) {
            let place = || format!("journal/{}, offset {}", record.partition, record.offset);
            match event::decode(body).with_context(place)? {
                Published::Run(recorded) => self.add(recorded),
                Published::Partition(recorded) => self.add_beside(recorded),
            }
        }
        Ok(())
    }

    pub(super) fn history(mut self, partition: u32, run_id: Option<&RunId>) -> Option<History> {
        let run_id = run_id.or(self.newest.as_ref().map(|(_, run_id)| run_id))?.clone();
        let events = self.events.remove(&run_id)?;
        let is_of_it = |beside: &PartitionRecorded| match &beside.event {
            PartitionEvent::InputRejected(event) => event.run_id.as_ref().is_none_or(|of| *of == run_id),
            _ => true,
        };
        let beside = self.beside.into_values().filter(is_of_it).collect();
        let breakers = self.sees_all.then(|| self.breakers.into_values().collect());
        Some(History { partition, events: events.into_values().collect(), beside, breakers })
    }
}
