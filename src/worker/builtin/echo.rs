//! `echo` returns its input.

use super::super::agent::{Agent, Call};
use crate::core::failure::Failure;
use serde_json::Value;

/// Returns its input.
#[derive(Clone, Copy, Debug)]
pub struct Echo;

impl Agent for Echo {
    async fn run(&self, call: Call) -> Result<Value, Failure> {
        Ok(call.input)
    }
}
