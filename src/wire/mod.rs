//! Bytes to core and back: JSON, Avro, framing, headers. The only place that knows how anything is written down.
//!
//! Avro bodies carry single-object framing (`C3 01` and the schema's CRC-64 fingerprint); the schemas are the files
//! in `schemas/`. JSON bodies carry `"format": 1`.

pub mod answer;
pub mod chain;
pub mod dead_letter;
pub mod definition;
pub mod event;
pub mod headers;
pub mod journal;
pub mod report;
pub mod request;
pub mod schema;
pub mod task;

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
