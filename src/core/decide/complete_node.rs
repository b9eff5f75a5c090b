//! `CompleteNode` → `NodeCompleted` (for a planner also `PlanMade`), or `NodeFailed` where the output breaks its
//! contract, and whatever becomes ready.

use super::draft::Draft;
use super::fail_node;
use super::open_attempt;
use super::output::{check_output, join_plan};
use super::recover_node::stand_in_for_caller;
use super::schedule::go_on;
use crate::core::definition::Role;
use crate::core::event::{Event, NodeCompleted};
use crate::core::failure::Recovery;
use crate::core::id::NodeId;
use crate::core::json::Json;
use crate::core::rejection::Rejection;
use crate::core::usage::Usage;
use crate::planted::{Bug, is_planted};

/// The first result of an attempt counts.
pub fn decide(
    draft: &mut Draft,
    node_id: &NodeId,
    attempt: u32,
    output: &Json,
    usage: Option<Usage>,
) -> Result<(), Rejection> {
    open_attempt(&draft.run, node_id, attempt)?;
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    let node = draft.node(index);
    match check_output(draft, &node, output) {
        Err(failure) => fail_node::by_engine(draft, index, attempt, failure, usage),
        Ok(()) => {
            let event = NodeCompleted { node_id: node_id.clone(), attempt, output: output.clone(), usage };
            if !is_planted(Bug::AcceptsASecondCompletion) {
                draft.end_attempt(index);
            }
            draft.has_output(index, output.clone(), Event::NodeCompleted(event));
            if node.node.role == Role::Planner {
                join_plan(draft, node_id, output);
            }
            stand_in_for_caller(draft, index, output, Recovery::RouteTo);
        }
    }
    go_on(draft);
    Ok(())
}
