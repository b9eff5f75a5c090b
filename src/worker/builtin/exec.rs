//! `exec` starts a program that the definition names.

use super::super::agent::{Agent, Call};
use super::super::exec::{ExecAgent, Surroundings};
use super::read;
use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use crate::core::id::{AgentName, IllegalId};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A program that cannot be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the programs that \"exec\" may start need absolute paths, found {0:?}")]
pub struct BadProgram(PathBuf);

/// Starts `{"program": "/absolute/path", "args": […], "input": …}`: the program gets `input` on stdin and ends with
/// one JSON value on stdout, as described at [`ExecAgent`]. Of the worker's environment it sees only where programs
/// and homes are, so that a definition cannot read the worker's secrets.
#[derive(Clone, Debug)]
pub struct ExecByDefinition {
    allowed: Vec<PathBuf>,
    max_output_bytes: usize,
    name: AgentName,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    program: PathBuf,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    input: Value,
}

impl ExecByDefinition {
    /// May start these programs and no others; none: it is off.
    ///
    /// # Errors
    /// Where a path is not absolute.
    pub fn new(allowed: &[PathBuf], max_output_bytes: usize) -> Result<Self, super::BuiltinError> {
        if let Some(relative) = allowed.iter().find(|path| !path.is_absolute()) {
            return Err(BadProgram(relative.clone()).into());
        }
        let name = AgentName::new("exec").map_err(|fault: IllegalId| fault)?;
        Ok(Self { allowed: allowed.to_vec(), max_output_bytes, name })
    }

    fn check(&self, program: &Path) -> Result<(), Failure> {
        // Compared as written: no links, no dots, no search.
        if self.allowed.iter().any(|allowed| allowed.as_os_str() == program.as_os_str()) {
            return Ok(());
        }
        let message = format!(
            "the program {program:?} is not among the {} that this worker's operator allows \"exec\" to start",
            self.allowed.len()
        );
        Err(Failure::new(FailureClass::NonRetryable, "program_not_allowed", message))
    }
}

impl Agent for ExecByDefinition {
    async fn run(&self, mut call: Call) -> Result<Value, ReportedFailure> {
        let input: Input = read("exec", std::mem::take(&mut call.input))?;
        self.check(&input.program)?;
        call.input = input.input;
        let mut agent = ExecAgent::new(self.name.clone(), input.program, input.args.into_iter().map(Into::into));
        agent.max_output_bytes = self.max_output_bytes;
        agent.surroundings = Surroundings::Bare;
        agent.run(call).await
    }
}
