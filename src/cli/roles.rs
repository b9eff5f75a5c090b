//! Starting the roles of a process. Each runs on threads of its own until the stop flag is set.

use crate::api::Status;
use crate::config::Settings;
use crate::core::id::AgentName;
use crate::log::Log;
use crate::shutdown::Stop;
use crate::store::Store;
use anyhow::{Result, bail};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What roles are made of.
#[derive(Clone)]
pub struct Parts {
    /// The settings.
    pub settings: Settings,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The store; it may be away. None: this process needs none, or it could not be opened.
    pub store: Option<Arc<dyn Store>>,
    /// The pinned number of partitions.
    pub partitions: u32,
    /// What `GET /health` and `GET /ready` answer.
    pub status: Arc<Status>,
    /// Says when to end.
    pub stop: Stop,
}

/// A role that runs: its thread ends with the role.
pub type Running = JoinHandle<Result<()>>;

/// What a worker executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerKind {
    /// Nodes of an agent, each by running a program (JSON in on the standard input, JSON out).
    Program {
        /// The agent.
        agent: AgentName,
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// Nodes of a built-in agent.
    BuiltIn(BuiltIn),
}

/// The built-in agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum BuiltIn {
    /// Returns its input.
    Echo,
    /// Waits as long as its input says.
    Sleep,
    /// Fails as its input says.
    Fail,
    /// Calls an HTTP service, if its host is allowed.
    Http,
    /// Runs a program, if it is allowed.
    Exec,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [BuiltIn; 5] = [Self::Echo, Self::Sleep, Self::Fail, Self::Http, Self::Exec];

    /// The name of the agent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Sleep => "sleep",
            Self::Fail => "fail",
            Self::Http => "http",
            Self::Exec => "exec",
        }
    }
}

/// Starts the engine.
///
/// # Errors
/// Where it can't be started.
pub fn start_engine(_parts: &Parts) -> Result<Running> {
    bail!("the engine is not part of this build")
}

/// Starts the projector.
///
/// # Errors
/// Where it can't be started.
pub fn start_projector(_parts: &Parts, _store: Arc<dyn Store>) -> Result<Running> {
    bail!("the projector is not part of this build")
}

/// Starts a worker for each kind. The topics of their agents exist.
///
/// # Errors
/// Where one can't be started.
pub fn start_workers(_parts: &Parts, _kinds: &[WorkerKind]) -> Result<Running> {
    bail!("workers are not part of this build")
}
