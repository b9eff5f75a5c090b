//! Another output stands in for that of a node that has failed: nobody's, the definition's, a failure node's, or one that
//! a person supplies.

use super::draft::Draft;
use super::output::{check_output, join_plan};
use super::schedule::go_on;
use crate::core::definition::Role;
use crate::core::definition::graph::StandsBy;
use crate::core::event::{Event, NodeRecovered};
use crate::core::failure::Recovery;
use crate::core::id::NodeId;
use crate::core::json::Json;
use crate::core::rejection::Rejection;

/// `SupplyNode` → `NodeRecovered`: a person gives a node its output. An attempt that is under way is superseded.
pub fn supply(draft: &mut Draft, node_id: &NodeId, output: &Json, by: &str) -> Result<(), Rejection> {
    let node = draft.run.nodes.get(node_id).filter(|node| node.status.awaits());
    let Some(attempt) = node.map(|node| node.attempt) else {
        return Err(Rejection::NotSuppliable { node: node_id.to_string() });
    };
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    let node = draft.node(index);
    check_output(draft, &node, output)
        .map_err(|failure| Rejection::OutputRefused { node: node_id.to_string(), message: failure.message })?;
    draft.end_attempt(index);
    stand_in(draft, index, &Standing { attempt, how: Recovery::Supply, output, failure_node: None, by: Some(by) });
    go_on(draft);
    Ok(())
}

/// A node that has failed for good goes on with an output that its definition gives.
pub fn recover(draft: &mut Draft, index: usize, attempt: u32, how: Recovery, output: &Json) {
    stand_in(draft, index, &Standing { attempt, how, output, failure_node: None, by: None });
}

/// What stands in for a node's output.
pub struct Standing<'a> {
    attempt: u32,
    how: Recovery,
    output: &'a Json,
    failure_node: Option<&'a NodeId>,
    by: Option<&'a str>,
}

/// Records what stands in; where the node is a failure node itself, it stands in for the node that called it too.
fn stand_in(draft: &mut Draft, index: usize, standing: &Standing) {
    let node = draft.node(index);
    let event = Event::NodeRecovered(NodeRecovered {
        node_id: node.node.node_id.clone(),
        attempt: standing.attempt,
        how: standing.how,
        output: standing.output.clone(),
        failure_node: standing.failure_node.cloned(),
        by: standing.by.map(str::to_owned),
    });
    draft.has_output(index, standing.output.clone(), event);
    if node.node.role == Role::Planner && standing.how != Recovery::Skip {
        join_plan(draft, &node.node.node_id, standing.output);
    }
    // A failure node that is skipped has nothing to stand in with: its caller is skipped, too.
    let how = if standing.how == Recovery::Skip { Recovery::Skip } else { Recovery::RouteTo };
    stand_in_for_caller(draft, index, standing.output, how);
}

/// A failure node has an output, or is skipped: so it is with the node that called it.
pub fn stand_in_for_caller(draft: &mut Draft, index: usize, output: &Json, how: Recovery) {
    let node = draft.node(index);
    if let Some(StandsBy::Failure(caller)) = node.stands_by {
        let id = &draft.node(caller).node.node_id;
        let attempt = draft.run.nodes.get(id).map_or(1, |node| node.attempt);
        let failure_node = Some(&node.node.node_id);
        stand_in(draft, caller, &Standing { attempt, how, output, failure_node, by: None });
    }
}
