//! Reports: the records of `results`, by which workers say what became of an attempt, as JSON.

use crate::core::failure::Failure;
use crate::core::id::{DispatchId, WorkflowId};
use crate::core::json::Json;
use crate::core::rejection::Refusal;
use bytes::Bytes;

/// What a worker says of an attempt.
///
/// `{"format":1,"type":"completed","dispatch_id":"run/node/attempt","workflow_id":"…","output":…}`, or `"type":"started"`,
/// or `"type":"failed"` with `"class"` (default `retryable`), `"code"` (default `agent_failed`), `"message"`, `"details"`.
/// `workflow_id` may be left out where the record's key is the workflow id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which attempt.
    pub dispatch_id: DispatchId,
    /// Which workflow.
    pub workflow_id: WorkflowId,
    /// What became of it.
    pub outcome: ReportOutcome,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// A worker works on it.
    Started,
    /// It ended with an output.
    Completed(Json),
    /// It ended with a failure.
    Failed(Failure),
}

/// The bytes of a report.
pub fn encode(_report: &Report) -> Bytes {
    todo!()
}

/// Reads a report. Checks size, depth, ids and that key and body name the same workflow. JSON, or Avro
/// (`schemas/Report.v1.avsc`) with either framing, told apart by the first bytes.
pub fn decode(_key: Option<&[u8]>, _value: Option<&[u8]>, _max_bytes: usize) -> Result<Report, Refusal> {
    todo!()
}
