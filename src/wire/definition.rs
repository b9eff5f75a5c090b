//! Definitions on their compacted topic, as JSON, and the reserved record with the number of partitions.

use super::WireError;
use crate::core::definition::DefinitionRef;
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde_json::Value;

/// The key of the reserved record. No definition can have it: names do not hold a slash.
pub const INSTALLATION_KEY: &[u8] = b"orchestrator/installation";

/// A record of `definitions`.
#[derive(Clone, Debug, PartialEq)]
pub enum DefinitionRecord {
    /// `{"format":1,"name":…,"version":…,"hash":…,"applied_at":…,"document":{…}}` under the key `name@hash`.
    Applied {
        /// Name, version and hash.
        reference: DefinitionRef,
        /// When it was applied.
        applied_at: Timestamp,
        /// The document.
        document: Value,
    },
    /// `{"format":1,"partitions":4}` under [`INSTALLATION_KEY`].
    Installation {
        /// The number of partitions of `requests`, `signals`, `results`, `journal`, `delay.*` and `events`.
        partitions: u32,
    },
}

/// Key and value of a record.
pub fn encode(_record: &DefinitionRecord) -> (Bytes, Bytes) {
    todo!()
}

/// Reads a record.
pub fn decode(_key: &[u8], _value: &[u8]) -> Result<DefinitionRecord, WireError> {
    todo!()
}
