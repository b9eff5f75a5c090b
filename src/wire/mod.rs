//! Bytes to core and back: JSON, Avro, framing, headers. The only place that knows how anything is written down.
//!
//! Avro bodies carry single-object framing (`C3 01` and the schema's CRC-64 fingerprint); the schemas are the files
//! in `schemas/`. JSON bodies carry `"format": 1`.

pub mod answer;
pub mod chain;
pub mod dead_letter;
pub mod dead_letter_read;
pub mod definition;
pub mod event;
pub mod framing;
pub mod headers;
mod inbound;
pub mod journal;
mod journal_read;
mod journal_write;
mod json_text;
pub mod letter_handling;
pub mod report;
mod report_whose;
pub mod request;
pub mod resume;
pub mod schema;
pub mod signal;
pub mod task;
pub mod wakeup;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not of the expected form.
    #[error("expected {expected}, found {found}")]
    Malformed {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// Written by a newer version than this one.
    #[error("{what} has format {found}, this version reads up to {known}; a newer orchestrator is needed")]
    Newer {
        /// Which record.
        what: &'static str,
        /// The format it names (a fingerprint for Avro).
        found: String,
        /// The newest format known here.
        known: String,
    },
}

/// The first half of a SHA-256.
pub fn first_16(hash: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}
