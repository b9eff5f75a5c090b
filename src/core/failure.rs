//! Why a node failed: the words in which workers, the engine and operators speak of it.

use super::json::Json;
use serde::{Deserialize, Serialize};
use std::time::Duration;

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

impl FailureClass {
    /// All classes.
    pub const ALL: [FailureClass; 6] =
        [Self::Retryable, Self::NonRetryable, Self::Timeout, Self::RateLimited, Self::Contract, Self::Cancelled];

    /// Whether another attempt may help.
    pub fn may_be_retried(self) -> bool {
        match self {
            Self::Retryable | Self::Timeout | Self::RateLimited => true,
            Self::NonRetryable | Self::Contract | Self::Cancelled => false,
        }
    }
}

/// Who said the class of a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassifiedBy {
    /// The agent itself.
    #[default]
    Agent,
    /// The engine: a timeout, a contract, an effect that could not be performed.
    Engine,
    /// A rule of the definition.
    Definition,
    /// The default table.
    Table,
    /// Nobody: it is not known, and taken as retryable.
    Nobody,
}

/// Why no other attempt of a node follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalBecause {
    /// Its class: no attempt with this input will succeed.
    NotRetryable,
    /// As many as allowed have failed.
    RetriesExhausted,
    /// The next one would begin too late.
    MaxElapsed,
    /// The run has failed elsewhere, and nothing new is started.
    RunFailed,
    /// The node's time over all attempts is up.
    TotalTimeout,
}

/// How a definition handles the failure of a node that has failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// The run goes on with the output `null`.
    Skip,
    /// The run goes on with an output that the definition gives.
    ContinueWith,
    /// A failure node is run, whose output stands in.
    RouteTo,
    /// The run fails, after what has completed has been undone.
    Compensate,
}

/// Whose output stands in for that of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Nobody's: it is `null`.
    Skip,
    /// The definition's.
    ContinueWith,
    /// A failure node's.
    RouteTo,
    /// A person's, who supplied it.
    Supply,
}

/// A failure as a worker reports it: the class may be left to the definition's rules and the default table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedFailure {
    /// What may be done about it, if the agent says.
    pub class: Option<FailureClass>,
    /// A short stable word for programs, e.g. `http_503`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// More, as JSON.
    pub details: Option<Json>,
    /// How long the source asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl ReportedFailure {
    /// A failure whose class is left to the definition's rules and the default table.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class: None, code: code.into(), message: message.into(), details: None, retry_after: None }
    }
}

impl From<Failure> for ReportedFailure {
    fn from(failure: Failure) -> Self {
        let Failure { class, code, message, details } = failure;
        Self { class: Some(class), code, message, details, retry_after: None }
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
