//! What follows from an event for the outside, as data. The shell performs it once the event counts.

use super::event::{Event, NodeScheduled};
use super::failure::Failure;
use super::id::{AgentName, DispatchId, NodeId};
use super::json::Json;
use super::run::{Outcome, Run};

/// One effect of an event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Hand an attempt to its agent.
    Dispatch(Dispatch),
    /// Answer the client.
    Respond(Answer),
    /// Put an exhausted node where operators find it.
    DeadLetterNode(DeadNode),
}

/// An attempt for an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The idempotency key.
    pub dispatch_id: DispatchId,
    /// Whose topic it goes to.
    pub agent_name: AgentName,
    /// The input.
    pub input: Json,
    /// How long it may take from `started`, in milliseconds.
    pub timeout_ms: u64,
}

/// The answer of a run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
}

/// A node that has failed for good, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadNode {
    /// The attempt that failed last.
    pub dispatch_id: DispatchId,
    /// Who executed it.
    pub agent_name: AgentName,
    /// Its input; none where the input itself could not be made.
    pub input: Option<Json>,
    /// Why it failed.
    pub failure: Failure,
}

/// What follows from an event. `run` is the state after the event (or any later one: nothing that is read here
/// changes while it matters).
pub fn effects(event: &Event, run: &Run) -> Vec<Effect> {
    match event {
        Event::NodeScheduled(event) => vec![Effect::Dispatch(dispatch(event, run))],
        Event::NodeFailed(event) => vec![Effect::DeadLetterNode(DeadNode {
            dispatch_id: dispatch_id(run, &event.node_id, event.attempt),
            agent_name: event.agent_name.clone(),
            input: run.nodes.get(&event.node_id).and_then(|node| node.input.clone()),
            failure: event.failure(),
        })],
        Event::WorkflowCompleted(event) => {
            vec![Effect::Respond(Answer { outcome: Outcome::Answer(event.answer.clone()) })]
        }
        Event::WorkflowFailed(event) => vec![Effect::Respond(Answer {
            outcome: Outcome::Failure(
                event.node_id.clone(),
                Failure {
                    class: event.class,
                    code: event.code.clone(),
                    message: event.message.clone(),
                    details: event.details.clone(),
                },
            ),
        })],
        Event::WorkflowStarted(_)
        | Event::PlanMade(_)
        | Event::NodeStarted(_)
        | Event::NodeCompleted(_)
        | Event::StateTransitioned(_) => Vec::new(),
    }
}

fn dispatch(event: &NodeScheduled, run: &Run) -> Dispatch {
    Dispatch {
        dispatch_id: dispatch_id(run, &event.node_id, event.attempt),
        agent_name: event.agent_name.clone(),
        input: event.input.clone(),
        timeout_ms: event.timeout_ms,
    }
}

fn dispatch_id(run: &Run, node_id: &NodeId, attempt: u32) -> DispatchId {
    DispatchId { run_id: run.run_id.clone(), node_id: node_id.clone(), attempt }
}
