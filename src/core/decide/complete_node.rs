//! `CompleteNode` → `NodeCompleted` (for a planner also `PlanMade`), or `NodeFailed` where the output breaks its
//! contract, and whatever becomes ready.

use super::draft::Draft;
use super::fail_node;
use super::open_attempt;
use super::schedule::{check_contract, go_on};
use crate::core::definition::Role;
use crate::core::definition::graph::GraphNode;
use crate::core::definition::plan;
use crate::core::event::{Event, NodeCompleted, PlanMade};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::NodeId;
use crate::core::json::Json;
use crate::core::rejection::Rejection;

/// The first result of an attempt counts.
pub fn decide(draft: &mut Draft, node_id: &NodeId, attempt: u32, output: &Json) -> Result<(), Rejection> {
    open_attempt(&draft.run, node_id, attempt)?;
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    let node = draft.node(index);
    match check_output(draft, &node, output) {
        Err(failure) => fail_node::by_engine(draft, index, attempt, failure),
        Ok(()) => {
            let event = NodeCompleted { node_id: node_id.clone(), attempt, output: output.clone() };
            draft.completed(index, output.clone(), Event::NodeCompleted(event));
            if node.node.role == Role::Planner {
                join_plan(draft, node_id, output);
            }
        }
    }
    go_on(draft);
    Ok(())
}

fn check_output(draft: &Draft, node: &GraphNode, output: &Json) -> Result<(), Failure> {
    if output.len() > draft.limits.max_payload_bytes {
        let message = format!(
            "the output is {} bytes long; at most {} are allowed",
            output.len(),
            draft.limits.max_payload_bytes
        );
        return Err(Failure::new(FailureClass::NonRetryable, "too_large", message));
    }
    check_contract(node.output_contract.as_ref(), output, "output")?;
    if node.node.role == Role::Planner {
        plan::read(output, draft.graph(), &node.node.node_id, draft.run.settings.max_agent_calls)?;
    }
    Ok(())
}

fn join_plan(draft: &mut Draft, planner: &NodeId, output: &Json) {
    draft.push(Event::PlanMade(PlanMade {
        planner: Some(planner.clone()),
        definition_hash: None,
        plan: Some(output.clone()),
    }));
    if let Err(failure) = draft.rebase() {
        // A broken invariant: `check_output` has read the same plan against the same graph.
        unreachable!("a plan that was read does not fit its graph: {failure:?}");
    }
}
