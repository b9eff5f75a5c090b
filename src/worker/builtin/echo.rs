//! `echo` returns its input.

use super::super::agent::{Agent, Call};
use crate::core::failure::ReportedFailure;
use serde_json::Value;

/// Returns its input.
#[derive(Clone, Copy, Debug)]
pub struct Echo;

impl Agent for Echo {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        Ok(call.input)
    }
}
