//! Bytes to core and back: what is written reads back, others read it with the schemas alone, and nothing that comes
//! from outside does harm.
//!
//! `UPDATE_GOLDEN=1` writes the files of `tests/golden/wire/` anew; a released format must not change.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's helper fails the test")]

mod asyncapi;
mod codec;
mod contract;
mod event_reference;
mod fields;
mod golden;
mod hostile;
mod inbound;
mod letters;
mod messages;
mod round_trip;
mod samples;
mod strategies;
