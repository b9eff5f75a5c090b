//! What happens to a run, with the fields of each event.

use crate::core::command::Origin;
use crate::core::definition::DefinitionRef;
use crate::core::failure::{ClassifiedBy, Failure, FailureClass, FinalBecause, Handling, Recovery};
use crate::core::id::{AgentName, ConversationId, NodeId};
use crate::core::json::Json;
use crate::core::lineage::{Carried, GivenAgent, GivenInput, Lineage};
use crate::core::retry::RetryPolicy;
use crate::core::status::Status;
use crate::core::time::Timestamp;
use crate::core::usage::Usage;
use serde::{Deserialize, Serialize};

/// A request was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowStarted {
    /// The definition, pinned.
    pub definition: DefinitionRef,
    /// The request's input.
    pub input: Json,
    /// The conversation it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// Where the request stood first.
    pub origin: Origin,
    /// 16 bytes that tell requests with another payload apart, as 32 hexadecimal digits.
    pub payload_hash: String,
    /// The W3C trace context of the request.
    pub traceparent: Option<String>,
    /// The rules of this run, resolved once.
    pub settings: RunSettings,
    /// The run that it goes on from; none: it begins anew.
    #[serde(default)]
    pub lineage: Option<Lineage>,
    /// Nodes that are not run: their outputs are taken over.
    #[serde(default)]
    pub carried: Vec<Carried>,
    /// Inputs that are given to nodes instead of those that their definition makes.
    #[serde(default)]
    pub inputs: Vec<GivenInput>,
    /// Who executes nodes instead of the agents that their definition names.
    #[serde(default)]
    pub agents: Vec<GivenAgent>,
}

/// The rules of a run, resolved at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSettings {
    /// While fewer nodes than this are ready or running, they run one at a time in definition order.
    pub parallel_threshold: u32,
    /// How many agent calls a plan may ask for.
    pub max_agent_calls: u32,
    /// How long an attempt may take, in milliseconds, where its node does not say.
    pub agent_timeout_ms: u64,
    /// When a failed attempt is tried again, where neither its node nor its agent says. (Runs that were started before
    /// there were retries have none.)
    #[serde(default = "RetryPolicy::never")]
    pub retry: RetryPolicy,
    /// How long the run may take, in milliseconds; none: as long as it takes.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// It is known which nodes there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanMade {
    /// The planner whose output this is; none: the definition's own graph.
    pub planner: Option<NodeId>,
    /// For the definition's own graph: its hash.
    pub definition_hash: Option<String>,
    /// For a plan made at run time: `{"nodes": [...]}`, whole.
    pub plan: Option<Json>,
}

/// A node's inputs are there; the attempt is handed to its agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeScheduled {
    /// The node.
    pub node_id: NodeId,
    /// Who executes it.
    pub agent_name: AgentName,
    /// Counted from 1.
    pub attempt: u32,
    /// The evaluated input.
    pub input: Json,
    /// How long the attempt may take from `started`, in milliseconds.
    pub timeout_ms: u64,
    /// Whether a heartbeat begins the timeout anew.
    #[serde(default)]
    pub heartbeat: bool,
    /// When the node has to have ended, over all its attempts; none: whenever it ends.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
}

/// A worker works on the attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStarted {
    /// The node.
    pub node_id: NodeId,
    /// The attempt.
    pub attempt: u32,
    /// Whether it runs in the process of the partition's owner, which handed it over in memory: whoever takes the
    /// partition hands it out again.
    #[serde(default)]
    pub local: bool,
}

/// A worker still works on the attempt. Recorded where its node asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeProgressed {
    /// The node.
    pub node_id: NodeId,
    /// The attempt.
    pub attempt: u32,
}

/// The attempt ended with an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCompleted {
    /// The node.
    pub node_id: NodeId,
    /// The attempt.
    pub attempt: u32,
    /// What the agent returned.
    pub output: Json,
    /// What it has used, where its worker says so.
    #[serde(default)]
    pub usage: Option<Usage>,
}

/// The attempt ended with a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFailed {
    /// The node.
    pub node_id: NodeId,
    /// Who executed it.
    pub agent_name: AgentName,
    /// The attempt.
    pub attempt: u32,
    /// What may be done about it.
    pub class: FailureClass,
    /// A short stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// More, as JSON.
    pub details: Option<Json>,
    /// The input of the attempt; none where it could not be made.
    pub input: Option<Json>,
    /// Who said the class.
    #[serde(default)]
    pub classified_by: ClassifiedBy,
    /// How long the source asked to be left alone, in milliseconds.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
    /// Why no other attempt follows; none: one does. (Every failure was final before there were retries.)
    #[serde(default = "final_by_default")]
    pub final_because: Option<FinalBecause>,
    /// How the definition handles it; none: another attempt follows, or the run fails.
    #[serde(default)]
    pub handling: Option<Handling>,
    /// What it has used, where its worker says so.
    #[serde(default)]
    pub usage: Option<Usage>,
}

#[expect(clippy::unnecessary_wraps, reason = "the type of the field")]
fn final_by_default() -> Option<FinalBecause> {
    Some(FinalBecause::RetriesExhausted)
}

/// A failed attempt is followed by another one, at a later time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRetryScheduled {
    /// The node.
    pub node_id: NodeId,
    /// Who executes it.
    pub agent_name: AgentName,
    /// The attempt that follows.
    pub attempt: u32,
    /// How long it waits, in milliseconds.
    pub delay_ms: u64,
    /// When it is due.
    pub due_at: Timestamp,
}

/// Another output stands in for that of a node: the node counts as completed for what waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecovered {
    /// The node.
    pub node_id: NodeId,
    /// Its latest attempt.
    pub attempt: u32,
    /// Whose output stands in.
    pub how: Recovery,
    /// The output.
    pub output: Json,
    /// The failure node whose output it is.
    pub failure_node: Option<NodeId>,
    /// Who supplied it.
    pub by: Option<String>,
}

impl NodeFailed {
    /// Whether the run fails by it, if it is final: no handling lets it go on.
    pub fn fails_the_run(&self) -> bool {
        matches!(self.handling, None | Some(Handling::Compensate))
    }

    /// The failure by itself.
    pub fn failure(&self) -> Failure {
        Failure {
            class: self.class,
            code: self.code.clone(),
            message: self.message.clone(),
            details: self.details.clone(),
        }
    }
}

/// The run's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTransitioned {
    /// The state before.
    pub from: Status,
    /// The state from here on.
    pub to: Status,
}

/// The run ended with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowCompleted {
    /// What it executed.
    pub definition: DefinitionRef,
    /// When it started.
    pub started_at: Timestamp,
    /// The responder's output, else the synthesizer's, else the only sink's, else a map of sinks by `node_id`.
    pub answer: Json,
}

/// The run ended with a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowFailed {
    /// What it executed.
    pub definition: DefinitionRef,
    /// When it started.
    pub started_at: Timestamp,
    /// The first node that failed; none: the run as a whole.
    pub node_id: Option<NodeId>,
    /// What may be done about it.
    pub class: FailureClass,
    /// A short stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// More, as JSON.
    pub details: Option<Json>,
    /// The story of the node's failure ([`crate::core::decide`]), as a failure node is given it.
    #[serde(default)]
    pub context: Option<Json>,
}

impl WorkflowFailed {
    /// The failure by itself.
    pub fn failure(&self) -> Failure {
        Failure {
            class: self.class,
            code: self.code.clone(),
            message: self.message.clone(),
            details: self.details.clone(),
        }
    }
}
