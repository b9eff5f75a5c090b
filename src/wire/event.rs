//! Events as the Avro bytes that stand in the journal and on the event stream.

use super::WireError;
use crate::core::event::{PartitionEvent, Recorded};
use crate::core::time::Timestamp;
use bytes::Bytes;

/// An event of a partition with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecorded {
    /// The partition.
    pub partition: u32,
    /// Counts a partition's own events from 1.
    pub sequence: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// What happened.
    pub event: PartitionEvent,
}

/// Any event of the event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Of a run.
    Run(Recorded),
    /// Of a partition.
    Partition(PartitionRecorded),
}

/// The bytes of a run's event.
pub fn encode(_event: &Recorded) -> Bytes {
    todo!()
}

/// The bytes of a partition's event.
pub fn encode_partition(_event: &PartitionRecorded) -> Bytes {
    todo!()
}

/// Reads either kind.
pub fn decode(_bytes: &[u8]) -> Result<Published, WireError> {
    todo!()
}
