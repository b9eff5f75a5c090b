//! The state of a run: what folding its events gives.

use super::command::Origin;
use super::definition::DefinitionRef;
use super::event::{RunSettings, WorkflowStarted};
use super::failure::{Failure, Handling};
use super::id::{AgentName, ConversationId, NodeId, RunId, WorkflowId};
use super::json::Json;
use super::lineage::{Carried, Lineage};
use super::status::{NodeStatus, Status};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One execution of a definition. Only [`super::apply::apply`] changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The workflow it belongs to.
    pub workflow_id: WorkflowId,
    /// Its own id.
    pub run_id: RunId,
    /// How many events it has.
    pub sequence: u64,
    /// When the last of them was decided.
    pub time: Timestamp,
    /// Its state.
    pub status: Status,
    /// What it executes.
    pub definition: DefinitionRef,
    /// The request's input.
    pub input: Json,
    /// The conversation it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// Where its request stood first.
    pub origin: Origin,
    /// Tells requests with another payload apart, 32 hexadecimal digits.
    pub payload_hash: String,
    /// The W3C trace context of its request.
    pub traceparent: Option<String>,
    /// Its rules.
    pub settings: RunSettings,
    /// The run that it goes on from.
    pub lineage: Option<Lineage>,
    /// Inputs that are given to nodes instead of those that their definition makes.
    pub inputs: BTreeMap<NodeId, Json>,
    /// Who executes nodes instead of the agents that their definition names.
    pub agents: BTreeMap<NodeId, AgentName>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Plans made at run time, in the order in which they were made.
    pub plans: Vec<Plan>,
    /// The nodes that have been scheduled (or failed before they could be).
    pub nodes: BTreeMap<NodeId, NodeRun>,
    /// The first node by whose failure the run fails.
    pub failed_node: Option<NodeId>,
    /// Whether what has completed is being undone.
    pub compensating: bool,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// A plan made at run time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The planner whose output it is.
    pub planner: NodeId,
    /// `{"nodes": [...]}`.
    pub plan: Json,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Answer(Json),
    /// With a failure, and the node that caused it.
    Failure(Option<NodeId>, Failure),
}

/// The state of a node within a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRun {
    /// Its state.
    pub status: NodeStatus,
    /// Who executes it.
    pub agent_name: AgentName,
    /// The latest attempt, counted from 1; 0 where the output was taken over from an earlier run.
    pub attempt: u32,
    /// How long the attempt may take from `started`, in milliseconds.
    pub timeout_ms: u64,
    /// Whether a heartbeat begins the timeout anew.
    pub heartbeat: bool,
    /// When the node has to have ended, over all its attempts.
    pub deadline: Option<Timestamp>,
    /// Whether the attempt has begun in the process of the partition's owner.
    pub local: bool,
    /// The input, while the attempt is open.
    pub input: Option<Json>,
    /// The output, once it is completed. Readers that do not decide may leave it out.
    pub output: Option<Json>,
    /// The failure of the latest attempt, once it has failed.
    pub failure: Option<Failure>,
    /// How its failure is handled, once it has failed for good and the run does not fail by it.
    pub handling: Option<Handling>,
    /// When the next attempt is due, while one is awaited.
    pub due_at: Option<Timestamp>,
    /// The attempts before the latest, the oldest first.
    pub failed_attempts: Vec<FailedAttempt>,
    /// When the attempt was scheduled.
    pub scheduled_at: Timestamp,
    /// When a worker said that it works on it.
    pub started_at: Option<Timestamp>,
    /// When a worker last said that it still works on it, where heartbeats count.
    pub progressed_at: Option<Timestamp>,
    /// When the attempt ended.
    pub ended_at: Option<Timestamp>,
    /// The number of the event by which the attempt was scheduled.
    pub scheduled_by: u64,
    /// The number of the event by which the attempt ended.
    pub ended_by: Option<u64>,
}

/// An attempt that has failed, and was followed by another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// Which.
    pub attempt: u32,
    /// Why it failed.
    pub failure: Failure,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// When a worker said that it works on it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The number of the event by which it was scheduled.
    #[serde(default)]
    pub scheduled_by: u64,
    /// The number of the event by which it ended.
    #[serde(default)]
    pub ended_by: u64,
}

impl NodeRun {
    /// A node that is handed out for the first time.
    pub fn new(agent_name: AgentName, status: NodeStatus, attempt: u32, time: Timestamp, sequence: u64) -> Self {
        Self {
            status,
            agent_name,
            attempt,
            timeout_ms: 0,
            heartbeat: false,
            local: false,
            deadline: None,
            input: None,
            output: None,
            failure: None,
            handling: None,
            due_at: None,
            failed_attempts: Vec::new(),
            scheduled_at: time,
            started_at: None,
            progressed_at: None,
            ended_at: None,
            scheduled_by: sequence,
            ended_by: None,
        }
    }

    /// Whether the attempt has begun in the process of the partition's owner, and goes on.
    pub fn is_running_locally(&self) -> bool {
        self.local && self.status == NodeStatus::Running
    }

    /// A node whose output is taken over with the run's first event.
    fn carried(carried: &Carried, time: Timestamp) -> Self {
        let node = Self::new(carried.agent_name.clone(), carried.status, 0, time, 1);
        Self { output: Some(carried.output.clone()), ended_at: Some(time), ended_by: Some(1), ..node }
    }

    /// Whether its latest end was that of an attempt: not where it failed before it could be scheduled, or once more while
    /// it awaited its next attempt.
    pub fn ended_an_attempt(&self) -> bool {
        let is_new = self.failed_attempts.last().is_none_or(|last| last.attempt < self.attempt);
        is_new && self.ended_by.is_some_and(|ended| ended != self.scheduled_by)
    }

    /// Whether its output was taken over from an earlier run.
    pub fn is_carried(&self) -> bool {
        self.attempt == 0
    }

    /// When the attempt's timeout began: with `started`, or the last heartbeat that counts.
    pub fn timeout_began(&self) -> Option<Timestamp> {
        self.progressed_at.or(self.started_at)
    }

    /// When the node's first attempt was scheduled.
    pub fn first_scheduled_at(&self) -> Timestamp {
        self.failed_attempts.first().map_or(self.scheduled_at, |first| first.scheduled_at)
    }
}

impl Run {
    /// The state right after the first event of a run.
    pub fn started(workflow_id: WorkflowId, run_id: RunId, time: Timestamp, event: &WorkflowStarted) -> Self {
        Self {
            workflow_id,
            run_id,
            sequence: 1,
            time,
            status: Status::Initializing,
            definition: event.definition.clone(),
            input: event.input.clone(),
            conversation_id: event.conversation_id.clone(),
            origin: event.origin.clone(),
            payload_hash: event.payload_hash.clone(),
            traceparent: event.traceparent.clone(),
            settings: event.settings,
            lineage: event.lineage.clone(),
            agents: event.agents.iter().map(|given| (given.node_id.clone(), given.agent_name.clone())).collect(),
            inputs: event.inputs.iter().map(|given| (given.node_id.clone(), given.input.clone())).collect(),
            started_at: time,
            ended_at: None,
            plans: Vec::new(),
            nodes: event
                .carried
                .iter()
                .map(|carried| (carried.node_id.clone(), NodeRun::carried(carried, time)))
                .collect(),
            failed_node: None,
            compensating: false,
            outcome: None,
        }
    }

    /// How many nodes are in states of a kind.
    pub fn count(&self, is: impl Fn(NodeStatus) -> bool) -> usize {
        self.nodes.values().filter(|node| is(node.status)).count()
    }
}
