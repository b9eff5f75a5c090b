//! Effects as records: what is appended where, once a step counts.

use super::delays::tier_for;
use super::step::Planned;
use crate::core::effect::{Answer, Delay, Dispatch, Effect, effects};
use crate::core::event::{InputForwarded, InputRefused, InputRejected, PartitionEvent, Recorded};
use crate::core::id::{DispatchId, LetterId, WorkflowId};
use crate::core::partition::partition_of;
use crate::core::rejection::Rejection;
use crate::journal::record::InputRecord;
use crate::log::{Header, NewRecord, Topic};
use crate::planted::{Bug, is_planted};
use crate::wire::answer::Response;
use crate::wire::event::{PartitionRecorded, Published};
use crate::wire::task::Task;
use crate::wire::wakeup::{self, Wakeup};
use crate::wire::{answer, chain, dead_letter, headers, request, task};
use bytes::Bytes;
use std::time::Duration;

/// Where a step stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The installation.
    pub namespace: &'a str,
    /// The partition.
    pub partition: u32,
    /// How many there are.
    pub partitions: u32,
    /// The step's offset in the journal.
    pub offset: u64,
}

/// Which effect a record performs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EffectRef {
    /// The kind.
    pub kind: EffectKind,
    /// The workflow it belongs to.
    pub workflow_id: Option<WorkflowId>,
    /// For a dispatch: which.
    pub dispatch_id: Option<DispatchId>,
}

/// The kinds of effect that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EffectKind {
    /// Hand an attempt to its agent.
    Dispatch,
    /// Answer a client.
    Respond,
    /// Put something where operators find it.
    DeadLetter,
    /// Send an input on to its partition.
    Forward,
    /// Wake the engine when an attempt is due.
    Delay,
}

impl EffectKind {
    /// The word in events and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Respond => "respond",
            Self::DeadLetter => "dead_letter",
            Self::Forward => "forward",
            Self::Delay => "delay",
        }
    }
}

/// The records of the event stream that publish a transition, in order.
pub fn publications(planned: &Planned, place: Place) -> Vec<NewRecord> {
    let mut chain = planned.chain;
    let record = |(published, body): &(Published, Bytes)| {
        chain = chain::next(&chain, body);
        let traceparent = planned.traceparent.as_deref();
        NewRecord {
            topic: Topic::Events,
            partition: Some(place.partition),
            key: Some(key(published)),
            value: Some(body.clone()),
            headers: headers::event_headers(place.namespace, published, body, place.offset, &chain, traceparent),
        }
    };
    planned.events.iter().map(record).collect()
}

fn key(published: &Published) -> Bytes {
    match published {
        Published::Run(recorded) => Bytes::copy_from_slice(recorded.workflow_id.as_str().as_bytes()),
        Published::Partition(recorded) => Bytes::from(format!("partition-{}", recorded.partition)),
    }
}

/// How an effect is performed.
#[derive(Clone, Debug)]
pub enum Deed {
    /// By a record.
    Record(NewRecord),
    /// By handing an attempt to its agent, with the trace context of its run.
    Attempt(Task, Option<Bytes>),
}

/// What performs the effects of a transition, except publication.
pub fn performances(planned: &Planned, place: Place) -> Vec<(EffectRef, Deed)> {
    let mut out = Vec::new();
    for (published, _) in &planned.events {
        match published {
            Published::Run(recorded) => {
                for effect in effects(recorded) {
                    out.extend(perform(recorded, effect, planned, place));
                }
            }
            Published::Partition(recorded) => perform_partition(recorded, planned, place, &mut out),
        }
    }
    out
}

fn perform(recorded: &Recorded, effect: Effect, planned: &Planned, place: Place) -> Option<(EffectRef, Deed)> {
    let workflow_id = recorded.workflow_id.clone();
    let (effect, record) = match effect {
        Effect::Dispatch(dispatch) => {
            let reference = reference(EffectKind::Dispatch, Some(workflow_id), Some(dispatch.dispatch_id.clone()));
            return Some((reference, attempt(recorded, dispatch, planned, place)));
        }
        Effect::Respond(answer) => {
            let record = response(place, answer_of(recorded, answer), trace(planned));
            (reference(EffectKind::Respond, Some(workflow_id), None), record)
        }
        Effect::Delay(delay) => {
            let reference = reference(EffectKind::Delay, Some(workflow_id), Some(delay.dispatch_id.clone()));
            (reference, delay_record(recorded, delay, place)?)
        }
        Effect::DeadLetterNode(node) => {
            let value = dead_letter::encode_node(&workflow_id, &node);
            let record = letter(place, Some(&workflow_id), value, trace(planned));
            (reference(EffectKind::DeadLetter, Some(workflow_id), Some(node.dispatch_id)), record)
        }
    };
    Some((effect, Deed::Record(record)))
}

/// None: the attempt waits in memory alone.
fn delay_record(recorded: &Recorded, delay: Delay, place: Place) -> Option<NewRecord> {
    let tier = tier_for(Duration::from_millis(delay.delay_ms))?;
    let workflow_id = recorded.workflow_id.clone();
    let key = Bytes::copy_from_slice(workflow_id.as_str().as_bytes());
    let wakeup = Wakeup { dispatch_id: delay.dispatch_id, workflow_id, due_at: delay.due_at };
    Some(NewRecord {
        topic: Topic::Delay(tier),
        partition: Some(place.partition),
        key: Some(key),
        value: Some(wakeup::encode(&wakeup)),
        headers: Vec::new(),
    })
}

fn attempt(recorded: &Recorded, dispatch: Dispatch, planned: &Planned, place: Place) -> Deed {
    let task = Task {
        dispatch_id: dispatch.dispatch_id,
        workflow_id: recorded.workflow_id.clone(),
        agent_name: dispatch.agent_name,
        input: dispatch.input,
        timeout_ms: dispatch.timeout_ms,
        heartbeat: dispatch.heartbeat,
        reply_topic: format!("{}.{}", place.namespace, Topic::Results),
        reply_partition: place.partition,
    };
    Deed::Attempt(task, planned.traceparent.clone().map(Bytes::from))
}

/// The record by which an attempt goes to the workers of its agent.
pub fn ready_record(task: &Task, traceparent: Option<Bytes>) -> NewRecord {
    NewRecord {
        topic: Topic::Ready(task.agent_name.clone()),
        partition: None,
        key: Some(Bytes::from(task::key(&task.workflow_id, &task.dispatch_id.node_id))),
        value: Some(task::encode(task)),
        headers: traceparent.map(|value| (headers::TRACEPARENT.into(), value)).into_iter().collect(),
    }
}

fn answer_of(recorded: &Recorded, answer: Answer) -> Response {
    Response::Answer {
        workflow_id: recorded.workflow_id.clone(),
        run_id: recorded.run_id.clone(),
        definition: answer.definition,
        outcome: answer.outcome,
        context: answer.context,
        started_at: answer.started_at,
        ended_at: answer.ended_at,
    }
}

fn perform_partition(recorded: &PartitionRecorded, planned: &Planned, place: Place, out: &mut Vec<(EffectRef, Deed)>) {
    match &recorded.event {
        PartitionEvent::InputRefused(refused) => {
            let letter_id = LetterId::of_input(recorded.partition, recorded.sequence);
            perform_refusal(&letter_id, refused, planned, place, out);
        }
        PartitionEvent::InputRejected(rejected) => {
            if is_request(&rejected.origin.topic) && rejected.reason != Rejection::ALREADY_ACCEPTED {
                let record = response(place, refusal_of_duplicate(rejected), trace(planned));
                out.push((
                    reference(EffectKind::Respond, Some(rejected.workflow_id.clone()), None),
                    Deed::Record(record),
                ));
            }
        }
        PartitionEvent::InputForwarded(forwarded) => {
            if let Some(input) = &planned.input {
                let record = forward(forwarded, input);
                out.push((
                    reference(EffectKind::Forward, Some(forwarded.workflow_id.clone()), None),
                    Deed::Record(record),
                ));
            }
        }
        PartitionEvent::DeadLetterHandled(_)
        | PartitionEvent::EffectFailed(_)
        | PartitionEvent::InputLost(_)
        | PartitionEvent::Trying(_)
        | PartitionEvent::BreakerChanged(_) => {}
    }
}

fn perform_refusal(
    letter_id: &LetterId,
    refused: &InputRefused,
    planned: &Planned,
    place: Place,
    out: &mut Vec<(EffectRef, Deed)>,
) {
    let workflow_id = refused.workflow_id.clone();
    if let Some(input) = planned.input.as_ref().filter(|_| !is_planted(Bug::WritesNoLetter)) {
        let value = dead_letter::encode_input(letter_id, refused, input);
        let record = letter(place, workflow_id.as_ref(), value, trace(planned));
        out.push((reference(EffectKind::DeadLetter, workflow_id.clone(), None), Deed::Record(record)));
    }
    if is_request(&refused.origin.topic) {
        let refusal = Response::Refused {
            workflow_id: workflow_id.clone(),
            run_id: None,
            reason: refused.reason.clone(),
            message: refused.message.clone(),
            details: refused.details.clone(),
            origin: refused.origin.clone(),
        };
        let record = response(place, refusal, trace(planned));
        out.push((reference(EffectKind::Respond, workflow_id, None), Deed::Record(record)));
    }
}

fn refusal_of_duplicate(rejected: &InputRejected) -> Response {
    Response::Refused {
        workflow_id: Some(rejected.workflow_id.clone()),
        run_id: rejected.run_id.clone(),
        reason: rejected.reason.clone(),
        message: rejected.message.clone(),
        details: None,
        origin: rejected.origin.clone(),
    }
}

fn forward(forwarded: &InputForwarded, input: &InputRecord) -> NewRecord {
    let is_of = |topic: &&Topic| topic.to_string() == forwarded.origin.topic;
    // Nothing else is ever sent on.
    let topic = [Topic::Requests, Topic::Signals].iter().find(is_of).cloned().unwrap_or(Topic::Results);
    let mut headers = input.headers.clone();
    if !is_planted(Bug::ForwardsWithoutOrigin) {
        headers.push((headers::ORIGIN.into(), Bytes::from(request::write_origin(&forwarded.origin))));
    }
    NewRecord {
        topic,
        partition: Some(forwarded.to_partition),
        key: Some(Bytes::copy_from_slice(forwarded.workflow_id.as_str().as_bytes())),
        value: input.value.clone(),
        headers,
    }
}

fn response(place: Place, response: Response, headers: Vec<Header>) -> NewRecord {
    let workflow_id = match &response {
        Response::Answer { workflow_id, .. } => Some(workflow_id.clone()),
        Response::Refused { workflow_id, .. } => workflow_id.clone(),
    };
    NewRecord {
        topic: Topic::Responses,
        partition: Some(home(workflow_id.as_ref(), place)),
        key: workflow_id.map(|id| Bytes::copy_from_slice(id.as_str().as_bytes())),
        value: Some(answer::encode(&response)),
        headers,
    }
}

fn letter(place: Place, workflow_id: Option<&WorkflowId>, value: Bytes, headers: Vec<Header>) -> NewRecord {
    NewRecord {
        topic: Topic::DeadLetters,
        partition: Some(home(workflow_id, place)),
        key: workflow_id.map(|id| Bytes::copy_from_slice(id.as_str().as_bytes())),
        value: Some(value),
        headers,
    }
}

/// Responses and dead letters lie in the partition of their workflow; what names none, in the one it came from.
fn home(workflow_id: Option<&WorkflowId>, place: Place) -> u32 {
    workflow_id.map_or(place.partition, |id| partition_of(id.as_str().as_bytes(), place.partitions))
}

fn is_request(topic: &str) -> bool {
    topic == Topic::Requests.to_string()
}

fn trace(planned: &Planned) -> Vec<Header> {
    let header = |text: &String| (headers::TRACEPARENT.into(), Bytes::from(text.clone()));
    planned.traceparent.iter().map(header).collect()
}

fn reference(kind: EffectKind, workflow_id: Option<WorkflowId>, dispatch_id: Option<DispatchId>) -> EffectRef {
    EffectRef { kind, workflow_id, dispatch_id }
}
