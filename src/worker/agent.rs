//! What an agent is.

use super::heartbeat::Heartbeat;
use super::meter::Meter;
use crate::core::failure::ReportedFailure;
use crate::core::id::{DispatchId, WorkflowId};
use serde_json::Value;
use std::future::Future;
use std::time::Duration;

/// One attempt of a node, as an agent sees it.
#[derive(Clone, Debug)]
pub struct Call {
    /// (run, node, attempt): the idempotency key. The same attempt may come again after a crash, with the same id.
    pub dispatch_id: DispatchId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The input.
    pub input: Value,
    /// How long it may take, from its begin or, where the node asks for heartbeats, from its last one.
    pub timeout: Duration,
    /// Says that it goes on.
    pub heartbeat: Heartbeat,
    /// Says what it has used.
    pub meter: Meter,
    /// The W3C trace context, to be passed on.
    pub traceparent: Option<String>,
}

/// Executes nodes.
pub trait Agent: Send + Sync + 'static {
    /// Does the work of one attempt. Dropped at the deadline.
    ///
    /// # Errors
    /// What becomes the attempt's failure. Where it does not say its class, the definition's rules and the default table
    /// do, by its code; a [`Failure`](crate::core::failure::Failure), which says it, becomes one with `?` or `into()`.
    fn run(&self, call: Call) -> impl Future<Output = Result<Value, ReportedFailure>> + Send;
}
