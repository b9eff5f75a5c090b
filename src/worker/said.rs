//! A failure as programs and inputs write it.

use crate::core::failure::{FailureClass, ReportedFailure};
use crate::core::json::Json;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::time::Duration;

/// `{"class": …, "code": …, "message": …, "details": …, "retry_after": seconds}`, each of which may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaidFailure {
    pub class: Option<FailureClass>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub details: Option<Value>,
    #[serde(default, deserialize_with = "seconds")]
    pub retry_after: Option<Duration>,
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let seconds = Option::<f64>::deserialize(from)?;
    seconds
        .map(Duration::try_from_secs_f64)
        .transpose()
        .map_err(|fault| D::Error::custom(format!("`retry_after` is in seconds: {fault}")))
}

impl SaidFailure {
    /// The failure, with this code and this message where it does not say its own.
    pub fn or(self, code: &str, message: impl FnOnce() -> String) -> ReportedFailure {
        ReportedFailure {
            class: self.class,
            code: self.code.unwrap_or_else(|| code.to_owned()),
            message: self.message.unwrap_or_else(message),
            details: self.details.as_ref().map(Json::from_value),
            retry_after: self.retry_after,
        }
    }
}
