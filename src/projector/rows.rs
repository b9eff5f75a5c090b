//! The rows that events make, beside the state of their run.

use super::letters;
use crate::core::event::{Event, NodeFailed, PartitionEvent, Recorded, WorkflowFailed};
use crate::core::fingerprint;
use crate::core::id::{AgentName, LetterId, NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::run::{NodeRun, Run};
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use crate::core::usage::Usage;
use crate::journal::record::InputRecord;
use crate::store::letter::{HandledRow, LetterRow};
use crate::store::row::{
    CarriedRow, ErrorRow, MetricRow, OffsetsRow, Operation, OperationRow, ResultRow, WorkflowOffsetsRow, bucket_of,
    partition_subject,
};
use crate::wire::dead_letter;
use crate::wire::event::PartitionRecorded;
use std::collections::BTreeMap;

/// One minute, in microseconds.
const MINUTE: i64 = 60_000_000;

/// The rows of a batch that are appended or added up.
#[derive(Default)]
pub struct Rows {
    /// Outputs that runs took over as they began.
    pub carried: Vec<CarriedRow>,
    /// Attempts that ended.
    pub results: Vec<ResultRow>,
    /// Agent calls, state transitions, rejected and forwarded inputs.
    pub operations: Vec<OperationRow>,
    /// Failures and refusals.
    pub errors: Vec<ErrorRow>,
    /// Dead letters.
    pub letters: Vec<LetterRow>,
    /// What was last done with each dead letter.
    pub handled: BTreeMap<LetterId, HandledRow>,
    /// Calls by agent and minute.
    pub metrics: BTreeMap<(AgentName, Timestamp), MetricRow>,
    /// Where events stand, by run.
    pub offsets: BTreeMap<RunId, Vec<u64>>,
    /// Where events of the partition that name a workflow stand.
    pub workflow_offsets: BTreeMap<WorkflowId, Vec<u64>>,
}

impl Rows {
    /// The rows of an event of a run; `run` is the state after it, in the record at `offset`, if there is one.
    pub fn run_event(&mut self, recorded: &Recorded, run: &Run, offset: Option<u64>) {
        if let Some(offset) = offset {
            stands_at(self.offsets.entry(recorded.run_id.clone()).or_default(), offset);
        }
        match &recorded.event {
            Event::NodeCompleted(event) => {
                self.attempt_ended(recorded, run, (&event.node_id, NodeStatus::Completed), event.usage);
            }
            Event::NodeFailed(event) => {
                self.attempt_ended(recorded, run, (&event.node_id, NodeStatus::Failed), event.usage);
                self.errors.push(node_failed(recorded, event));
                self.letters.extend(letters::of_node(recorded, run));
            }
            Event::NodeRecovered(event) => {
                if let Some(node) = run.nodes.get(&event.node_id) {
                    self.results.push(result(recorded, &event.node_id, node, node.status, None));
                }
            }
            Event::StateTransitioned(event) => {
                let operation = Operation::StateTransition { from: event.from, to: event.to };
                self.operations.push(operation_of_run(recorded, operation));
            }
            Event::WorkflowFailed(event) => self.errors.push(workflow_failed(recorded, run, event)),
            Event::WorkflowStarted(event) => self.carried.extend(event.carried.iter().map(|carried| CarriedRow {
                run_id: recorded.run_id.clone(),
                node_id: carried.node_id.clone(),
                output: carried.output.clone(),
            })),
            Event::PlanMade(_)
            | Event::NodeScheduled(_)
            | Event::NodeStarted(_)
            | Event::NodeProgressed(_)
            | Event::NodeRetryScheduled(_)
            | Event::WorkflowCompleted(_) => {}
        }
    }

    fn attempt_ended(
        &mut self,
        recorded: &Recorded,
        run: &Run,
        (node_id, status): (&NodeId, NodeStatus),
        usage: Option<Usage>,
    ) {
        // An end of a node that was never scheduled changes no state, so it makes no row.
        let Some(node) = run.nodes.get(node_id) else { return };
        let duration = recorded.time.since(node.scheduled_at);
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.results.push(result(recorded, node_id, node, status, usage));
        if !node.ended_an_attempt() && status == NodeStatus::Failed {
            return;
        }
        let call = Operation::AgentCall {
            node_id: node_id.clone(),
            agent_name: node.agent_name.clone(),
            attempt: node.attempt,
            status,
            duration_us,
        };
        self.operations.push(operation_of_run(recorded, call));
        let call = MetricRow {
            agent_name: node.agent_name.clone(),
            minute: Timestamp(recorded.time.0 - recorded.time.0.rem_euclid(MINUTE)),
            calls: 1,
            failures: u64::from(status == NodeStatus::Failed),
            duration_us,
            usage: usage.unwrap_or_default(),
            buckets: one_in(bucket_of(duration_us)),
        };
        let sum = self.metrics.entry((call.agent_name.clone(), call.minute));
        sum.and_modify(|sum| sum.add(&call)).or_insert(call);
    }

    /// The rows of an event of the partition itself, in the record at `offset`, if there is one, and of the input that
    /// the journal keeps beside it.
    pub fn partition_event(&mut self, recorded: &PartitionRecorded, input: Option<&InputRecord>, offset: Option<u64>) {
        if let (Some(workflow_id), Some(offset)) = (recorded.event.workflow_id(), offset) {
            stands_at(self.workflow_offsets.entry(workflow_id.clone()).or_default(), offset);
        }
        match &recorded.event {
            PartitionEvent::InputRejected(event) => {
                let (reason, message) = (event.reason.clone(), event.message.clone());
                let operation = Operation::InputRejected { reason, message };
                self.operations.push(OperationRow {
                    subject: partition_subject(recorded.partition),
                    sequence: recorded.sequence,
                    workflow_id: event.workflow_id.clone(),
                    time: recorded.time,
                    operation,
                });
            }
            PartitionEvent::InputForwarded(event) => self.operations.push(OperationRow {
                subject: partition_subject(recorded.partition),
                sequence: recorded.sequence,
                workflow_id: event.workflow_id.clone(),
                time: recorded.time,
                operation: Operation::InputForwarded { to_partition: event.to_partition },
            }),
            PartitionEvent::InputRefused(event) => {
                self.errors.push(ErrorRow {
                    workflow_id: event.workflow_id.clone(),
                    details: event.details.clone(),
                    fingerprint: dead_letter::fingerprint_of_input(event),
                    ..error_of_partition(recorded, &event.reason, &event.message)
                });
                self.letters.extend(input.map(|input| letters::of_input(recorded, event, input)));
            }
            PartitionEvent::EffectFailed(event) => self.errors.push(ErrorRow {
                workflow_id: event.workflow_id.clone(),
                details: Some(Json::from_value(&serde_json::json!({"topic": event.topic, "step": event.step}))),
                fingerprint: fingerprint::of("effect", &event.topic, "", &event.effect, &event.message),
                ..error_of_partition(recorded, &event.effect, &event.message)
            }),
            PartitionEvent::InputLost(event) => self.errors.push(ErrorRow {
                details: Some(Json::from_value(
                    &serde_json::json!({"expected": event.expected, "resumed_at": event.resumed_at}),
                )),
                fingerprint: fingerprint::of("loss", &event.topic, "", "", &event.message),
                ..error_of_partition(recorded, &event.topic, &event.message)
            }),
            PartitionEvent::DeadLetterHandled(event) => {
                self.handled.insert(event.letter_id.clone(), letters::handled(recorded, event));
            }
            PartitionEvent::Trying(_) | PartitionEvent::BreakerChanged(_) => {}
        }
    }

    /// The offsets, a row a run.
    pub fn offset_rows(offsets: BTreeMap<RunId, Vec<u64>>) -> Vec<OffsetsRow> {
        offsets.into_iter().map(|(run_id, offsets)| OffsetsRow { run_id, offsets }).collect()
    }

    /// The offsets, a row a workflow.
    pub fn workflow_offset_rows(offsets: BTreeMap<WorkflowId, Vec<u64>>) -> Vec<WorkflowOffsetsRow> {
        offsets.into_iter().map(|(workflow_id, offsets)| WorkflowOffsetsRow { workflow_id, offsets }).collect()
    }
}

fn one_in(bucket: usize) -> [u64; 13] {
    let mut buckets = [0; 13];
    buckets[bucket] = 1;
    buckets
}

/// A record may hold several events.
fn stands_at(offsets: &mut Vec<u64>, offset: u64) {
    if offsets.last() != Some(&offset) {
        offsets.push(offset);
    }
}

fn result(
    recorded: &Recorded,
    node_id: &NodeId,
    node: &NodeRun,
    status: NodeStatus,
    usage: Option<Usage>,
) -> ResultRow {
    ResultRow {
        workflow_id: recorded.workflow_id.clone(),
        run_id: recorded.run_id.clone(),
        sequence: recorded.sequence,
        node_id: node_id.clone(),
        attempt: node.attempt,
        agent_name: node.agent_name.clone(),
        status,
        output: node.output.clone(),
        failure: node.failure.clone(),
        timeout_ms: node.timeout_ms,
        scheduled_at: node.scheduled_at,
        started_at: node.started_at,
        ended_at: recorded.time,
        usage,
    }
}

fn operation_of_run(recorded: &Recorded, operation: Operation) -> OperationRow {
    OperationRow {
        subject: recorded.run_id.to_string(),
        sequence: recorded.sequence,
        workflow_id: recorded.workflow_id.clone(),
        time: recorded.time,
        operation,
    }
}

fn node_failed(recorded: &Recorded, event: &NodeFailed) -> ErrorRow {
    ErrorRow {
        subject: recorded.run_id.to_string(),
        sequence: recorded.sequence,
        event: recorded.event.name(),
        workflow_id: Some(recorded.workflow_id.clone()),
        node_id: Some(event.node_id.clone()),
        agent_name: Some(event.agent_name.clone()),
        attempt: Some(event.attempt),
        class: Some(event.class),
        code: event.code.clone(),
        message: event.message.clone(),
        details: event.details.clone(),
        fingerprint: dead_letter::fingerprint_of_node(&event.agent_name, &event.failure()),
        time: recorded.time,
    }
}

fn workflow_failed(recorded: &Recorded, run: &Run, event: &WorkflowFailed) -> ErrorRow {
    let node = event.node_id.as_ref().and_then(|node_id| run.nodes.get(node_id));
    let agent = node.map_or("", |node| node.agent_name.as_str());
    ErrorRow {
        subject: recorded.run_id.to_string(),
        sequence: recorded.sequence,
        event: recorded.event.name(),
        workflow_id: Some(recorded.workflow_id.clone()),
        node_id: event.node_id.clone(),
        agent_name: node.map(|node| node.agent_name.clone()),
        attempt: node.map(|node| node.attempt),
        class: Some(event.class),
        code: event.code.clone(),
        message: event.message.clone(),
        details: event.details.clone(),
        fingerprint: fingerprint::of("workflow", agent, event.class.as_str(), &event.code, &event.message),
        time: recorded.time,
    }
}

fn error_of_partition(recorded: &PartitionRecorded, code: &str, message: &str) -> ErrorRow {
    ErrorRow {
        subject: partition_subject(recorded.partition),
        sequence: recorded.sequence,
        event: recorded.event.name(),
        workflow_id: None,
        node_id: None,
        agent_name: None,
        attempt: None,
        class: None,
        code: code.to_owned(),
        message: message.to_owned(),
        details: None,
        fingerprint: String::new(),
        time: recorded.time,
    }
}
