//! Outputs: what is asked of one before it counts, and what becomes of a planner's.

use super::draft::Draft;
use super::schedule::check_contract;
use crate::core::definition::Role;
use crate::core::definition::graph::{GraphNode, StandsBy};
use crate::core::definition::plan;
use crate::core::event::{Event, PlanMade};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::NodeId;
use crate::core::json::Json;

/// Holds an output against its size, its contract and, for a planner, the graph that it joins. The output of a failure
/// node stands in for that of its caller, and is held against what is asked of that too.
///
/// # Errors
/// The failure of the node.
pub fn check_output(draft: &Draft, node: &GraphNode, output: &Json) -> Result<(), Failure> {
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
    match node.stands_by {
        Some(StandsBy::Failure(caller)) => check_output(draft, &draft.node(caller), output),
        Some(StandsBy::Undo(_)) | None => Ok(()),
    }
}

/// A planner's output is known: the nodes of its plan join the run.
pub fn join_plan(draft: &mut Draft, planner: &NodeId, output: &Json) {
    draft.push(Event::PlanMade(PlanMade {
        planner: Some(planner.clone()),
        definition_hash: None,
        plan: Some(output.clone()),
    }));
    draft.rebase();
}
