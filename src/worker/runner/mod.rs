//! The runner: takes attempts of its agents from the log, runs many at once, and reports what became of them.
//!
//! One thread per agent polls the agent's group (`member`). An attempt whose work ends at its first poll is run on
//! that thread; any other goes on as a task of the runner's own tokio runtime (`attempt`) and sends its report
//! itself (`outbox`), so that no result waits for a poll. A record is done once the log has confirmed its report;
//! what is done is committed with [`super::progress`].

mod attempt;
mod desk;
mod guarded;
mod local;
mod member;
mod outbox;
mod pulse;
mod report;
mod standing;
mod worker;

use super::registry::Agents;
use super::settings::RunnerSettings;
use crate::core::id::AgentName;
use crate::log::Log;
pub(crate) use desk::Desk;
pub use local::LocalDesk;
use local::RunnerHands;
pub(crate) use local::{Hands, Inbox, LocalPlace, report_end};
pub(crate) use report::superseded;
pub use standing::Standing;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use worker::{Shared, Worker};

/// How long dropped attempts may take to clean up (a program to be killed) once the runner has stopped.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a runner ended otherwise than by `stop`.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// There is nothing to run.
    #[error("expected at least one agent to run, found none")]
    NoAgents,
    /// The threads that it needs cannot be made.
    #[error("the runner cannot make its threads: {0}; is a limit of the system reached?")]
    Threads(#[from] std::io::Error),
    /// A thread of the runner itself panicked: a fault of the runner, not of an agent.
    #[error("the thread of agent {0:?} panicked; its partitions go to other workers")]
    Panicked(String),
}

/// Runs agents on a log.
pub struct Runner {
    log: Arc<dyn Log>,
    agents: Agents,
    settings: RunnerSettings,
    standing: Arc<Standing>,
    local: Arc<LocalDesk>,
}

impl Runner {
    /// A runner of these agents.
    pub fn new(log: Arc<dyn Log>, agents: Agents, settings: RunnerSettings) -> Self {
        let standing = Arc::new(Standing::new(agents.names()));
        Self { log, agents, settings, standing, local: Arc::default() }
    }

    /// Where the engine of this process hands attempts over in memory. They are taken while the runner runs.
    #[must_use]
    pub fn with_local_desk(self, local: Arc<LocalDesk>) -> Self {
        Self { local, ..self }
    }

    /// Whether its agents take tasks; goes on telling while it runs.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// Works until `stop` is set, then takes nothing more, finishes what is under way (for at most
    /// [`RunnerSettings::stop_timeout`]), commits and leaves. Blocks: call it on a thread of its own.
    ///
    /// A log that is away is waited for, and what is finished meanwhile is kept and sent then.
    ///
    /// # Errors
    /// Where there is no agent, no thread to be had, or a fault in the runner itself.
    pub fn run(self, stop: &AtomicBool) -> Result<(), RunnerError> {
        if self.agents.is_empty() {
            return Err(RunnerError::NoAgents);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("agent").enable_all().build()?;
        let (log, handle, local) = (self.log.clone(), runtime.handle().clone(), self.local.clone());
        let shared = Arc::new(Shared::new(log, self.settings, handle, self.standing));
        let ended = run_members(&self.agents, &shared, &local, stop);
        local.end();
        // On a thread of its own, because a runtime must not be ended from within another one.
        std::thread::scope(|scope| {
            scope.spawn(|| runtime.shutdown_timeout(SHUTDOWN_TIMEOUT));
        });
        ended
    }
}

fn run_members(agents: &Agents, shared: &Arc<Shared>, local: &LocalDesk, stop: &AtomicBool) -> Result<(), RunnerError> {
    let worker = |name: &AgentName| Some(Worker::new(name.clone(), agents.get(name)?, shared.clone()));
    let workers: Vec<_> = agents.names().filter_map(worker).map(Arc::new).collect();
    local.open(Arc::new(RunnerHands::new(shared, &workers)));
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut ended = Ok(());
        for worker in workers {
            let name = worker.name.clone();
            let builder = std::thread::Builder::new().name(format!("worker-{name}"));
            match builder.spawn_scoped(scope, move || member::run(worker, stop)) {
                Ok(thread) => threads.push((name, thread)),
                Err(fault) => {
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                    ended = Err(RunnerError::Threads(fault));
                    break;
                }
            }
        }
        for (name, thread) in threads {
            if thread.join().is_err() {
                ended = Err(RunnerError::Panicked(name.to_string()));
            }
        }
        ended
    })
}

/// Locks; what a panicking thread left behind is whole, because agents never run under a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
