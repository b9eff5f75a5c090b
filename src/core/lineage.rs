//! What a run takes over from an earlier one: where it comes from, and what it need not do again.

use super::id::{AgentName, NodeId, RunId, WorkflowId};
use super::json::Json;
use super::status::NodeStatus;
use serde::{Deserialize, Serialize};

/// The run that another one goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Why it goes on from it.
    pub kind: LineageKind,
    /// The workflow of the earlier run.
    pub workflow_id: WorkflowId,
    /// The earlier run.
    pub run_id: RunId,
    /// Who asked for it.
    pub by: Option<String>,
    /// Of a fork: the node from which on it runs.
    #[serde(default)]
    pub from_node: Option<NodeId>,
}

/// Why a run goes on from an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineageKind {
    /// The earlier one has failed, and is taken up where it did.
    Redrive,
    /// Another workflow: up to a node it takes over what the earlier one has done, and runs the rest anew.
    Fork,
}

impl LineageKind {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Fork => "fork",
        }
    }
}

/// A node that is not run: its output is taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The node.
    pub node_id: NodeId,
    /// Who would execute it.
    pub agent_name: AgentName,
    /// `completed`, or `recovered` or `skipped` where the output is not the node's own.
    pub status: NodeStatus,
    /// The output.
    pub output: Json,
}

/// An input that is given to a node instead of the one that its definition makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenInput {
    /// The node.
    pub node_id: NodeId,
    /// The input.
    pub input: Json,
}

/// Who executes a node instead of the agent that its definition names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenAgent {
    /// The node.
    pub node_id: NodeId,
    /// Who executes it.
    pub agent_name: AgentName,
}
