//! Reasons that concern the run as a whole.

use super::{Facts, Letter, Next, Reason, Why, node};
use crate::core::failure::Failure;
use crate::core::id::{LetterId, NodeId};
use crate::core::run::{Outcome, Run};
use crate::core::status::Status;
use crate::core::time::Timestamp;
use std::time::Duration;

/// The reasons of the run.
pub(super) fn reasons(facts: &Facts) -> Vec<Reason> {
    let of_the_run = |why| Reason { node: None, why };
    match facts.run.ended_at {
        Some(at) => vec![ended(facts, at)],
        None => {
            let held = facts.owner.iter().filter(|owner| !owner.is_held).cloned().map(Why::NoOwner);
            let before = held.chain(set_aside(facts)).chain(by_status(facts.run.status)).map(of_the_run);
            before.chain(failing(facts)).chain(deadline(facts.run).map(of_the_run)).collect()
        }
    }
}

fn ended(facts: &Facts, at: Timestamp) -> Reason {
    match &facts.run.outcome {
        Some(Outcome::Failure(cause, failure)) => {
            let node = cause.as_ref().and_then(|id| facts.run.nodes.get_key_value(id));
            let attempt = node.map(|(id, node)| node::attempt(facts, id, node, node.attempt));
            let why = Why::RunFailed {
                at,
                failure: failure.clone(),
                attempt,
                exhausted: cause.is_some() && failure.class.may_be_retried(),
                letter: cause.as_ref().and_then(|id| letter(facts, id)),
            };
            Reason { node: cause.clone(), why }
        }
        Some(Outcome::Answer(_)) => Reason { node: None, why: Why::Completed { at } },
        None => Reason { node: None, why: Why::RunCancelled { at } },
    }
}

fn set_aside(facts: &Facts) -> Option<Why> {
    let Next::Aside(why) = &facts.next else { return None };
    Some(Why::SetAside { definition: facts.run.definition.clone(), why: why.clone() })
}

fn by_status(status: Status) -> Option<Why> {
    match status {
        Status::Paused => Some(Why::Paused),
        Status::Waiting => Some(Why::AwaitingSignal),
        // Their nodes say.
        Status::Initializing
        | Status::Planning
        | Status::ExecutingSingle
        | Status::ExecutingParallel
        | Status::Synthesizing
        | Status::Responding => None,
        // These have ended.
        Status::Completed | Status::Failed | Status::Cancelled => None,
    }
}

/// A run that has a failed node, and has not ended.
fn failing(facts: &Facts) -> Option<Reason> {
    let id = facts.run.failed_node.as_ref()?;
    let failure: Failure = facts.run.nodes.get(id)?.failure.clone()?;
    let letter = letter(facts, id);
    let why = if facts.run.compensating {
        Why::Undoing { failure, letter }
    } else {
        let is_open = |(_, node): &(&NodeId, &crate::core::run::NodeRun)| node.status.is_open();
        Why::Failing {
            failure,
            open: facts.run.nodes.iter().filter(is_open).map(|(id, _)| id.clone()).collect(),
            letter,
        }
    };
    Some(Reason { node: Some(id.clone()), why })
}

/// The dead letter of a node: the one that was found, or the one that the first failed node of a run is known to have.
pub(super) fn letter(facts: &Facts, id: &NodeId) -> Option<Letter> {
    let made = || {
        let sequence = facts.run.nodes.get(id)?.ended_by?;
        let is_cause = facts.run.failed_node.as_ref() == Some(id);
        is_cause.then(|| Letter { letter_id: LetterId::of_node(&facts.run.run_id, sequence), handled: None })
    };
    facts.letters.get(id).cloned().or_else(made)
}

fn deadline(run: &Run) -> Option<Why> {
    let timeout = run.settings.timeout_ms.filter(|_| !run.compensating)?;
    Some(Why::RunDeadline { at: run.started_at.after(Duration::from_millis(timeout)) })
}
