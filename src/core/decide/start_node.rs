//! `StartNode` → `NodeStarted`; `ProgressNode` → `NodeProgressed`.

use super::draft::Draft;
use super::open_attempt;
use crate::core::event::{Event, NodeProgressed, NodeStarted};
use crate::core::id::NodeId;
use crate::core::rejection::Rejection;
use crate::core::status::NodeStatus;

/// The first `started` of an attempt counts, a repeated one extends nothing.
pub fn decide(draft: &mut Draft, node_id: &NodeId, attempt: u32, local: bool) -> Result<(), Rejection> {
    if open_attempt(&draft.run, node_id, attempt)?.status == NodeStatus::Running {
        return Err(Rejection::AlreadyStarted { node: node_id.to_string(), attempt });
    }
    draft.push(Event::NodeStarted(NodeStarted { node_id: node_id.clone(), attempt, local }));
    Ok(())
}

/// A heartbeat extends the attempt's timeout, where its node asks for that.
pub fn progress(draft: &mut Draft, node_id: &NodeId, attempt: u32, local: bool) -> Result<(), Rejection> {
    let node = open_attempt(&draft.run, node_id, attempt)?;
    if !node.heartbeat {
        return Err(Rejection::NoHeartbeat { node: node_id.to_string(), attempt });
    }
    // One without a `started` before it says as much.
    if node.status == NodeStatus::Scheduled {
        draft.push(Event::NodeStarted(NodeStarted { node_id: node_id.clone(), attempt, local }));
    }
    draft.push(Event::NodeProgressed(NodeProgressed { node_id: node_id.clone(), attempt }));
    Ok(())
}
