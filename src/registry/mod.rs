//! A schema registry that speaks Confluent's protocol: the schemas of the events are registered in it, the event stream
//! is published with its ids, and records with ids are read.
//!
//! Everything else knows single-object framing alone: [`FramedLog`] stands before the log and exchanges the frames.
//! The journal, and so the hash chain, never see an id.

mod client;
mod framed;
mod lookup;
mod subjects;

pub use client::Registry;
pub use framed::FramedLog;
pub use subjects::{SchemaIds, register_events, subject};

/// Why a registry was of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be reached, or cannot answer now (HTTP 429 and 5xx): it may answer later.
    #[error("the schema registry at {at} does not answer: {reason}")]
    Away {
        /// Its URL, masked.
        at: String,
        /// What was found.
        reason: String,
    },
    /// It answers, and says no.
    #[error("the schema registry at {at} refuses {what}: {words}")]
    Refused {
        /// Its URL, masked.
        at: String,
        /// What was asked for.
        what: String,
        /// What it says.
        words: String,
    },
    /// What answers is no schema registry.
    #[error("expected a schema registry at {at}, found: {found}; its URL may need a path, e.g. /apis/ccompat/v7")]
    Other {
        /// Its URL, masked.
        at: String,
        /// What answered.
        found: String,
    },
}
