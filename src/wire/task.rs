//! Tasks: the records of `ready.<agent>`, one attempt of a node each, as JSON.

use super::WireError;
use crate::core::id::{AgentName, DispatchId, WorkflowId};
use crate::core::json::Json;
use bytes::Bytes;

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

/// The bytes of a task.
pub fn encode(_task: &Task) -> Bytes {
    todo!()
}

/// Reads a task.
pub fn decode(_bytes: &[u8]) -> Result<Task, WireError> {
    todo!()
}
