//! Starting the roles of a process. Each runs on threads of its own until the stop flag is set.

use crate::api::Status;
use crate::api::status::{EngineReport, RoleState};
use crate::config::Settings;
use crate::core::id::AgentName;
use crate::engine::thread::{EngineStatus, ThreadParts};
use crate::engine::{self, EngineSettings};
use crate::log::Log;
use crate::projector::ProjectorThread;
use crate::shutdown::Stop;
use crate::store::Store;
use crate::worker::{Agents, BuiltinSettings, ExecAgent, Runner, RunnerSettings, builtin};
use anyhow::{Result, anyhow};
use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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

impl WorkerKind {
    /// The name of the agent.
    pub fn agent_name(&self) -> &str {
        match self {
            Self::Program { agent, .. } => agent.as_str(),
            Self::BuiltIn(built_in) => built_in.as_str(),
        }
    }
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

/// How often a running role says what it is doing.
const SAY_EVERY: Duration = Duration::from_millis(500);

/// How often it is looked whether the log and the store answer: what `/ready` says is at most so old.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Starts the engine.
///
/// # Errors
/// Where it can't be started.
pub fn start_engine(parts: &Parts) -> Result<Running> {
    let doing = Arc::new(Mutex::new(EngineStatus::default()));
    let engine = engine::thread::spawn(ThreadParts {
        log: parts.log.clone(),
        store: parts.store.clone(),
        settings: engine_settings(&parts.settings, parts.partitions),
        stop: parts.stop.flag(),
        status: doing.clone(),
    })?;
    let (log, status, stop) = (parts.log.clone(), parts.status.clone(), parts.stop.clone());
    watch("engine-watch", move || {
        let mut looks = Looks::default();
        while !engine.is_finished() {
            if let Ok(doing) = doing.lock() {
                status.engine(EngineReport {
                    partitions: doing.owned.clone(),
                    taking: doing.taking.clone(),
                    unfinished_runs: doing.unfinished,
                });
            }
            looks.look(&status, "engine", || log.brokers().map(drop).map_err(|error| error.to_string()));
            stop.wait(SAY_EVERY);
        }
        engine.join().map_err(|_| anyhow!("its thread panicked"))
    })
}

fn engine_settings(settings: &Settings, partitions: u32) -> EngineSettings {
    EngineSettings {
        namespace: settings.namespace.clone(),
        partitions,
        group: settings.group.clone(),
        host: std::fs::read_to_string("/etc/hostname").map_or_else(|_| "localhost".to_owned(), |h| h.trim().to_owned()),
        limits: settings.limits.clone(),
        max_record_bytes: settings.max_request_bytes,
        max_unfinished: settings.max_unfinished,
        duplicate_window: settings.duplicate_window,
        journal_timeout: settings.journal_timeout,
        deadline_grace: settings.deadline_grace,
        ..EngineSettings::default()
    }
}

/// Starts the projector.
///
/// # Errors
/// Where it can't be started.
pub fn start_projector(parts: &Parts, store: Arc<dyn Store>) -> Result<Running> {
    let partitions = (0..parts.partitions).collect();
    let projector = ProjectorThread::spawn(parts.log.clone(), store.clone(), partitions, parts.stop.flag())?;
    let (log, status, stop) = (parts.log.clone(), parts.status.clone(), parts.stop.clone());
    watch("projector-watch", move || {
        let mut looks = Looks::default();
        while !projector.is_finished() && !stop.wait(SAY_EVERY) {
            for lag in projector.lags().read(&*log).unwrap_or_default() {
                status.lag(lag.partition, lag.records());
            }
            looks.look(&status, "projector", || store.position(0).map(drop).map_err(|error| error.to_string()));
        }
        Ok(projector.join()?)
    })
}

/// Starts a worker for each kind. The topics of their agents exist.
///
/// # Errors
/// Where one can't be started.
pub fn start_workers(parts: &Parts, kinds: &[WorkerKind]) -> Result<Running> {
    let settings = &parts.settings;
    let runner = Runner::new(
        parts.log.clone(),
        agents_of(settings, kinds)?,
        RunnerSettings {
            namespace: settings.namespace.clone(),
            concurrency: settings.worker_concurrency,
            max_output_bytes: settings.max_request_bytes,
            ready_partitions: parts.partitions,
            ..RunnerSettings::default()
        },
    );
    let stop = parts.stop.flag();
    watch("worker", move || Ok(runner.run(&stop)?))
}

fn agents_of(settings: &Settings, kinds: &[WorkerKind]) -> Result<Agents> {
    let mut built_in = builtin::agents(&BuiltinSettings {
        http_hosts: settings.http_agent_hosts.clone(),
        exec_programs: settings.exec_agent_programs.iter().map(Into::into).collect(),
        max_output_bytes: settings.max_request_bytes,
    })?;
    let mut wanted = Vec::new();
    let mut programs = Agents::new();
    for kind in kinds {
        match kind {
            WorkerKind::BuiltIn(agent) => wanted.push(AgentName::new(agent.as_str())?),
            WorkerKind::Program { agent, program, arguments } => {
                let arguments = arguments.iter().map(OsString::from);
                programs.insert(agent.clone(), ExecAgent::new(agent.clone(), program.into(), arguments));
            }
        }
    }
    built_in.retain(&wanted);
    programs.extend(built_in);
    Ok(programs)
}

/// Looks now and then whether what a role needs answers, and says so in the status.
#[derive(Default)]
struct Looks {
    last: Option<Instant>,
    away: bool,
}

impl Looks {
    fn look(&mut self, status: &Status, role: &'static str, ask: impl FnOnce() -> Result<(), String>) {
        if self.last.is_some_and(|last| last.elapsed() < LOOK_EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        match ask() {
            Ok(()) if self.away => status.role(role, RoleState::Ready, None),
            Ok(()) => {}
            Err(words) => status.role(role, RoleState::Waiting, Some(words)),
        }
        self.away = matches!(status.report().roles.get(role), Some(report) if report.state == RoleState::Waiting);
    }
}

fn watch(name: &str, run: impl FnOnce() -> Result<()> + Send + 'static) -> Result<Running> {
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(run)?)
}
