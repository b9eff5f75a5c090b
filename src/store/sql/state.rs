//! The `state` column: what recovery needs of a run beside the columns for people.
//!
//! Its size is that of the open nodes: completed ones stand in `orchestrator_agent_results` alone, and the outputs of those
//! that were taken over in `orchestrator_carried_outputs`.

use crate::core::event::RunSettings;
use crate::core::failure::{Failure, Handling};
use crate::core::id::{AgentName, NodeId};
use crate::core::json::Json;
use crate::core::lineage::Lineage;
use crate::core::run::{FailedAttempt, NodeRun, Outcome, Plan, Run};
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rest of a run's state.
#[derive(Debug, Deserialize)]
pub struct State {
    /// Its rules.
    pub settings: RunSettings,
    /// Plans made at run time.
    pub plans: Vec<Plan>,
    /// The first node that failed.
    pub failed_node: Option<NodeId>,
    /// How the run failed, if it did.
    pub failure: Option<RunFailure>,
    /// The trace context, where its column cannot hold it as it is.
    pub traceparent: Option<String>,
    /// Whether what has completed is being undone.
    #[serde(default)]
    pub compensating: bool,
    /// The run that it goes on from.
    #[serde(default)]
    pub lineage: Option<Lineage>,
    /// Inputs that are given to nodes.
    #[serde(default)]
    pub inputs: BTreeMap<NodeId, Json>,
    /// Who executes nodes instead of the agents that their definition names.
    #[serde(default)]
    pub agents: BTreeMap<NodeId, AgentName>,
    /// The nodes that have no output, and those whose output was taken over.
    pub nodes: BTreeMap<NodeId, Node>,
}

/// How a run failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFailure {
    /// The node that caused it.
    pub node_id: Option<NodeId>,
    /// Why.
    pub failure: Failure,
}

/// A node that has no output, or one that was taken over.
#[derive(Debug, Serialize, Deserialize)]
pub struct Node {
    status: NodeStatus,
    agent_name: AgentName,
    attempt: u32,
    timeout_ms: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    heartbeat: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    local: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    deadline: Option<Timestamp>,
    input: Option<Json>,
    failure: Option<Failure>,
    #[serde(default, skip_serializing_if = "is_default")]
    handling: Option<Handling>,
    #[serde(default, skip_serializing_if = "is_default")]
    due_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    failed_attempts: Vec<FailedAttempt>,
    scheduled_at: Timestamp,
    started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    progressed_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    #[serde(default)]
    scheduled_by: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    ended_by: Option<u64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The same, borrowed, for writing.
#[derive(Serialize)]
struct StateRef<'a> {
    settings: RunSettings,
    plans: &'a [Plan],
    failed_node: Option<&'a NodeId>,
    failure: Option<RunFailure>,
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "is_default")]
    compensating: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lineage: Option<&'a Lineage>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    inputs: &'a BTreeMap<NodeId, Json>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    agents: &'a BTreeMap<NodeId, AgentName>,
    nodes: BTreeMap<&'a NodeId, Node>,
}

/// The column's text.
pub fn encode(run: &Run) -> Result<String, serde_json::Error> {
    let failure = match &run.outcome {
        Some(Outcome::Failure(node_id, failure)) => {
            Some(RunFailure { node_id: node_id.clone(), failure: failure.clone() })
        }
        Some(Outcome::Answer(_)) | None => None,
    };
    // Nodes whose outputs agents brought, or others that stand in for theirs, are in the results.
    let kept = run.nodes.iter().filter(|(_, node)| !node.status.has_output() || node.is_carried());
    serde_json::to_string(&StateRef {
        settings: run.settings,
        plans: &run.plans,
        failed_node: run.failed_node.as_ref(),
        failure,
        traceparent: run.traceparent.as_deref().filter(|text| text.contains('\0')),
        compensating: run.compensating,
        lineage: run.lineage.as_ref(),
        inputs: &run.inputs,
        agents: &run.agents,
        nodes: kept.map(|(id, node)| (id, Node::from(node))).collect(),
    })
}

/// Reads the column.
pub fn decode(text: &str) -> Result<State, serde_json::Error> {
    serde_json::from_str(text)
}

impl From<&NodeRun> for Node {
    fn from(node: &NodeRun) -> Self {
        Self {
            status: node.status,
            agent_name: node.agent_name.clone(),
            attempt: node.attempt,
            timeout_ms: node.timeout_ms,
            heartbeat: node.heartbeat,
            local: node.local,
            deadline: node.deadline,
            input: node.input.clone(),
            failure: node.failure.clone(),
            handling: node.handling,
            due_at: node.due_at,
            failed_attempts: node.failed_attempts.clone(),
            scheduled_at: node.scheduled_at,
            started_at: node.started_at,
            progressed_at: node.progressed_at,
            ended_at: node.ended_at,
            scheduled_by: node.scheduled_by,
            ended_by: node.ended_by,
        }
    }
}

impl From<Node> for NodeRun {
    fn from(node: Node) -> Self {
        Self {
            status: node.status,
            agent_name: node.agent_name,
            attempt: node.attempt,
            timeout_ms: node.timeout_ms,
            heartbeat: node.heartbeat,
            local: node.local,
            deadline: node.deadline,
            input: node.input,
            output: None,
            failure: node.failure,
            handling: node.handling,
            due_at: node.due_at,
            failed_attempts: node.failed_attempts,
            scheduled_at: node.scheduled_at,
            started_at: node.started_at,
            progressed_at: node.progressed_at,
            ended_at: node.ended_at,
            scheduled_by: node.scheduled_by,
            ended_by: node.ended_by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::command::Origin;
    use crate::core::definition::{DefinitionHash, DefinitionRef};
    use crate::core::event::WorkflowStarted;
    use crate::core::id::{DefinitionName, RunId, WorkflowId};
    use crate::core::retry::RetryPolicy;

    fn run(completed: u32, open: u32) -> Run {
        let started = WorkflowStarted {
            lineage: None,
            carried: Vec::new(),
            inputs: Vec::new(),
            definition: DefinitionRef {
                name: DefinitionName::new("d").unwrap(),
                version: 1,
                hash: DefinitionHash("0".into()),
            },
            input: Json::null(),
            conversation_id: None,
            origin: Origin { topic: "requests".into(), partition: 0, offset: 0, time: Timestamp(0) },
            payload_hash: String::new(),
            traceparent: None,
            settings: RunSettings {
                parallel_threshold: 2,
                max_agent_calls: 5,
                agent_timeout_ms: 60_000,
                retry: RetryPolicy::default(),
                timeout_ms: None,
            },
            agents: Vec::new(),
        };
        let ids = (WorkflowId::new("w").unwrap(), RunId::new(&"0".repeat(32)).unwrap());
        let mut run = Run::started(ids.0, ids.1, Timestamp(0), &started);
        for number in 0..completed + open {
            let is_open = number >= completed;
            let status = if is_open { NodeStatus::Scheduled } else { NodeStatus::Completed };
            let node = NodeRun {
                input: is_open.then(Json::null),
                output: (!is_open).then(Json::null),
                ended_at: (!is_open).then_some(Timestamp(1)),
                ..NodeRun::new(AgentName::new("a").unwrap(), status, 1, Timestamp(0), 0)
            };
            run.nodes.insert(NodeId::new(&format!("n{number}")).unwrap(), node);
        }
        run
    }

    #[test]
    fn its_size_is_that_of_the_open_nodes() {
        let bytes = |completed, open| encode(&run(completed, open)).unwrap().len();
        assert_eq!(bytes(10_000, 0), bytes(0, 0));
        assert!(bytes(10_000, 3) < bytes(0, 0) + 3 * 250);
    }
}
