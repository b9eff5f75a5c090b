//! Everything in one process and one folder: log and store on SQLite, engine, projector and workers on threads.
//!
//! What `demo` and `dev` stand on, and anyone who wants to run workflows inside a program of his own:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use orchestrator::embedded::{Embedded, EmbeddedOptions};
//! let embedded = Embedded::start(EmbeddedOptions::new("coffee"))?;
//! // embedded.apply(&definition)?, append requests to embedded.log(), read answers from it
//! embedded.stop()?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`hold`] | one engine at a time in a folder |
//! | `threads` | the roles, and in which order they end |

pub mod hold;
mod threads;

use crate::core::definition::{Definition, DefinitionRef};
use crate::engine::EngineSettings;
use crate::engine::thread::wall_clock;
use crate::installation::apply::apply;
use crate::installation::{InstallationError, topics};
use crate::log::sqlite::SqliteLog;
use crate::log::{Log, LogError};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::worker::{Agents, RunnerError, RunnerSettings};
use hold::Hold;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use threads::Threads;

/// How many partitions a new folder gets.
///
/// Partitions share work among engines, and a folder has one engine and one writer: more of them only cut the same
/// work into more and smaller transactions. Two, rather than one, because what differs between partitions (no order
/// across them, ids that hash to one of them) then shows up here as it does in production.
pub const PARTITIONS: u32 = 2;
/// The log's file in the folder.
pub const LOG_FILE: &str = "log.db";
/// The store's file in the folder.
pub const STORE_FILE: &str = "store.db";

/// What an embedded installation is made of.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Where it keeps everything; created where it is not there.
    pub folder: PathBuf,
    /// The prefix of every topic's name.
    pub namespace: String,
    /// How many partitions it gets if it is new; an installation that is there keeps its number.
    pub partitions: u32,
    /// The agents that run in this process; none: no worker.
    pub agents: Agents,
    /// Limits of the engine; namespace and partitions are filled in.
    pub engine: EngineSettings,
    /// Limits of the worker; namespace and partitions are filled in.
    pub runner: RunnerSettings,
}

impl EmbeddedOptions {
    /// With the defaults, without agents.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let engine = EngineSettings::default();
        Self {
            folder: folder.into(),
            namespace: engine.namespace.clone(),
            partitions: PARTITIONS,
            agents: Agents::new(),
            engine,
            runner: RunnerSettings::default(),
        }
    }

    /// With these agents.
    #[must_use]
    pub fn with_agents(mut self, agents: Agents) -> Self {
        self.agents = agents;
        self
    }
}

/// Why an embedded installation does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its folder cannot be made.
    #[error("the folder {folder} cannot be made: {fault}; choose one that you may write to")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        fault: std::io::Error,
    },
    /// A fault of the log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Another engine runs in the folder.
    #[error(transparent)]
    Held(#[from] hold::HoldError),
    /// Topics or definitions cannot be made or read.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// A fault of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no thread to be had.
    #[error("no thread can be made: {0}; is a limit of the system reached?")]
    Threads(#[from] std::io::Error),
    /// A fault of the worker.
    #[error("the worker ended: {0}")]
    Runner(#[from] RunnerError),
    /// A thread panicked: a fault of the program.
    #[error("the thread of the {0} panicked; what it had decided is in the log, and is gone on with at the next start")]
    Panicked(&'static str),
}

/// A running embedded installation.
pub struct Embedded {
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    partitions: u32,
    threads: Threads,
    /// Let go when everything has ended.
    _hold: Hold,
}

impl Embedded {
    /// Opens the folder, or makes it, and starts everything.
    ///
    /// # Errors
    /// Where folder, log or store cannot be opened, or threads are not to be had.
    pub fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        make_folder(&options.folder)?;
        let hold = Hold::take(&options.folder)?;
        let log: Arc<dyn Log> = Arc::new(SqliteLog::open(&options.folder.join(LOG_FILE), &options.namespace)?);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&options.folder.join(STORE_FILE))?);
        store.migrate()?;
        let partitions = topics::make(&*log, None, options.partitions)?.partitions;
        let EmbeddedOptions { namespace, agents, mut engine, mut runner, .. } = options;
        (engine.namespace, engine.partitions) = (namespace.clone(), partitions);
        (runner.namespace, runner.ready_partitions) = (namespace, partitions);
        topics::make_for_agents(&*log, agents.names(), partitions)?;
        let threads = Threads::start(&log, &store, engine, agents, runner)?;
        Ok(Self { log, store, partitions, threads, _hold: hold })
    }

    /// The log: requests go in here, events and answers come out.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// The store: what people ask.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Applies a definition: the version under which it counts, which is an old one if its content is there already.
    ///
    /// # Errors
    /// Where the log does not take it.
    pub fn apply(&self, definition: &Definition) -> Result<DefinitionRef, EmbeddedError> {
        let outcomes = apply(&*self.log, &self.log.cluster(), std::slice::from_ref(definition), wall_clock())?;
        let missing = || InstallationError::Vanished { name: definition.name.to_string() };
        Ok(outcomes.into_iter().next().map(|outcome| outcome.reference).ok_or_else(missing)?)
    }

    /// The role that has ended although nobody stopped it.
    pub fn ended(&self) -> Option<&'static str> {
        self.threads.ended()
    }

    /// Ends everything in order: workers finish what they have, the engine records what they report, and the store
    /// catches up with the log.
    ///
    /// # Errors
    /// Of the role that ended with one.
    pub fn stop(self) -> Result<(), EmbeddedError> {
        self.threads.stop(&*self.log)
    }
}

fn make_folder(folder: &Path) -> Result<(), EmbeddedError> {
    std::fs::create_dir_all(folder).map_err(|fault| EmbeddedError::Folder { folder: folder.to_owned(), fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(description: &str) -> Definition {
        let text = format!("name: echo\ndescription: {description}\nnodes: [{{node_id: a, agent_name: echo}}]\n");
        Definition::read(&text).unwrap()
    }

    #[test]
    fn a_folder_keeps_its_partitions_and_its_definitions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inner/coffee");
        let first = Embedded::start(EmbeddedOptions { partitions: 3, ..EmbeddedOptions::new(&path) }).unwrap();
        assert_eq!((first.partitions(), first.apply(&definition("one")).unwrap().version), (3, 1));
        assert_eq!(first.apply(&definition("two")).unwrap().version, 2);
        assert_eq!(first.ended(), None);
        first.stop().unwrap();
        let again = Embedded::start(EmbeddedOptions::new(&path)).unwrap();
        assert_eq!((again.partitions(), again.apply(&definition("one")).unwrap().version), (3, 1));
        again.stop().unwrap();
    }
}
