//! `ExpireAttempt`, `ExpireNode` → `NodeFailed` with the class `timeout`; `ExpireWorkflow` → `WorkflowFailed`.

use super::draft::Draft;
use super::schedule::go_on;
use super::{end, fail_node, open_attempt};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::NodeId;
use crate::core::rejection::Rejection;
use crate::core::time::millis;
use std::time::Duration;

/// An attempt's deadline has passed, and no result of it had come.
pub fn attempt(draft: &mut Draft, node_id: &NodeId, attempt: u32) -> Result<(), Rejection> {
    let node = open_attempt(&draft.run, node_id, attempt)?;
    let timeout = Duration::from_millis(node.timeout_ms);
    // A heartbeat may have come since.
    if node.timeout_began().is_none_or(|began| began.after(timeout) > draft.now) {
        return Err(Rejection::NotYet { node: node_id.to_string(), attempt });
    }
    let since = if node.progressed_at.is_some() { "its last heartbeat" } else { "its start" };
    let message = format!("no result within {} ms of {since}", millis(timeout));
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    fail_node::by_engine(draft, index, attempt, Failure::new(FailureClass::Timeout, "timeout", message), None);
    go_on(draft);
    Ok(())
}

/// A node's time over all its attempts is up.
pub fn node(draft: &mut Draft, node_id: &NodeId) -> Result<(), Rejection> {
    let not_yet = |attempt| Rejection::NotYet { node: node_id.to_string(), attempt };
    let node = draft.run.nodes.get(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    let attempt = node.attempt;
    if !node.status.awaits() || node.deadline.is_none_or(|deadline| deadline > draft.now) {
        return Err(not_yet(attempt));
    }
    let took = millis(draft.now.since(node.first_scheduled_at()));
    let message = format!("no output within {took} ms, over {attempt} attempts (total_timeout)");
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    fail_node::out_of_time(draft, index, attempt, Failure::new(FailureClass::Timeout, "total_timeout", message));
    go_on(draft);
    Ok(())
}

/// A run's time is up. What is under way is not waited for. Where the run has failed already, it ends by that failure;
/// where it is being undone, it goes on until that is done.
pub fn workflow(draft: &mut Draft) -> Result<(), Rejection> {
    let timeout = draft.run.settings.timeout_ms.map(Duration::from_millis);
    let is_due = |timeout| draft.run.started_at.after(timeout) <= draft.now;
    let Some(timeout) = timeout.filter(|timeout| is_due(*timeout)).filter(|_| !draft.is_compensating()) else {
        return Err(Rejection::NothingReady);
    };
    match draft.failure().cloned() {
        Some((node_id, failure)) => end::fail(draft, Some(&node_id), failure),
        None => {
            let message = format!("not completed within {} ms of its start", millis(timeout));
            end::fail(draft, None, Failure::new(FailureClass::Timeout, "workflow_timeout", message));
        }
    }
    Ok(())
}
