//! Tasks: the records of `ready.<agent>`, one attempt of a node each, as JSON.

use super::WireError;
use super::json_text::{self, Object};
use crate::core::id::{AgentName, DispatchId, NodeId, WorkflowId};
use crate::core::json::Json;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One attempt of a node, as its agent sees it.
///
/// `{"format":1,"dispatch_id":"…","workflow_id":"…","run_id":"…","node_id":"…","attempt":1,"agent_name":"…",
/// "input":…,"timeout_ms":60000,"reply":{"topic":"orchestrator.results","partition":2}}`, and before `reply`
/// `"heartbeat":true` where heartbeats are asked for.
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
    /// Whether a heartbeat begins that time anew.
    pub heartbeat: bool,
    /// The full name of the topic for the result.
    pub reply_topic: String,
    /// The partition for the result.
    pub reply_partition: u32,
}

/// The key of a node's tasks: those of one run spread over all workers, and attempts of one node stay in order.
pub fn key(workflow_id: &WorkflowId, node_id: &NodeId) -> String {
    format!("{workflow_id}/{node_id}")
}

/// The bytes of a task.
pub fn encode(task: &Task) -> Bytes {
    let DispatchId { run_id, node_id, attempt } = &task.dispatch_id;
    let reply = Object::new(0).text("topic", &task.reply_topic).number("partition", task.reply_partition.into());
    let object = Object::with_format(task.input.len())
        .text("dispatch_id", &task.dispatch_id.to_string())
        .text("workflow_id", task.workflow_id.as_str())
        .text("run_id", run_id.as_str())
        .text("node_id", node_id.as_str())
        .number("attempt", (*attempt).into())
        .text("agent_name", task.agent_name.as_str())
        .json("input", &task.input)
        .number("timeout_ms", task.timeout_ms);
    let object = if task.heartbeat { object.literal("heartbeat", "true") } else { object };
    object.object("reply", reply).finish()
}

#[derive(Deserialize)]
struct TaskIn<'a> {
    format: Option<u64>,
    #[serde(borrow)]
    dispatch_id: Cow<'a, str>,
    #[serde(borrow)]
    workflow_id: Cow<'a, str>,
    #[serde(borrow)]
    agent_name: Cow<'a, str>,
    #[serde(borrow)]
    input: &'a RawValue,
    timeout_ms: u64,
    #[serde(default)]
    heartbeat: bool,
    reply: Reply,
}

#[derive(Deserialize)]
struct Reply {
    topic: String,
    partition: u32,
}

/// Reads a task. Fields that are not known here are left alone: a newer engine may add some.
pub fn decode(bytes: &[u8]) -> Result<Task, WireError> {
    const EXPECTED: &str = "a task";
    let task = json_text::read("the task", EXPECTED, bytes, |task: &TaskIn| task.format)?;
    let illegal = |fault| json_text::illegal(EXPECTED, &fault);
    Ok(Task {
        dispatch_id: task.dispatch_id.parse().map_err(illegal)?,
        workflow_id: task.workflow_id.parse().map_err(illegal)?,
        agent_name: task.agent_name.parse().map_err(illegal)?,
        input: json_text::take(EXPECTED, task.input)?,
        timeout_ms: task.timeout_ms,
        heartbeat: task.heartbeat,
        reply_topic: task.reply.topic,
        reply_partition: task.reply.partition,
    })
}
