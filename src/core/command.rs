//! What someone asks for.

use super::definition::DefinitionRef;
use super::failure::{Failure, ReportedFailure};
use super::id::{ConversationId, DefinitionName, NodeId, RunId, WorkflowId};
use super::json::Json;
use super::lineage::{GivenAgent, GivenInput, LineageKind};
use super::status::NodeStatus;
use super::time::Timestamp;
use super::usage::Usage;
use serde::{Deserialize, Serialize};

/// Where a record stood when it was first seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The topic, without the namespace, e.g. `requests`.
    pub topic: String,
    /// The partition it stood in.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
    /// When it was appended (the broker's clock).
    pub time: Timestamp,
}

/// A request to start a workflow, as it was published: understood, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The definition's name.
    pub definition: DefinitionName,
    /// An explicit version; none: the newest.
    pub version: Option<u32>,
    /// The input.
    pub input: Json,
    /// The client's key; none: derived from the origin.
    pub workflow_id: Option<WorkflowId>,
    /// The conversation it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// The run that it takes up; none: it begins anew.
    pub resume: Option<Resume>,
}

/// Goes on from an earlier run: takes up one of the same workflow that has failed, or forks one of another workflow. The
/// new one need not do again what is carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Why.
    pub kind: LineageKind,
    /// Of a fork: the workflow that is forked; none: the same one.
    pub workflow_id: Option<WorkflowId>,
    /// The earlier run.
    pub run_id: RunId,
    /// Who asks for it.
    pub by: Option<String>,
    /// Nodes that are not run, with how they count (`completed`, `recovered`, `skipped`) and their outputs.
    pub carried: Vec<(NodeId, NodeStatus, Json)>,
    /// Inputs that are given to nodes.
    pub inputs: Vec<GivenInput>,
    /// Who executes nodes instead of the agents that their definition names.
    pub agents: Vec<GivenAgent>,
    /// Of a fork: the node from which on it runs.
    pub from_node: Option<NodeId>,
}

/// `StartWorkflow`: a request whose ids and definition are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartWorkflow {
    /// The client's key, or one derived from the origin.
    pub workflow_id: WorkflowId,
    /// Derived from where the request stands (not from its origin, which a stranger can make up).
    pub run_id: RunId,
    /// Which definition, with version and hash.
    pub definition: DefinitionRef,
    /// The request's input.
    pub input: Json,
    /// The conversation it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// Where the request stood first.
    pub origin: Origin,
    /// 16 bytes that tell requests with another payload apart (definition, version, input, conversation).
    pub payload_hash: [u8; 16],
    /// The W3C trace context of the request.
    pub traceparent: Option<String>,
    /// The run that it takes up.
    pub resume: Option<Resume>,
}

/// Why an attempt has failed, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// A worker.
    Reported(ReportedFailure),
    /// The engine: an effect could not be performed, or a result could not be taken.
    Engine(Failure),
}

/// What is asked of a run that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A worker says that it works on an attempt.
    StartNode {
        /// The node.
        node_id: NodeId,
        /// The attempt.
        attempt: u32,
        /// Whether the engine has handed it over in memory.
        local: bool,
    },
    /// A worker reports an attempt's output.
    CompleteNode {
        /// The node.
        node_id: NodeId,
        /// The attempt.
        attempt: u32,
        /// What the agent returned.
        output: Json,
        /// What it has used.
        usage: Option<Usage>,
    },
    /// A worker (or the engine, for an effect that could not be performed) reports an attempt's failure.
    FailNode {
        /// The node.
        node_id: NodeId,
        /// The attempt.
        attempt: u32,
        /// Why.
        failure: NodeFault,
        /// What it has used.
        usage: Option<Usage>,
    },
    /// A worker says that it still works on an attempt.
    ProgressNode {
        /// The node.
        node_id: NodeId,
        /// The attempt.
        attempt: u32,
        /// Whether the engine has handed it over in memory.
        local: bool,
    },
    /// A person gives a node its output.
    SupplyNode {
        /// The node.
        node_id: NodeId,
        /// The output.
        output: Json,
        /// Who.
        by: String,
    },
    /// An attempt's deadline has passed.
    ExpireAttempt {
        /// The node.
        node_id: NodeId,
        /// The attempt.
        attempt: u32,
    },
    /// A node's deadline over all its attempts has passed.
    ExpireNode {
        /// The node.
        node_id: NodeId,
    },
    /// The run's deadline has passed.
    ExpireWorkflow,
    /// The next attempt of a failed node is due.
    RetryNode {
        /// The node.
        node_id: NodeId,
        /// The attempt.
        attempt: u32,
    },
    /// Go on with nodes that are ready but did not fit into the last decision.
    ScheduleNodes,
}
