//! Tasks: the records of `ready.<agent>`, one attempt of a node each, as JSON.

use super::WireError;
use crate::core::id::{AgentName, DispatchId, IllegalId, NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One attempt of a node, as its agent sees it.
///
/// `{"format":1,"dispatch_id":"…","workflow_id":"…","run_id":"…","node_id":"…","attempt":1,"agent_name":"…",
/// "input":…,"timeout_ms":60000,"reply":{"topic":"orchestrator.results","partition":2}}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The idempotency key; run, node and attempt are in it.
    pub dispatch_id: DispatchId,
    /// The workflow: the key of the result.
    pub workflow_id: WorkflowId,
    /// Who executes it.
    pub agent_name: AgentName,
    /// The input.
    pub input: Json,
    /// How long it may take from `started`, in milliseconds.
    pub timeout_ms: u64,
    /// The full name of the topic for the result.
    pub reply_topic: String,
    /// The partition for the result.
    pub reply_partition: u32,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    format: u32,
    dispatch_id: Cow<'a, str>,
    workflow_id: WorkflowId,
    run_id: RunId,
    node_id: NodeId,
    attempt: u32,
    agent_name: AgentName,
    #[serde(borrow)]
    input: &'a RawValue,
    timeout_ms: u64,
    reply: Reply,
}

#[derive(Serialize, Deserialize)]
struct Reply {
    topic: String,
    partition: u32,
}

/// The bytes of a task.
pub fn encode(task: &Task) -> Bytes {
    let body = Body {
        format: 1,
        dispatch_id: task.dispatch_id.to_string().into(),
        workflow_id: task.workflow_id.clone(),
        run_id: task.dispatch_id.run_id.clone(),
        node_id: task.dispatch_id.node_id.clone(),
        attempt: task.dispatch_id.attempt,
        agent_name: task.agent_name.clone(),
        input: task.input.raw(),
        timeout_ms: task.timeout_ms,
        reply: Reply { topic: task.reply_topic.clone(), partition: task.reply_partition },
    };
    Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
}

/// Reads a task.
pub fn decode(bytes: &[u8]) -> Result<Task, WireError> {
    let malformed = |found: String| WireError::Malformed { expected: "a task", found };
    crate::core::json::check_depth(bytes).map_err(|fault| malformed(fault.to_string()))?;
    let body: Body = serde_json::from_slice(bytes).map_err(|fault| malformed(fault.to_string()))?;
    Ok(Task {
        dispatch_id: body.dispatch_id.parse().map_err(|fault: IllegalId| malformed(fault.to_string()))?,
        workflow_id: body.workflow_id,
        agent_name: body.agent_name,
        input: Json::from_raw(body.input).map_err(|fault| malformed(fault.to_string()))?,
        timeout_ms: body.timeout_ms,
        reply_topic: body.reply.topic,
        reply_partition: body.reply.partition,
    })
}
