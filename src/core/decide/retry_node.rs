//! `RetryNode` → `NodeScheduled`: the next attempt of a failed node.

use super::draft::Draft;
use super::fail_node;
use super::schedule::{go_on, make_input, scheduled};
use crate::core::id::NodeId;
use crate::core::rejection::Rejection;
use crate::core::status::NodeStatus;

/// The next attempt is due. It comes at most once: what is not awaited any more, or not yet due, changes nothing.
pub fn decide(draft: &mut Draft, node_id: &NodeId, attempt: u32) -> Result<(), Rejection> {
    let not_awaited = || Rejection::NotAwaited { node: node_id.to_string(), attempt };
    let node = draft.run.nodes.get(node_id).ok_or_else(not_awaited)?;
    let is_awaited = node.status == NodeStatus::AwaitingRetry && attempt == node.attempt + 1;
    if !is_awaited || node.due_at.is_none_or(|due| due > draft.now) {
        return Err(not_awaited());
    }
    let index = draft.index(node_id).ok_or_else(not_awaited)?;
    // After a failure elsewhere nothing new is started, save what undoes.
    if draft.failure().is_some() && !fail_node::undoes(draft, index) {
        return Err(not_awaited());
    }
    if !draft.may_call(index) {
        return Err(Rejection::Held { node: node_id.to_string(), attempt });
    }
    let compiled = draft.node(index);
    // The first attempt had the same input, within the same limits.
    let input = make_input(draft, &compiled).map_err(|_| not_awaited())?;
    let event = scheduled(draft, &compiled, attempt, input);
    draft.scheduled(index, event);
    go_on(draft);
    Ok(())
}
