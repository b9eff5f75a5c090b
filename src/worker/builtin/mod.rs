//! Agents that come with the worker: `echo`, `sleep`, `fail`, `http`, `exec`.
//!
//! The last two reach out of the process on the word of a definition, which may come from a stranger; both are
//! closed until the operator names the hosts and programs that they may use.

mod echo;
mod exec;
mod fail;
mod http;
mod retry_after;
mod sleep;
mod tokens;

pub use echo::Echo;
pub use exec::{BadProgram, ExecByDefinition};
pub use fail::Fail;
pub use http::{BadHost, Http};
pub use sleep::Sleep;

use super::registry::Agents;
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::AgentName;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;

/// What the operator allows the built-in agents.
#[derive(Clone, Debug)]
pub struct BuiltinSettings {
    /// The hosts that `http` may call, each `host:port`; none by default.
    pub http_hosts: Vec<String>,
    /// The programs that `exec` may start, by absolute path; none by default.
    pub exec_programs: Vec<PathBuf>,
    /// Largest body of a response and largest output of a program, in bytes.
    pub max_output_bytes: usize,
}

impl Default for BuiltinSettings {
    fn default() -> Self {
        let max_output_bytes = super::settings::MAX_REPORT_BYTES;
        Self { http_hosts: Vec::new(), exec_programs: Vec::new(), max_output_bytes }
    }
}

/// Why the built-in agents cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuiltinError {
    /// A host that `http` shall call.
    #[error(transparent)]
    Host(#[from] BadHost),
    /// A program that `exec` shall start.
    #[error(transparent)]
    Program(#[from] BadProgram),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
    /// A name that is no agent's name.
    #[error(transparent)]
    Name(#[from] crate::core::id::IllegalId),
}

/// All built-in agents under their names.
///
/// # Errors
/// Where what the operator allows is not of the expected form.
pub fn agents(settings: &BuiltinSettings) -> Result<Agents, BuiltinError> {
    let name = AgentName::new;
    Ok(Agents::new()
        .with(name("echo")?, Echo)
        .with(name("sleep")?, Sleep)
        .with(name("fail")?, Fail)
        .with(name("http")?, Http::new(&settings.http_hosts, settings.max_output_bytes)?)
        .with(name("exec")?, ExecByDefinition::new(&settings.exec_programs, settings.max_output_bytes)?))
}

/// Reads an agent's input, or says what is wrong with it.
fn read<T: DeserializeOwned>(agent: &str, input: Value) -> Result<T, Failure> {
    serde_json::from_value(input).map_err(|fault| {
        Failure::new(
            FailureClass::NonRetryable,
            "bad_input",
            format!("the input of {agent:?} is not as expected: {fault}"),
        )
    })
}
