//! Why a node failed: the words in which workers, the engine and operators speak of it.

use super::json::Json;
use serde::{Deserialize, Serialize};

/// The class of a failure. It says what may be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Another attempt may succeed.
    Retryable,
    /// No attempt with this input will succeed.
    NonRetryable,
    /// No answer in time.
    Timeout,
    /// The agent, or what it calls, asked to be left alone for a while.
    RateLimited,
    /// An input or output breaks its contract.
    Contract,
    /// Someone asked for it to stop.
    Cancelled,
}

impl FailureClass {
    /// The word used on the wire, in tables and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::NonRetryable => "non_retryable",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Contract => "contract",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A failure as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What may be done about it.
    pub class: FailureClass,
    /// A short stable word for programs, e.g. `output_contract`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// More, as JSON, e.g. `{"pointer": "/total"}`.
    pub details: Option<Json>,
}

impl Failure {
    /// A failure without details.
    pub fn new(class: FailureClass, code: &str, message: impl Into<String>) -> Self {
        Self { class, code: code.to_owned(), message: message.into(), details: None }
    }
}
