//! What happened. Events are the only thing that makes state; each is one record of the event stream.
//!
//! The fields of each event are those of its schema in `schemas/`, in the same order; `wire` holds the two together.

use super::breaker::BreakerStatus;
use super::command::Origin;
use super::definition::DefinitionRef;
use super::failure::{ClassifiedBy, Failure, FailureClass, FinalBecause, Handling, Recovery};
use super::id::{AgentName, ConversationId, LetterId, NodeId, RunId, WorkflowId};
use super::json::Json;
use super::letter::LetterAction;
use super::lineage::{Carried, GivenInput, Lineage};
use super::retry::RetryPolicy;
use super::status::Status;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An event with its place: which run, the how-manieth event of it, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// Counts a run's events from 1, without gap or twin.
    pub sequence: u64,
    /// When it was decided; never before the run's event before it.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What happened to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request was accepted. The first event of every run.
    WorkflowStarted(WorkflowStarted),
    /// It is known which nodes there are.
    PlanMade(PlanMade),
    /// A node's inputs are there; the attempt is handed to its agent.
    NodeScheduled(NodeScheduled),
    /// A worker works on the attempt.
    NodeStarted(NodeStarted),
    /// A worker still works on the attempt: its timeout begins anew.
    NodeProgressed(NodeProgressed),
    /// The attempt ended with an output.
    NodeCompleted(NodeCompleted),
    /// The attempt ended with a failure.
    NodeFailed(NodeFailed),
    /// A failed attempt is followed by another one, at a later time.
    NodeRetryScheduled(NodeRetryScheduled),
    /// Another output stands in for that of a node.
    NodeRecovered(NodeRecovered),
    /// The run's state changed.
    StateTransitioned(StateTransitioned),
    /// The run ended with an answer. The last event of a run that succeeds.
    WorkflowCompleted(WorkflowCompleted),
    /// The run ended with a failure. The last event of a run that fails.
    WorkflowFailed(WorkflowFailed),
}

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
    /// The story of the node's failure ([`super::decide`]), as a failure node is given it.
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

impl Event {
    /// The event's name: its schema, its `ce_type` and its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WorkflowStarted(_) => "WorkflowStarted",
            Self::PlanMade(_) => "PlanMade",
            Self::NodeScheduled(_) => "NodeScheduled",
            Self::NodeStarted(_) => "NodeStarted",
            Self::NodeProgressed(_) => "NodeProgressed",
            Self::NodeCompleted(_) => "NodeCompleted",
            Self::NodeFailed(_) => "NodeFailed",
            Self::NodeRetryScheduled(_) => "NodeRetryScheduled",
            Self::NodeRecovered(_) => "NodeRecovered",
            Self::StateTransitioned(_) => "StateTransitioned",
            Self::WorkflowCompleted(_) => "WorkflowCompleted",
            Self::WorkflowFailed(_) => "WorkflowFailed",
        }
    }

    /// Whether the run never changes after this event.
    pub fn ends_the_run(&self) -> bool {
        matches!(self, Self::WorkflowCompleted(_) | Self::WorkflowFailed(_))
    }
}

/// What happened to a partition rather than to a run: inputs that did not become a command of a run.
/// They are published under the key `partition-N`, with a sequence of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionEvent {
    /// An input cannot be understood or is not allowed: it is in the dead letters, with the reason.
    InputRefused(InputRefused),
    /// An input changes nothing (a duplicate, a late result): it is counted, with the reason.
    InputRejected(InputRejected),
    /// An input was in the wrong partition and was sent on to the right one.
    InputForwarded(InputForwarded),
    /// An effect could not be performed.
    EffectFailed(EffectFailed),
    /// Records of an input topic are gone that had not been read, or the topic is another one.
    InputLost(InputLost),
    /// The first input after a crash is about to be decided (the third such for one input buries it).
    Trying(Trying),
    /// The circuit breaker of an agent has changed its state.
    BreakerChanged(BreakerChanged),
    /// Someone has done something with a dead letter.
    DeadLetterHandled(DeadLetterHandled),
}

/// The circuit breaker of an agent, in one partition, has changed its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerChanged {
    /// Whose.
    pub agent_name: AgentName,
    /// The state before.
    pub from: BreakerStatus,
    /// The state from here on.
    pub to: BreakerStatus,
    /// How many attempts had ended within its window, where it was closed.
    pub calls: u32,
    /// How many of them had failed.
    pub failures: u32,
    /// While it is open: until when no attempt is handed out.
    pub until: Option<Timestamp>,
}

/// An input cannot be understood or is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRefused {
    /// Where it stands.
    pub origin: Origin,
    /// A short stable word, e.g. `unknown_definition`.
    pub reason: String,
    /// A sentence for people: what was expected, what was found.
    pub message: String,
    /// More, as JSON, e.g. `{"pointer": "/total"}`.
    pub details: Option<Json>,
    /// The workflow it was meant for, as far as it could be read.
    pub workflow_id: Option<WorkflowId>,
}

/// An input changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRejected {
    /// Where it stands.
    pub origin: Origin,
    /// A short stable word, e.g. `attempt_ended`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The workflow it was meant for.
    pub workflow_id: WorkflowId,
    /// The run it was meant for, where it names one; for a duplicate start the first run.
    pub run_id: Option<RunId>,
}

/// An input was in the wrong partition and was sent on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputForwarded {
    /// Where it stands.
    pub origin: Origin,
    /// The partition of its key.
    pub to_partition: u32,
    /// The workflow it is meant for.
    pub workflow_id: WorkflowId,
}

/// An effect could not be performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectFailed {
    /// Which kind: `dispatch`, `respond`, `dead_letter`, `forward`, `delay`.
    pub effect: String,
    /// The step whose effect it was.
    pub step: u64,
    /// The topic that did not take it.
    pub topic: String,
    /// Why.
    pub message: String,
    /// The workflow it belongs to.
    pub workflow_id: Option<WorkflowId>,
}

/// Records of an input topic are gone that had not been read, or the topic is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputLost {
    /// The topic, without the namespace.
    pub topic: String,
    /// The next offset that was to be read.
    pub expected: u64,
    /// Where reading goes on instead.
    pub resumed_at: u64,
    /// What was found.
    pub message: String,
}

/// The first input after a crash is about to be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trying {
    /// Which input.
    pub origin: Origin,
}

/// Someone has done something with a dead letter: who, what, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterHandled {
    /// Which letter.
    pub letter_id: LetterId,
    /// What was done.
    pub action: LetterAction,
    /// Who did it.
    pub by: String,
    /// Why, in his words.
    pub note: Option<String>,
    /// The workflow that it concerns, where it names one.
    pub workflow_id: Option<WorkflowId>,
    /// The run that it started, or that the same request had started before.
    pub run_id: Option<RunId>,
}

impl PartitionEvent {
    /// The workflow that it names.
    pub fn workflow_id(&self) -> Option<&WorkflowId> {
        match self {
            Self::InputRefused(event) => event.workflow_id.as_ref(),
            Self::InputRejected(event) => Some(&event.workflow_id),
            Self::InputForwarded(event) => Some(&event.workflow_id),
            Self::EffectFailed(event) => event.workflow_id.as_ref(),
            Self::DeadLetterHandled(event) => event.workflow_id.as_ref(),
            Self::InputLost(_) | Self::Trying(_) | Self::BreakerChanged(_) => None,
        }
    }

    /// The event's name: its schema, its `ce_type` and its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InputRefused(_) => "InputRefused",
            Self::InputRejected(_) => "InputRejected",
            Self::InputForwarded(_) => "InputForwarded",
            Self::EffectFailed(_) => "EffectFailed",
            Self::InputLost(_) => "InputLost",
            Self::Trying(_) => "Trying",
            Self::BreakerChanged(_) => "BreakerChanged",
            Self::DeadLetterHandled(_) => "DeadLetterHandled",
        }
    }
}
