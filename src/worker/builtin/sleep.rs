//! `sleep` waits and returns its input.

use super::super::agent::{Agent, Call};
use super::read;
use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Waits for `{"ms": N}` or `{"seconds": N}` (a fraction is allowed), then returns its input, other members included.
#[derive(Clone, Copy, Debug)]
pub struct Sleep;

#[derive(Deserialize)]
struct Input {
    ms: Option<u64>,
    seconds: Option<f64>,
}

impl Agent for Sleep {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        let duration = match read("sleep", call.input.clone())? {
            Input { ms: Some(ms), seconds: None } => Some(Duration::from_millis(ms)),
            Input { ms: None, seconds: Some(seconds) } => Duration::try_from_secs_f64(seconds).ok(),
            Input { .. } => None,
        };
        let duration = duration.ok_or_else(|| {
            let message = "the input of \"sleep\" needs either \"ms\" or \"seconds\", not below 0";
            Failure::new(FailureClass::NonRetryable, "bad_input", message)
        })?;
        if !duration.is_zero() {
            tokio::time::sleep(duration).await;
        }
        Ok(call.input)
    }
}
