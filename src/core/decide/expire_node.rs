//! `ExpireNode` → `NodeFailed` with the class `timeout`.

use super::draft::Draft;
use super::schedule::go_on;
use super::{fail_node, open_attempt};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::NodeId;
use crate::core::rejection::Rejection;

/// An attempt's deadline has passed, and no result of it had come.
pub fn decide(draft: &mut Draft, node_id: &NodeId, attempt: u32) -> Result<(), Rejection> {
    let timeout_ms = open_attempt(&draft.run, node_id, attempt)?.timeout_ms;
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    let message = format!("no result within {timeout_ms} ms of its start");
    fail_node::by_engine(draft, index, attempt, Failure::new(FailureClass::Timeout, "timeout", message));
    go_on(draft);
    Ok(())
}
