//! What every implementation of a trait has to do, each case written once.

mod log;
//! One suite for all implementations of a trait.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod store;
