//! `fail` fails as its input says.

use super::super::agent::{Agent, Call};
use super::super::said::SaidFailure;
use super::read;
use crate::core::failure::ReportedFailure;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Fails with `{"class": …, "code": …, "message": …, "details": …, "retry_after": …}`, each of which may be left out,
/// after `"after_ms"` where that is given.
#[derive(Clone, Copy, Debug)]
pub struct Fail;

#[derive(Deserialize)]
struct Input {
    #[serde(flatten)]
    failure: SaidFailure,
    #[serde(default)]
    after_ms: u64,
}

impl Agent for Fail {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        let input: Input = read("fail", call.input)?;
        if input.after_ms > 0 {
            tokio::time::sleep(Duration::from_millis(input.after_ms)).await;
        }
        Err(input.failure.or("asked_to_fail", || "the input asks for a failure".to_owned()))
    }
}
