//! Histories, read again: replay, verify, and histories of every version that events have had.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod damage;
mod golden;
#[allow(dead_code, reason = "the tests of stores and projectors use more of it")]
#[path = "../support/histories.rs"]
mod histories;
mod points;
mod removed;
mod rows;
mod speed;
mod trimmed;
mod verify;
