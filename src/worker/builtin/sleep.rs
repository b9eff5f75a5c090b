//! `sleep` waits and returns its input.

use super::super::agent::{Agent, Call};
use super::read;
use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use crate::core::usage::Usage;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Waits for `{"ms": N}` or `{"seconds": N}` (a fraction is allowed), then returns its input, other members included. With
/// `"usage": {"cost": …, "input_tokens": …, "output_tokens": …}` it says that it has used that, as an agent would that asks a
/// model.
#[derive(Clone, Copy, Debug)]
pub struct Sleep;

#[derive(Deserialize)]
struct Input {
    ms: Option<u64>,
    seconds: Option<f64>,
    usage: Option<Usage>,
}

impl Agent for Sleep {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        let Input { ms, seconds, usage } = read("sleep", call.input.clone())?;
        let duration = match (ms, seconds) {
            (Some(ms), None) => Some(Duration::from_millis(ms)),
            (None, Some(seconds)) => Duration::try_from_secs_f64(seconds).ok(),
            _ => None,
        };
        let duration = duration.ok_or_else(|| {
            let message = "the input of \"sleep\" needs either \"ms\" or \"seconds\", not below 0";
            Failure::new(FailureClass::NonRetryable, "bad_input", message)
        })?;
        if let Some(usage) = usage {
            call.meter.add(usage);
        }
        if !duration.is_zero() {
            tokio::time::sleep(duration).await;
        }
        Ok(call.input)
    }
}
