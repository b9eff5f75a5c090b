//! Answers and refusals: the records of `responses`, as JSON.

use super::WireError;
use crate::core::command::Origin;
use crate::core::definition::DefinitionRef;
use crate::core::id::{RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::run::Outcome;
use crate::core::time::Timestamp;
use bytes::Bytes;

/// A record of `responses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// `{"format":1,"kind":"answer","workflow_id":…,"run_id":…,"definition":{"name":…,"version":…,"hash":…},
    /// "status":"completed","answer":…,"started_at":"<RFC 3339>","ended_at":"…"}`, or `"status":"failed"` with
    /// `"error":{"node_id":…,"class":…,"code":…,"message":…,"details":…}`.
    Answer {
        /// The workflow.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// What it executed.
        definition: DefinitionRef,
        /// How it ended.
        outcome: Outcome,
        /// When it started.
        started_at: Timestamp,
        /// When it ended.
        ended_at: Timestamp,
    },
    /// `{"format":1,"kind":"refused","workflow_id":…,"run_id":…,"reason":"unknown_definition","message":…,
    /// "details":…,"origin":{"topic":…,"partition":…,"offset":…,"time":"<RFC 3339>"}}`; a duplicate start is refused
    /// with the reason `duplicate` and the `run_id` of the first run.
    Refused {
        /// The workflow, as far as it could be read.
        workflow_id: Option<WorkflowId>,
        /// For a duplicate: the first run.
        run_id: Option<RunId>,
        /// A short stable word.
        reason: String,
        /// A sentence for people.
        message: String,
        /// More, as JSON.
        details: Option<Json>,
        /// Where the request stands.
        origin: Origin,
    },
}

/// The bytes of a response.
pub fn encode(_response: &Response) -> Bytes {
    todo!()
}

/// Reads a response.
pub fn decode(_bytes: &[u8]) -> Result<Response, WireError> {
    todo!()
}
