//! A definition, compiled: indices instead of names, expressions and contracts ready to be run.

use super::contract::Contract;
use super::expression::InputMapping;
use super::{Definition, DefinitionHash, ExecutionNode};
use crate::core::id::NodeId;
use std::collections::HashMap;
use std::sync::Arc;

/// A compiled graph: a definition's own nodes, then those of plans made at run time.
#[derive(Debug)]
pub struct Graph {
    /// Hash of the definition.
    pub hash: DefinitionHash,
    /// The contract of a request's input.
    pub input_contract: Option<Contract>,
    /// The definition's own `max_agent_calls`.
    pub max_agent_calls: Option<u32>,
    /// The nodes in definition order; the position is the node's index.
    pub nodes: Vec<Arc<GraphNode>>,
    /// Index by `node_id`.
    pub index: HashMap<NodeId, usize>,
}

/// A compiled node.
#[derive(Debug)]
pub struct GraphNode {
    /// As its author wrote it.
    pub node: ExecutionNode,
    /// Indices of the nodes it waits for.
    pub dependencies: Vec<usize>,
    /// Indices of the nodes that wait for it.
    pub dependents: Vec<usize>,
    /// How its input is made.
    pub input: InputMapping,
    /// The contract of its input.
    pub input_contract: Option<Contract>,
    /// The contract of its output.
    pub output_contract: Option<Contract>,
}

impl Graph {
    /// Compiles a definition.
    pub fn compile(_definition: &Definition) -> Graph {
        todo!()
    }

    /// The graph with the nodes of a plan: they depend on the planner, and every synthesizer and responder of the
    /// definition depends on the plan's sinks.
    pub fn with_plan(&self, _planner: &NodeId, _planned: &[ExecutionNode]) -> Graph {
        todo!()
    }

    /// Indices of the nodes that no other node waits for.
    pub fn sinks(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.nodes[*i].dependents.is_empty()).collect()
    }
}
