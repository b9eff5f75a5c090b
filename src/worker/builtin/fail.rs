//! `fail` fails as its input says.

use super::super::agent::{Agent, Call};
use super::read;
use crate::core::failure::{Failure, FailureClass};
use crate::core::json::Json;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Fails with `{"class": …, "code": …, "message": …, "details": …}`, each of which may be left out, after
/// `"after_ms"` where that is given.
#[derive(Clone, Copy, Debug)]
pub struct Fail;

#[derive(Deserialize)]
struct Input {
    class: Option<FailureClass>,
    code: Option<String>,
    message: Option<String>,
    details: Option<Value>,
    #[serde(default)]
    after_ms: u64,
}

impl Agent for Fail {
    async fn run(&self, call: Call) -> Result<Value, Failure> {
        let input: Input = read("fail", call.input)?;
        if input.after_ms > 0 {
            tokio::time::sleep(Duration::from_millis(input.after_ms)).await;
        }
        Err(Failure {
            class: input.class.unwrap_or(FailureClass::Retryable),
            code: input.code.unwrap_or_else(|| "asked_to_fail".to_owned()),
            message: input.message.unwrap_or_else(|| "the input asks for a failure".to_owned()),
            details: input.details.as_ref().map(Json::from_value),
        })
    }
}
