//! What follows from an event for the outside, as data. The shell performs it once the event counts.
//!
//! Effects follow from the event alone, so that they can be performed again after a crash without the state of then.

use super::definition::DefinitionRef;
use super::event::{Event, NodeFailed, NodeRetryScheduled, NodeScheduled, Recorded};
use super::failure::{Failure, FinalBecause};
use super::id::{AgentName, DispatchId, LetterId, NodeId, RunId};
use super::json::Json;
use super::run::Outcome;
use super::time::Timestamp;

/// One effect of an event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Hand an attempt to its agent.
    Dispatch(Dispatch),
    /// Answer the client.
    Respond(Answer),
    /// Wake the engine when an attempt is due.
    Delay(Delay),
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
    /// Whether a heartbeat begins that time anew.
    pub heartbeat: bool,
}

/// An attempt that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delay {
    /// The attempt.
    pub dispatch_id: DispatchId,
    /// How long it waits from the event on, in milliseconds.
    pub delay_ms: u64,
    /// When it is due.
    pub due_at: Timestamp,
}

/// The answer of a run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it executed.
    pub definition: DefinitionRef,
    /// How it ended.
    pub outcome: Outcome,
    /// The story of the failure of its node, if it failed by one.
    pub context: Option<Json>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// A node that has failed for good, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadNode {
    /// What the letter is called.
    pub letter_id: LetterId,
    /// The attempt that failed last.
    pub dispatch_id: DispatchId,
    /// Who executed it.
    pub agent_name: AgentName,
    /// Its input; none where the input itself could not be made.
    pub input: Option<Json>,
    /// Why it failed.
    pub failure: Failure,
}

/// What follows from an event.
pub fn effects(recorded: &Recorded) -> Vec<Effect> {
    let Recorded { run_id, sequence, time, event, .. } = recorded;
    match event {
        Event::NodeScheduled(event) => vec![Effect::Dispatch(dispatch(run_id, event))],
        // One that is handled leaves nothing to be done by hand.
        Event::NodeFailed(event) if is_exhausted(event) && event.fails_the_run() => {
            vec![Effect::DeadLetterNode(dead_node(run_id, *sequence, event))]
        }
        Event::NodeRetryScheduled(event) => vec![Effect::Delay(delay(run_id, event))],
        Event::WorkflowCompleted(event) => vec![Effect::Respond(Answer {
            definition: event.definition.clone(),
            outcome: Outcome::Answer(event.answer.clone()),
            context: None,
            started_at: event.started_at,
            ended_at: *time,
        })],
        Event::WorkflowFailed(event) => vec![Effect::Respond(Answer {
            definition: event.definition.clone(),
            outcome: Outcome::Failure(event.node_id.clone(), event.failure()),
            context: event.context.clone(),
            started_at: event.started_at,
            ended_at: *time,
        })],
        Event::WorkflowStarted(_)
        | Event::PlanMade(_)
        | Event::NodeStarted(_)
        | Event::NodeProgressed(_)
        | Event::NodeRecovered(_)
        | Event::NodeCompleted(_)
        | Event::NodeFailed(_)
        | Event::StateTransitioned(_) => Vec::new(),
    }
}

/// Whether a node has failed for good by itself: one that is not tried again because its run has failed elsewhere
/// leaves nothing to work off.
fn is_exhausted(event: &NodeFailed) -> bool {
    match event.final_because {
        None | Some(FinalBecause::RunFailed) => false,
        Some(
            FinalBecause::NotRetryable
            | FinalBecause::RetriesExhausted
            | FinalBecause::MaxElapsed
            | FinalBecause::TotalTimeout,
        ) => true,
    }
}

fn dispatch(run_id: &RunId, event: &NodeScheduled) -> Dispatch {
    Dispatch {
        dispatch_id: dispatch_id(run_id, &event.node_id, event.attempt),
        agent_name: event.agent_name.clone(),
        input: event.input.clone(),
        timeout_ms: event.timeout_ms,
        heartbeat: event.heartbeat,
    }
}

fn delay(run_id: &RunId, event: &NodeRetryScheduled) -> Delay {
    Delay {
        dispatch_id: dispatch_id(run_id, &event.node_id, event.attempt),
        delay_ms: event.delay_ms,
        due_at: event.due_at,
    }
}

fn dead_node(run_id: &RunId, sequence: u64, event: &NodeFailed) -> DeadNode {
    DeadNode {
        letter_id: LetterId::of_node(run_id, sequence),
        dispatch_id: dispatch_id(run_id, &event.node_id, event.attempt),
        agent_name: event.agent_name.clone(),
        input: event.input.clone(),
        failure: event.failure(),
    }
}

fn dispatch_id(run_id: &RunId, node_id: &NodeId, attempt: u32) -> DispatchId {
    DispatchId { run_id: run_id.clone(), node_id: node_id.clone(), attempt }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failure::{ClassifiedBy, FailureClass, Handling};
    use crate::core::id::WorkflowId;

    fn letters(final_because: Option<FinalBecause>, handling: Option<Handling>) -> usize {
        let event = Event::NodeFailed(NodeFailed {
            node_id: NodeId::new("pay").unwrap(),
            agent_name: AgentName::new("shop").unwrap(),
            attempt: 2,
            class: FailureClass::Retryable,
            code: "http_503".to_owned(),
            message: "no".to_owned(),
            details: None,
            input: None,
            classified_by: ClassifiedBy::Table,
            retry_after_ms: None,
            final_because,
            handling,
            usage: None,
        });
        let workflow_id = WorkflowId::new("w").unwrap();
        let run_id = RunId::new(&"a".repeat(32)).unwrap();
        effects(&Recorded { workflow_id, run_id, sequence: 7, time: Timestamp(0), event }).len()
    }

    #[test]
    fn only_a_node_that_has_exhausted_itself_and_fails_its_run_is_a_dead_letter() {
        let exhausted = [
            FinalBecause::NotRetryable,
            FinalBecause::RetriesExhausted,
            FinalBecause::MaxElapsed,
            FinalBecause::TotalTimeout,
        ];
        for exhausted in exhausted.map(Some) {
            assert_eq!(letters(exhausted, None), 1, "{exhausted:?}");
            assert_eq!(letters(exhausted, Some(Handling::Compensate)), 1, "{exhausted:?}");
            assert_eq!(letters(exhausted, Some(Handling::Skip)), 0, "{exhausted:?}");
        }
        assert_eq!((letters(None, None), letters(Some(FinalBecause::RunFailed), None)), (0, 0));
    }
}
