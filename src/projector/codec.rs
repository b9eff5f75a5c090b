//! How journal records become values. A seam, so that the projector can be driven without bytes.

use crate::journal::record::JournalRecord;
use crate::wire::event::Published;
use crate::wire::{self, WireError};
use bytes::Bytes;

/// Decoders, and the hash chain over what they read.
#[derive(Clone, Copy)]
pub struct Codec {
    /// Reads a journal record.
    pub record: fn(&Bytes) -> Result<JournalRecord, WireError>,
    /// Reads an event.
    pub event: fn(&[u8]) -> Result<Published, WireError>,
    /// The chain after an event's bytes.
    pub chain: fn(&[u8; 16], &[u8]) -> [u8; 16],
}

impl Codec {
    /// The formats of the journal and the event stream.
    pub const WIRE: Codec =
        Codec { record: wire::journal::decode, event: wire::event::decode, chain: wire::chain::next };
}
