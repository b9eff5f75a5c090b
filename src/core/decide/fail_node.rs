//! `FailNode` → `NodeFailed`. Every failure is final; the run fails once nothing is under way.

use super::draft::Draft;
use super::open_attempt;
use super::schedule::{go_on, node_failed};
use crate::core::failure::Failure;
use crate::core::id::NodeId;
use crate::core::rejection::Rejection;

/// The first result of an attempt counts.
pub fn decide(draft: &mut Draft, node_id: &NodeId, attempt: u32, failure: Failure) -> Result<(), Rejection> {
    open_attempt(&draft.run, node_id, attempt)?;
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    let event = node_failed(draft, &draft.node(index), attempt, &failure);
    draft.failed(index, true, failure, event);
    go_on(draft);
    Ok(())
}
