//! Journal records as Avro.

use super::WireError;
use crate::journal::record::JournalRecord;
use bytes::Bytes;

/// The bytes of a journal record.
pub fn encode(_record: &JournalRecord) -> Bytes {
    todo!()
}

/// Reads a journal record; the events in it stay bytes (slices of `bytes`, not copies).
pub fn decode(_bytes: &Bytes) -> Result<JournalRecord, WireError> {
    todo!()
}
