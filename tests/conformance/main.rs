//! What every implementation of a trait has to do, each case written once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod log;
mod log_kafka;
mod store;
