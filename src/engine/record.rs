//! Recording what was decided: events get their place, are applied, and go into the step.

use super::decide::{origin_of, traceparent};
use super::delays::tier_for;
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::step::Planned;
use super::timer;
use crate::core::command::Origin;
use crate::core::definition::graph::Graph;
use crate::core::event::{Event, InputRefused, InputRejected, NodeProgressed, NodeStarted, PartitionEvent, Recorded};
use crate::core::frontier::Frontier;
use crate::core::id::{RunId, WorkflowId};
use crate::core::rejection::{Refusal, Rejection};
use crate::core::time::Timestamp;
use crate::journal::record::{Cause, InputRecord};
use crate::log::Record;
use crate::wire::event::{PartitionRecorded, Published, encode, encode_partition};
use crate::wire::{chain, dead_letter};
use std::sync::Arc;
use std::time::Duration;

impl Owning {
    /// Gives events their place, applies them, and keeps them for the step.
    #[allow(clippy::too_many_arguments, reason = "a run's identity, what happened to it, and why")]
    pub(super) fn record(
        &mut self,
        workflow_id: &WorkflowId,
        run_id: &RunId,
        traceparent: Option<String>,
        events: Vec<Event>,
        cause: Cause,
        graph: Option<&Arc<Graph>>,
        now: Timestamp,
    ) -> Result<Planned, Stop> {
        let entry = self.state.runs.get(workflow_id);
        let (mut sequence, last) = entry.map_or((0, now), |entry| (entry.run.sequence, entry.run.time));
        let chain = entry.map_or(chain::START, |entry| entry.chain);
        let time = now.max(last);
        let mut recorded_events = Vec::with_capacity(events.len());
        self.changes += 1;
        for event in events {
            sequence += 1;
            let recorded = Recorded { workflow_id: workflow_id.clone(), run_id: run_id.clone(), sequence, time, event };
            let body = encode(&recorded);
            self.state.apply_run_event(&recorded, &body).map_err(|fault| self.broken(fault.to_string()))?;
            self.follow(&recorded, graph)?;
            if let Event::WorkflowFailed(failed) = &recorded.event {
                tracing::warn!(%workflow_id, %run_id, node_id = failed.node_id.as_ref().map(tracing::field::display),
                    class = failed.class.as_str(), code = failed.code, why = failed.message, "a run has failed");
            }
            recorded_events.push((Published::Run(recorded), body));
        }
        Ok(Planned { cause, chain, traceparent, events: recorded_events, input: None })
    }

    /// Keeps what is derived from the state beside it.
    fn follow(&mut self, recorded: &Recorded, graph: Option<&Arc<Graph>>) -> Result<(), Stop> {
        let Some(entry) = self.state.runs.get_mut(&recorded.workflow_id) else {
            self.continuing.remove(&recorded.workflow_id);
            return Ok(());
        };
        match (&mut entry.frontier, graph) {
            (Some(frontier), _) => {
                if let Err(failure) = frontier.observe(&recorded.event, &entry.run) {
                    return Err(self.broken(failure.message));
                }
            }
            (None, Some(graph)) => entry.frontier = Some(Frontier::at_start(&entry.run, graph)),
            (None, None) => {}
        }
        match &recorded.event {
            Event::WorkflowStarted(_) => {
                timer::workflow(&entry.run).into_iter().for_each(|timer| self.deadlines.add(timer))
            }
            Event::NodeScheduled(event) if event.attempt == 1 => {
                timer::node(&entry.run, &event.node_id).into_iter().for_each(|timer| self.deadlines.add(timer));
            }
            Event::NodeStarted(NodeStarted { node_id, .. }) | Event::NodeProgressed(NodeProgressed { node_id, .. }) => {
                timer::attempt(&entry.run, node_id).into_iter().for_each(|timer| self.deadlines.add(timer));
            }
            // A longer delay has a record that wakes it.
            Event::NodeRetryScheduled(event) if tier_for(Duration::from_millis(event.delay_ms)).is_none() => {
                timer::retry(&entry.run, &event.node_id).into_iter().for_each(|timer| self.delays.heap.add(timer));
            }
            _ => {}
        }
        self.breakers.observe(recorded, &entry.run);
        if entry.can_go_on() {
            self.continuing.insert(recorded.workflow_id.clone());
        } else {
            self.continuing.remove(&recorded.workflow_id);
        }
        Ok(())
    }

    /// An input goes to the dead letters, and if it is a request it is answered, under its origin.
    pub(super) fn refuse(&mut self, record: &Record, origin: Origin, refusal: Refusal, env: &mut Env) -> Planned {
        let kept = dead_letter::keep(record.key.as_ref(), record.value.as_ref(), &record.headers);
        let Refusal { reason, message, details, workflow_id } = refusal;
        tracing::warn!(topic = %record.topic, partition = record.partition, offset = record.offset,
            workflow_id = workflow_id.as_ref().map(tracing::field::display), reason = reason.as_str(), why = message,
            "an input is refused");
        let event = PartitionEvent::InputRefused(InputRefused {
            origin: origin.clone(),
            reason: reason.as_str().to_owned(),
            message,
            details,
            workflow_id,
        });
        self.record_partition_event(Cause::Input(origin), event, Some(kept), traceparent(record), env)
    }

    /// An input changes nothing: counted, with its reason.
    pub(super) fn reject(
        &mut self,
        record: &Record,
        workflow_id: WorkflowId,
        run_id: Option<RunId>,
        rejection: &Rejection,
        env: &mut Env,
    ) -> Planned {
        let origin = origin_of(record, &workflow_id, env.settings.partitions);
        // Repeated reports are what a takeover leaves behind; each is in the event stream, with its reason.
        tracing::debug!(topic = %record.topic, partition = record.partition, offset = record.offset, %workflow_id,
            reason = rejection.reason(), why = %rejection, "an input changes nothing");
        let event = PartitionEvent::InputRejected(InputRejected {
            origin: origin.clone(),
            reason: rejection.reason().to_owned(),
            message: rejection.to_string(),
            workflow_id,
            run_id,
        });
        self.record_partition_event(Cause::Input(origin), event, None, traceparent(record), env)
    }

    /// Records an event of the partition itself.
    pub(super) fn record_partition_event(
        &mut self,
        cause: Cause,
        event: PartitionEvent,
        input: Option<InputRecord>,
        traceparent: Option<String>,
        env: &mut Env,
    ) -> Planned {
        self.changes += 1;
        let chain = self.state.chain;
        let recorded = PartitionRecorded {
            partition: self.claimant.partition,
            sequence: self.state.sequence + 1,
            time: self.clock.at(env.now),
            event,
        };
        let body = encode_partition(&recorded);
        self.state.sequence = recorded.sequence;
        self.state.chain = chain::next(&chain, &body);
        Planned { cause, chain, traceparent, events: vec![(Published::Partition(recorded), body)], input }
    }
}
