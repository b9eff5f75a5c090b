//! Dead letters, as JSON.

use crate::core::effect::DeadNode;
use crate::core::event::InputRefused;
use crate::core::id::WorkflowId;
use crate::journal::record::InputRecord;
use crate::log::Header;
use bytes::Bytes;

/// Up to this size a dead letter holds a refused value whole; of a larger one its first [`HEAD_BYTES`].
pub const WHOLE_BYTES: usize = 4 << 20;
/// How much of a value over [`WHOLE_BYTES`] is kept.
pub const HEAD_BYTES: usize = 64 << 10;

/// A refused input: `{"format":1,"kind":"input","reason":…,"message":…,"details":…,"origin":{…},"fingerprint":…,
/// "workflow_id":…,"key":"<text or base64>","key_encoding":"utf8|base64","value":…,"value_encoding":"utf8|base64",
/// "value_bytes":…,"value_sha256":…,"truncated":false,"headers":{…}}`.
pub fn encode_input(_refused: &InputRefused, _input: &InputRecord) -> Bytes {
    todo!()
}

/// An exhausted node: `{"format":1,"kind":"node","workflow_id":…,"dispatch_id":…,"run_id":…,"node_id":…,"attempt":…,
/// "agent_name":…,"input":…,"class":…,"code":…,"message":…,"details":…,"fingerprint":…}`.
pub fn encode_node(_workflow_id: &WorkflowId, _node: &DeadNode) -> Bytes {
    todo!()
}

/// Keeps what an effect will need of an input record.
pub fn keep(_key: Option<&Bytes>, _value: Option<&Bytes>, _headers: &[Header]) -> InputRecord {
    todo!()
}
