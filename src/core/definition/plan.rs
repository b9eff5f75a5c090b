//! Plans: the output of a planner node, further nodes for its run.

use super::ExecutionNode;
use super::graph::Graph;
use crate::core::failure::Failure;
use crate::core::id::NodeId;
use crate::core::json::Json;

/// Reads a planner's output, `{"nodes": [...]}`, validated like a definition against the graph it joins.
///
/// # Errors
/// `plan_too_large` where it asks for more agent calls than allowed, `plan_invalid` with every fault.
pub fn read(
    _output: &Json,
    _graph: &Graph,
    _planner: &NodeId,
    _max_agent_calls: u32,
) -> Result<Vec<ExecutionNode>, Failure> {
    todo!()
}
