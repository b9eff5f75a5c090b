//! The event stream with ids of a schema registry in its frames: the protocol against a real registry, what goes wrong
//! against a played one, and the whole with Kafka, our own readers and Confluent's.
//!
//! The real one is Apicurio Registry, which `scripts/services start-registry` gets from Maven Central.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../support/pipeline/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other test targets")]
mod support;

mod commands;
mod end_to_end;
mod player;
mod processes;
mod protocol;
mod readers;
mod refusals;

/// Where the real registry is.
fn real() -> String {
    let name = "ORCHESTRATOR_TEST_REGISTRY";
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; `scripts/test --only registry` sets it"))
}
