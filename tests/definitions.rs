//! Definitions, mappings, contracts and plans, as the people who write them meet them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

#[path = "definitions/expressions.rs"]
mod expressions;
#[path = "definitions/faults.rs"]
mod faults;
#[path = "definitions/golden.rs"]
mod golden;
#[path = "definitions/graphs.rs"]
mod graphs;
#[path = "definitions/large.rs"]
mod large;
#[path = "definitions/plans.rs"]
mod plans;
