//! Starting the roles of a process. Each runs on threads of its own until the stop flag is set.

use super::readiness::Readiness;
use crate::api::Status;
use crate::api::status::EngineReport;
use crate::config::Settings;
use crate::core::id::AgentName;
use crate::engine::thread::{EngineStatus, ThreadParts};
use crate::engine::{self, EngineSettings};
use crate::log::Log;
use crate::projector::ProjectorThread;
use crate::shutdown::Stop;
use crate::store::Store;
use crate::worker::{Agents, BuiltinSettings, ExecAgent, LocalDesk, Runner, RunnerSettings, builtin};
use anyhow::{Result, anyhow};
use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What roles are made of.
#[derive(Clone)]
pub struct Parts {
    /// The settings.
    pub settings: Settings,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The store; it may be away. None: this process needs none, or it could not be opened.
    pub store: Option<Arc<dyn Store>>,
    /// Where the engine hands attempts to the agents of this process.
    pub local: Arc<LocalDesk>,
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

/// How often it is looked at what a running role is doing.
const LOOK: Duration = Duration::from_millis(500);

/// Starts the engine.
///
/// # Errors
/// Where it can't be started.
pub fn start_engine(parts: &Parts) -> Result<Running> {
    let doing = Arc::new(Mutex::new(EngineStatus::default()));
    let engine = engine::thread::spawn(ThreadParts {
        log: parts.log.clone(),
        local: parts.local.clone(),
        store: parts.store.clone(),
        settings: engine_settings(&parts.settings, parts.partitions),
        stop: parts.stop.flag(),
        status: doing.clone(),
    })?;
    let (log, status, stop) = (parts.log.clone(), parts.status.clone(), parts.stop.clone());
    watch("engine-watch", move || {
        let mut readiness = Readiness::of("engine", &status);
        while !engine.is_finished() && !stop.is_set() {
            let doing = doing.lock().map(|doing| doing.clone()).unwrap_or_default();
            let away = readiness.look(|| log.brokers().map(drop).map_err(|error| error.to_string()));
            readiness.note(away.or_else(|| engine_waits_for(&doing)));
            status.engine(EngineReport {
                partitions: doing.owned,
                taking: doing.taking,
                unfinished_runs: doing.unfinished,
            });
            stop.wait(LOOK);
        }
        engine.join().map_err(|_| anyhow!("its thread panicked"))
    })
}

/// What an engine waits for; none: it owns what the group has given it.
fn engine_waits_for(doing: &EngineStatus) -> Option<String> {
    if let Some(fault) = &doing.fault {
        return Some(format!("it has failed and is made anew: {fault}"));
    }
    if !doing.settled {
        return Some("the group has not said yet which partitions are this process's".to_owned());
    }
    let taking: Vec<_> = doing.taking.iter().map(u32::to_string).collect();
    let why: Vec<_> =
        doing.dropped.iter().map(|(partition, why)| format!("; {partition} was dropped: {why}")).collect();
    (!taking.is_empty()).then(|| format!("partition {} is being taken{}", taking.join(", "), why.concat()))
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
        let mut readiness = Readiness::of("projector", &status);
        while !projector.is_finished() && !stop.is_set() {
            let away = readiness.look(|| store.position(0).map(drop).map_err(|error| error.to_string()));
            readiness.note(away.or_else(|| projector.lags().waiting()));
            if let Ok(lags) = projector.lags().read(&*log) {
                let ours = lags.iter().filter(|lag| lag.ours);
                status.lags(ours.map(|lag| (lag.partition, lag.records())).collect());
            }
            stop.wait(LOOK);
        }
        projector.join().map_err(|_| anyhow!("its thread panicked"))
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
            max_report_bytes: settings.max_request_bytes,
            stop_timeout: settings.worker_stop_timeout,
            ready_partitions: parts.partitions,
            ..RunnerSettings::default()
        },
    );
    let runner = if settings.local_agents { runner.with_local_desk(parts.local.clone()) } else { runner };
    let (status, stop, standing) = (parts.status.clone(), parts.stop.clone(), runner.standing());
    let flag = stop.flag();
    let running = std::thread::Builder::new().name("worker".to_owned()).spawn(move || runner.run(&flag))?;
    watch("worker-watch", move || {
        let mut readiness = Readiness::of("worker", &status);
        while !running.is_finished() && !stop.is_set() {
            readiness.note(standing.waiting());
            stop.wait(LOOK);
        }
        Ok(running.join().map_err(|_| anyhow!("its thread panicked"))??)
    })
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

fn watch(name: &str, run: impl FnOnce() -> Result<()> + Send + 'static) -> Result<Running> {
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(run)?)
}
