//! `FailNode` → `NodeFailed`, and `NodeRetryScheduled` where another attempt follows; where none does, the node has failed
//! for good, and the run fails once nothing is under way.

use super::draft::Draft;
use super::open_attempt;
use super::schedule::go_on;
use crate::core::classify::classify;
use crate::core::command::NodeFault;
use crate::core::definition::graph::GraphNode;
use crate::core::event::{Event, NodeFailed, NodeRetryScheduled};
use crate::core::failure::{ClassifiedBy, Failure, FinalBecause};
use crate::core::id::{DispatchId, NodeId};
use crate::core::rejection::Rejection;
use std::time::Duration;

/// A failure with all that is known of it.
struct Judged {
    failure: Failure,
    by: ClassifiedBy,
    retry_after: Option<Duration>,
}

/// The first result of an attempt counts.
pub fn decide(draft: &mut Draft, node_id: &NodeId, attempt: u32, fault: NodeFault) -> Result<(), Rejection> {
    open_attempt(&draft.run, node_id, attempt)?;
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    match fault {
        NodeFault::Engine(failure) => by_engine(draft, index, attempt, failure),
        NodeFault::Reported(reported) => {
            let retry_after = reported.retry_after;
            let (failure, by) = classify(reported, &draft.node(index).failure_rules);
            failed(draft, index, attempt, Judged { failure, by, retry_after });
        }
    }
    go_on(draft);
    Ok(())
}

/// The engine's own word on an open attempt.
pub fn by_engine(draft: &mut Draft, index: usize, attempt: u32, failure: Failure) {
    failed(draft, index, attempt, Judged { failure, by: ClassifiedBy::Engine, retry_after: None });
}

/// An open attempt has failed: the next one is scheduled for later, or the node has failed for good.
fn failed(draft: &mut Draft, index: usize, attempt: u32, judged: Judged) {
    let node = draft.node(index);
    match delay(draft, &node, attempt, &judged) {
        Ok(delay) => {
            let retry = Event::NodeRetryScheduled(NodeRetryScheduled {
                node_id: node.node.node_id.clone(),
                agent_name: node.node.agent_name.clone(),
                attempt: attempt + 1,
                delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                due_at: draft.now.after(delay),
            });
            let failed = node_failed(draft, &node, attempt, &judged, None);
            draft.delayed(index, [failed, retry]);
        }
        Err(because) => {
            let failed = node_failed(draft, &node, attempt, &judged, Some(because));
            draft.failed(index, true, judged.failure, failed);
        }
    }
}

/// How long the next attempt waits, or why there is none.
fn delay(draft: &Draft, node: &GraphNode, attempt: u32, judged: &Judged) -> Result<Duration, FinalBecause> {
    let policy = draft.run.settings.retry.with(&node.retry);
    if !judged.failure.class.may_be_retried() {
        return Err(FinalBecause::NotRetryable);
    }
    if draft.failure().is_some() {
        return Err(FinalBecause::RunFailed);
    }
    if attempt > policy.max_retries {
        return Err(FinalBecause::RetriesExhausted);
    }
    let (run_id, node_id) = (draft.run.run_id.clone(), node.node.node_id.clone());
    let delay = policy.delay(&DispatchId { run_id, node_id, attempt }, judged.retry_after);
    let began = draft.run.nodes.get(&node.node.node_id).map_or(draft.now, |node| node.first_scheduled_at());
    let too_late = |max: u64| draft.now.after(delay).since(began) > Duration::from_millis(max);
    if policy.max_elapsed_ms.is_some_and(too_late) {
        return Err(FinalBecause::MaxElapsed);
    }
    Ok(delay)
}

/// The event of a failure that no attempt can follow: the input could not be made.
pub fn final_failure(draft: &Draft, node: &GraphNode, attempt: u32, failure: &Failure) -> Event {
    let judged = Judged { failure: failure.clone(), by: ClassifiedBy::Engine, retry_after: None };
    node_failed(draft, node, attempt, &judged, Some(FinalBecause::NotRetryable))
}

fn node_failed(
    draft: &Draft,
    node: &GraphNode,
    attempt: u32,
    judged: &Judged,
    final_because: Option<FinalBecause>,
) -> Event {
    let Judged { failure, by, retry_after } = judged;
    Event::NodeFailed(NodeFailed {
        node_id: node.node.node_id.clone(),
        agent_name: node.node.agent_name.clone(),
        attempt,
        class: failure.class,
        code: failure.code.clone(),
        message: failure.message.clone(),
        details: failure.details.clone(),
        input: draft.run.nodes.get(&node.node.node_id).and_then(|node| node.input.clone()),
        classified_by: *by,
        retry_after_ms: retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        final_because,
    })
}
