//! Requests as JSON or Avro, told apart by their first bytes, and the workflow that a keyless one becomes.

use crate::core::command::{Origin, Request};
use crate::core::id::{RunId, WorkflowId};
use crate::core::rejection::Refusal;

/// Reads a request: JSON (`{` after white space), Avro with single-object framing (`C3 01`), or Avro with the
/// Confluent framing (`00` and a 4-byte schema id, taken to be `schemas/Request.v1.avsc`).
/// Checks size, depth, ids and that key and body name the same workflow.
pub fn decode(_key: Option<&[u8]>, _value: Option<&[u8]>, _max_bytes: usize) -> Result<Request, Refusal> {
    todo!()
}

/// The id of a request without one: derived from where it stands, so that it hashes to its own partition.
pub fn derived_workflow_id(_origin: &Origin, _partitions: u32) -> WorkflowId {
    todo!()
}

/// The id of the run that a start at `origin` makes.
pub fn run_id(_origin: &Origin) -> RunId {
    todo!()
}

/// 16 bytes that tell requests with another payload apart: definition, version, input (as a value, whatever its
/// spelling) and conversation.
pub fn payload_hash(_request: &Request) -> [u8; 16] {
    todo!()
}

/// The value of the `orchestrator_origin` header.
pub fn write_origin(_origin: &Origin) -> String {
    todo!()
}

/// Reads the `orchestrator_origin` header.
pub fn read_origin(_header: &[u8]) -> Option<Origin> {
    todo!()
}
