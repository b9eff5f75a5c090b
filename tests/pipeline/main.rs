//! The whole, through the real program as processes, on Kafka with Postgres and on the embedded log and store.
//!
//! Each test has an installation of its own. What happened is read from the topics and the tables, and judged by
//! `tests/python/check.py`, which shares no code with the engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod analytics;
mod bad_input;
mod clients;
mod failing_workers;
mod heartbeats;
mod judged;
mod kill;
mod local;
mod ready;
mod rebuild;
mod retries;
#[path = "../support/pipeline/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other test targets")]
mod support;
mod take_up;
mod trace;
mod verify;
mod why;
mod workers;
