//! What `serve`, `dev` and `worker` have in common: say how the process is, wait for the log, check it, start the
//! roles, watch over them.

use super::roles::{BuiltIn, Parts, Running, WorkerKind};
use super::{Context, connect, exit, roles};
use crate::api::status::{RoleState, Status};
use crate::config::{LogTarget, Settings, table};
use crate::core::id::AgentName;
use crate::embedded::hold::Hold;
use crate::installation::topics;
use crate::log::{Log, LogError};
use crate::shutdown::Stop;
use crate::store::{Store, StoreError};
use anyhow::{Context as _, Result, bail};
use exit::Exit;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long to wait before a log or store that does not answer is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How often it is looked whether a role has ended.
const WATCH: Duration = Duration::from_millis(200);

/// A part of the work that a process can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Role {
    /// Decides: takes partitions, reads inputs, writes the journal, performs effects.
    Engine,
    /// Projects the journal to the store.
    Projector,
    /// Executes nodes of the built-in agents.
    Worker,
}

impl Role {
    /// The word on the command line and in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Projector => "projector",
            Self::Worker => "worker",
        }
    }
}

/// A process that is about to serve.
pub struct Server {
    parts: Parts,
    /// Whether the store answered and has its tables.
    store_is_there: bool,
    /// The right to run an engine in a folder, where it is one.
    hold: Option<Hold>,
    running: Vec<(Role, Running)>,
}

impl Server {
    /// How a process with these roles is that begins: nothing has been connected to yet.
    pub fn begin(context: &Context, roles: &BTreeSet<Role>) -> Arc<Status> {
        let log = context.settings().log.url();
        let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), %log, roles = names.join(","), "starting");
        let status = Status::new(log.clone(), context.settings().namespace.clone(), &names);
        status.waits(&format!("the log at {log} has not answered yet"));
        Arc::new(status)
    }

    /// Waits for the log, checks the installation, opens the store.
    ///
    /// # Errors
    /// Where there is no installation, or its topics are not safe to run on.
    pub fn prepare(
        context: &Context,
        roles: &BTreeSet<Role>,
        stop: &Stop,
        status: Arc<Status>,
    ) -> Result<Option<Self>> {
        let settings = context.settings().clone();
        let say = |words: &str| status.waits(words);
        let Some(log) = wait_for(stop, "the log", say, || connect::open_unframed_log(&settings))? else {
            return Ok(None);
        };
        let Some(partitions) = wait_for(stop, "the log", say, || checked(log.as_ref(), &settings))? else {
            return Ok(None);
        };
        status.log(log.cluster());
        let hold = hold_of(roles, &settings)?;
        let Some(log) = wait_for(stop, "the schema registry", say, || published(&log, roles, &settings))? else {
            return Ok(None);
        };
        let (store, store_is_there) = match *roles == BTreeSet::from([Role::Worker]) {
            true => (None, false),
            false => open_store_if_there(&settings)?,
        };
        let parts = Parts { settings, log, local: Arc::default(), store, partitions, status, stop: stop.clone() };
        Ok(Some(Self { parts, store_is_there, hold, running: Vec::new() }))
    }

    /// The parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Answers `GET /health` and `GET /ready`; returns where. To be done before anything is connected to, so that a
    /// supervisor hears of a process that waits.
    ///
    /// # Errors
    /// Where an address that somebody asked for is taken.
    pub fn answer(context: &Context, status: &Arc<Status>) -> Result<Option<SocketAddr>> {
        let Some(address) = context.settings().http_address else { return Ok(None) };
        match crate::api::health::serve(address, Arc::clone(status)) {
            Ok(address) => Ok(Some(address)),
            Err(error) if context.config.was_given(table::HTTP_ADDRESS) => {
                Err(error).with_context(|| format!("{} {address} can't be answered at", table::HTTP_ADDRESS))
            }
            Err(error) => {
                tracing::warn!(%address, %error, "health is not answered: {} names another address", table::HTTP_ADDRESS);
                Ok(None)
            }
        }
    }

    /// Starts roles, the worker with these kinds of node.
    ///
    /// # Errors
    /// Where one can't be started.
    pub fn start(&mut self, roles: &BTreeSet<Role>, kinds: &[WorkerKind]) -> Result<()> {
        for role in roles {
            let running = match role {
                Role::Engine => roles::start_engine(&self.parts)?,
                Role::Projector => self.start_projector()?,
                Role::Worker => {
                    make_agent_topics(self.parts.log.as_ref(), self.parts.partitions, kinds)?;
                    roles::start_workers(&self.parts, kinds)?
                }
            };
            self.running.push((*role, running));
        }
        Ok(())
    }

    /// Starts the projector, or a thread that waits for the store and starts it then.
    fn start_projector(&self) -> Result<Running> {
        if let (Some(store), true) = (&self.parts.store, self.store_is_there) {
            return roles::start_projector(&self.parts, Arc::clone(store));
        }
        let parts = self.parts.clone();
        let wait = move || {
            let say = |words: &str| {
                parts.status.role(Role::Projector.as_str(), RoleState::Waiting, Some(words.to_owned()));
            };
            say("the store does not answer");
            // Whatever is wrong with it, the other roles go on without it, as they have begun.
            let open =
                || opened_store(&parts.settings).map_err(|error| exit::fail(Exit::Unreachable, format!("{error:#}")));
            let Some(store) = wait_for(&parts.stop, "the store", say, open)? else { return Ok(()) };
            joined(roles::start_projector(&parts, store)?)
        };
        Ok(thread::Builder::new().name("projector-start".to_owned()).spawn(wait)?)
    }

    /// Waits until everything is to stop or a role has ended by itself, then lets all roles end.
    ///
    /// # Errors
    /// The error of the role that ended.
    pub fn watch(mut self) -> Result<Exit> {
        let mut failed = None;
        while failed.is_none() && !self.parts.stop.wait(WATCH) {
            if let Some(ended) = self.running.iter().position(|(_, thread)| thread.is_finished()) {
                failed = Some(self.ended(ended));
            }
        }
        self.parts.stop.set();
        for (role, thread) in self.running {
            if let Err(error) = joined(thread) {
                tracing::error!("the {} ended with an error: {error:#}", role.as_str());
                failed.get_or_insert(error);
            }
        }
        drop(self.hold);
        tracing::info!("stopped");
        failed.map_or(Ok(Exit::Done), Err)
    }

    fn ended(&mut self, index: usize) -> anyhow::Error {
        let (role, thread) = self.running.swap_remove(index);
        let error = match joined(thread) {
            Err(error) => error.context(format!("the {} ended", role.as_str())),
            Ok(()) => anyhow::anyhow!("the {} ended although nobody stopped it", role.as_str()),
        };
        self.parts.status.role(role.as_str(), RoleState::Failed, Some(format!("{error:#}")));
        error
    }
}

fn joined(thread: Running) -> Result<()> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            bail!("it panicked: {}", words.unwrap_or_default())
        }
    }
}

/// Tries until it works, everything is to stop (`None`), or the error is one that waiting does not heal.
/// Each new reason is logged, and said by `say`.
fn wait_for<T>(stop: &Stop, what: &str, say: impl Fn(&str), attempt: impl Fn() -> Result<T>) -> Result<Option<T>> {
    let mut last = String::new();
    while !stop.is_set() {
        match attempt() {
            Ok(value) => return Ok(Some(value)),
            Err(error) if exit::of_error(&error) == Exit::Unreachable => {
                let words = format!("{error:#}");
                if words != last {
                    tracing::warn!("{words}; waiting for {what}");
                    say(&words);
                    last = words;
                }
            }
            Err(error) => return Err(error),
        }
        stop.wait(AGAIN);
    }
    Ok(None)
}

/// Takes the folder that the log stands in, where this process is to have an engine: a folder has one at a time.
fn hold_of(roles: &BTreeSet<Role>, settings: &Settings) -> Result<Option<Hold>> {
    match &settings.log {
        LogTarget::Sqlite { path } if roles.contains(&Role::Engine) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Ok(Some(Hold::take(folder.unwrap_or(Path::new(".")))?))
        }
        _ => Ok(None),
    }
}

/// The log, with the framing of what this process publishes.
fn published(log: &Arc<dyn Log>, roles: &BTreeSet<Role>, settings: &Settings) -> Result<Arc<dyn Log>> {
    match roles.contains(&Role::Engine) {
        true => connect::publishing(Arc::clone(log), settings),
        false => Ok(Arc::clone(log)),
    }
}

/// The pinned number of partitions, where the topics are as they should be.
fn checked(log: &dyn Log, settings: &Settings) -> Result<u32> {
    let (partitions, _) = connect::installation(log, settings)?;
    for warning in connect::check(log, settings, partitions)? {
        tracing::warn!("{warning}");
    }
    Ok(partitions)
}

fn opened_store(settings: &Settings) -> Result<Arc<dyn Store>> {
    let store = connect::open_store(settings)?;
    store.migrate()?;
    Ok(store)
}

/// The store, and whether it answers and has its tables. Where it does not, workflows run without it.
fn open_store_if_there(settings: &Settings) -> Result<(Option<Arc<dyn Store>>, bool)> {
    let away = |error: &anyhow::Error| {
        tracing::warn!("{error:#}; workflows run without it, and the projector catches up when it is back");
    };
    let store = match connect::open_store(settings) {
        Ok(store) => store,
        Err(error) if exit::of_error(&error) == Exit::Unreachable => {
            away(&error);
            return Ok((None, false));
        }
        Err(error) => return Err(error),
    };
    match store.migrate() {
        Ok(()) => Ok((Some(store), true)),
        Err(error @ StoreError::Unreachable { .. }) => {
            away(&error.into());
            Ok((Some(store), false))
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates the topics of agents where they are missing.
fn make_agent_topics(log: &dyn Log, partitions: u32, kinds: &[WorkerKind]) -> Result<(), LogError> {
    let agent = |kind: &WorkerKind| match kind {
        WorkerKind::Program { agent, .. } => Some(agent.clone()),
        WorkerKind::BuiltIn(built_in) => AgentName::new(built_in.as_str()).ok(),
    };
    let agents: Vec<_> = kinds.iter().filter_map(agent).collect();
    topics::make_for_agents(log, &agents, partitions)
}

/// All built-in agents. Those that are closed by the settings fail their nodes and say why, rather than letting them
/// wait for a worker that never comes.
pub fn built_ins() -> Vec<WorkerKind> {
    BuiltIn::ALL.map(WorkerKind::BuiltIn).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_is_away_is_waited_for_and_what_is_wrong_is_not() {
        let stop = Stop::new();
        let away = || LogError::Unreachable { at: "x".to_owned(), reason: "away".to_owned() };
        let tries = Cell::new(0);
        let attempt = || {
            tries.set(tries.get() + 1);
            if tries.get() < 2 { Err(away().into()) } else { Ok(7) }
        };
        let said = Cell::new(0);
        let say = |words: &str| {
            assert!(words.contains("away"));
            said.set(said.get() + 1);
        };
        assert_eq!(wait_for(&stop, "the log", say, attempt).unwrap(), Some(7));
        assert_eq!(said.get(), 1);
        assert!(wait_for::<()>(&stop, "the log", say, || bail!("wrong password")).is_err());
        stop.set();
        assert_eq!(wait_for::<()>(&stop, "the log", say, || Err(away().into())).unwrap(), None);
    }

    #[test]
    fn a_role_that_panics_ends_with_an_error() {
        let thread: Running = thread::spawn(|| panic!("out of beans"));
        assert!(joined(thread).unwrap_err().to_string().contains("out of beans"));
    }
}
