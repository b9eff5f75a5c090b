//! A definition: a named graph as data, validated when it is applied, pinned by the hash of its content.

pub mod contract;
pub mod expression;
pub mod graph;
pub mod hash;
pub mod parse;
pub mod plan;
mod stack;
pub mod validate;

use super::classify::FailureRule;
use super::id::{AgentName, DefinitionName, NodeId};
use super::retry::RetryRules;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A graph of nodes, as its author wrote it. Only [`validate`] makes one, so it is known to be sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The name by which requests ask for it.
    pub name: DefinitionName,
    /// A sentence for people.
    pub description: Option<String>,
    /// JSON Schema of a request's input; none: anything.
    pub input_contract: Option<Value>,
    /// How many agent calls a plan made at run time may ask for; none: the engine's setting.
    pub max_agent_calls: Option<u32>,
    /// How long a run may take; none: as long as it takes.
    pub timeout: Option<Duration>,
    /// Policies for all nodes of an agent, where the node itself does not say.
    pub agents: BTreeMap<AgentName, AgentPolicies>,
    /// The nodes, in the author's order.
    pub nodes: Vec<ExecutionNode>,
    /// The document itself, as parsed, without defaults filled in. What is hashed, stored and shown.
    pub document: Value,
    /// SHA-256 of `document` in RFC 8785 form.
    pub hash: DefinitionHash,
}

/// One agent call in a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionNode {
    /// Its name within the definition.
    pub node_id: NodeId,
    /// Who executes it.
    pub agent_name: AgentName,
    /// The nodes whose outputs it waits for.
    pub dependencies: Vec<NodeId>,
    /// How its input is made; none: the request's input for a node without dependencies, else an object with
    /// the output of each dependency under its `node_id`. Dependencies are those named here; the outputs of planned
    /// nodes go to the synthesizers and responders that take them in ([`graph::Graph::with_plan`]).
    pub input: Option<Value>,
    /// JSON Schema of its input; none: anything.
    pub input_contract: Option<Value>,
    /// JSON Schema of its output; none: anything.
    pub output_contract: Option<Value>,
    /// How long one attempt may take from `started`; none: the engine's `agent_timeout`.
    pub timeout: Option<Duration>,
    /// Whether a heartbeat of the worker begins the attempt's `timeout` anew.
    pub heartbeat: bool,
    /// How long the node may take over all its attempts, from when the first was handed out; none: as long as they take.
    pub total_timeout: Option<Duration>,
    /// What the node is for.
    pub role: Role,
    /// When a failed attempt is tried again.
    pub retry: RetryRules,
    /// The classes of failures whose agent does not say.
    pub failure_rules: Vec<FailureRule>,
    /// What becomes of the run when the node has failed for good.
    pub on_failure: OnFailure,
    /// The node that undoes what this one has done, when the run is compensated.
    pub undo: Option<NodeId>,
}

impl ExecutionNode {
    /// The nodes that run only when this one has failed, or is to be undone.
    pub fn stand_bys(&self) -> impl Iterator<Item = &NodeId> {
        self.on_failure.failure_node().into_iter().chain(&self.undo)
    }
}

/// What becomes of a run when a node of it has failed for good.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OnFailure {
    /// It fails, once nothing is under way.
    #[default]
    Fail,
    /// It goes on with the output `null`.
    Skip,
    /// It goes on with this output.
    ContinueWith(Value),
    /// It goes on with the output of a failure node, whose input is the whole story of the failure.
    RouteTo(NodeId),
    /// It fails, after what has completed has been undone, the last first.
    Compensate,
}

impl OnFailure {
    /// The node that stands by for the failure.
    pub fn failure_node(&self) -> Option<&NodeId> {
        match self {
            Self::RouteTo(node) => Some(node),
            Self::Fail | Self::Skip | Self::ContinueWith(_) | Self::Compensate => None,
        }
    }
}

/// Policies for all nodes of an agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentPolicies {
    /// When a failed attempt is tried again.
    pub retry: RetryRules,
    /// The classes of failures whose agent does not say.
    pub failure_rules: Vec<FailureRule>,
}

/// Largest `max_retries`: every failed attempt of a node is kept with its run until that ends.
pub const MAX_RETRIES: u32 = 100;

/// What a node is for. Decides the run's state while the node is open, and whose output is the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Does a part of the work.
    #[default]
    Plain,
    /// Its output is a plan: further nodes for this run.
    Planner,
    /// Brings the results together.
    Synthesizer,
    /// Words the answer.
    Responder,
}

impl Role {
    /// The word used in definitions and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Planner => "planner",
            Self::Synthesizer => "synthesizer",
            Self::Responder => "responder",
        }
    }
}

/// SHA-256 of a definition's document in RFC 8785 form, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DefinitionHash(pub std::sync::Arc<str>);

impl fmt::Display for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which definition a run executes: name and version for people, the hash for certainty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionRef {
    /// The name.
    pub name: DefinitionName,
    /// Counted up from 1 for each name.
    pub version: u32,
    /// The content.
    pub hash: DefinitionHash,
}
