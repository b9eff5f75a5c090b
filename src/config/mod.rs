//! Configuration: every setting in one table ([`table::SETTINGS`]), from which parsing, `orchestrator config`, the
//! flags of the command line and `docs/configuration.md` are made.
//!
//! A flag beats the environment, the environment beats the default. All bad values are reported together.

mod agents;
pub mod fault;
pub mod kafka;
pub mod kind;
pub mod load;
pub mod report;
pub mod table;
pub mod targets;

pub use fault::{ConfigFault, ConfigFaults};
pub use kafka::KafkaProperty;
pub use load::{Inputs, load};
pub use report::Row;
pub use targets::{HttpTarget, LogTarget, StoreKind, StoreTarget};

use crate::core::limits::Limits;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    #[default]
    Default,
    /// A variable of the environment.
    Environment,
    /// A flag of the command line.
    Flag,
    /// It follows from another setting, or from the command: which, for people.
    Follows(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Default => f.pad("default"),
            Self::Environment => f.pad("environment"),
            Self::Flag => f.pad("flag"),
            Self::Follows(what) => f.pad(&format!("follows from {what}")),
        }
    }
}

/// What [`load()`] gives: the settings, how they came about, and what looks wrong without being wrong.
#[derive(Debug)]
pub struct Config {
    /// The settings.
    pub settings: Settings,
    /// Every setting with its value (secrets masked), source, default and meaning, in the order of the table.
    pub rows: Vec<Row>,
    /// Sentences for the operator, e.g. about variables that nobody reads.
    pub warnings: Vec<String>,
}

impl Config {
    /// Whether somebody asked for this value, rather than leaving the default.
    pub fn was_given(&self, name: &str) -> bool {
        self.rows.iter().any(|row| row.name == name && matches!(row.source, Source::Environment | Source::Flag))
    }
}

/// Every setting, typed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What decisions respect: agent calls of a plan, parallel threshold, agent timeout.
    pub limits: Limits,
    /// Where the log is.
    pub log: LogTarget,
    /// Where the store is.
    pub store: StoreTarget,
    /// The schema registry whose ids stand in the frames of the event stream; none: fingerprints do.
    pub schema_registry: Option<HttpTarget>,
    /// The first part of every topic's name.
    pub namespace: String,
    /// The consumer group of the engines that share the partitions.
    pub group: String,
    /// How many partitions `init` creates.
    pub partitions: u32,
    /// Where `serve` and `dev` answer; none: nowhere.
    pub http_address: Option<SocketAddr>,
    /// Largest request or result, in bytes.
    pub max_request_bytes: usize,
    /// Unfinished runs of a partition from which on its requests wait.
    pub max_unfinished: usize,
    /// How long after the end of a run a start with its id is a duplicate.
    pub duplicate_window: Duration,
    /// Whether the agents of a process are handed nodes by its engine in memory.
    pub local_agents: bool,
    /// How many nodes of an agent one worker process runs at once.
    pub worker_concurrency: usize,
    /// How long a worker that is stopped goes on with what it runs.
    pub worker_stop_timeout: Duration,
    /// Hosts that the built-in `http` agent may call, each with its port.
    pub http_agent_hosts: Vec<String>,
    /// Programs that the built-in `exec` agent may run.
    pub exec_agent_programs: Vec<String>,
    /// How long an append to the journal may take.
    pub journal_timeout: Duration,
    /// How long deadlines wait after an interruption of reading.
    pub deadline_grace: Duration,
    /// The folder of the embedded log and store, where it was given.
    pub data: Option<PathBuf>,
    /// Whether log lines are JSON.
    pub structured_logging: bool,
    /// The least level of log lines.
    pub log_level: tracing::Level,
    /// What is passed through to librdkafka.
    pub kafka: Vec<KafkaProperty>,
}
