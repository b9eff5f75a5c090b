//! The roles of an embedded installation, a thread each, and in which order they end.

use super::EmbeddedError;
use crate::engine::thread::{EngineStatus, ThreadParts};
use crate::engine::{EngineSettings, thread};
use crate::log::Log;
use crate::projector::{Lags, ProjectorThread};
use crate::store::Store;
use crate::worker::{Agents, LocalDesk, Runner, RunnerError, RunnerSettings};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the store may take to catch up at the end; what is missing then is projected at the next start.
const CATCH_UP: Duration = Duration::from_secs(5);
/// How often it is asked meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// The running roles. Each has a flag of its own, as they end one after another.
pub(super) struct Threads {
    engine: (Arc<AtomicBool>, JoinHandle<()>),
    projector: (Arc<AtomicBool>, ProjectorThread),
    worker: Option<(Arc<AtomicBool>, Worker)>,
}

type Worker = JoinHandle<Result<(), RunnerError>>;

impl Threads {
    pub(super) fn start(
        log: &Arc<dyn Log>,
        store: &Arc<dyn Store>,
        engine: EngineSettings,
        agents: Agents,
        runner: RunnerSettings,
    ) -> Result<Self, EmbeddedError> {
        let flags: [Arc<AtomicBool>; 3] = Default::default();
        let started = Self::spawn(log, store, engine, agents, runner, &flags);
        if started.is_err() {
            // Those that have a thread already must not go on without the others.
            flags.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
        }
        started
    }

    fn spawn(
        log: &Arc<dyn Log>,
        store: &Arc<dyn Store>,
        engine: EngineSettings,
        agents: Agents,
        runner: RunnerSettings,
        flags: &[Arc<AtomicBool>; 3],
    ) -> Result<Self, EmbeddedError> {
        let [engine_stop, projector_stop, worker_stop] = flags.clone();
        let partitions = (0..engine.partitions).collect();
        let projector = ProjectorThread::spawn(log.clone(), store.clone(), partitions, projector_stop.clone())?;
        let local = Arc::new(LocalDesk::default());
        let engine = thread::spawn(ThreadParts {
            log: log.clone(),
            local: local.clone(),
            store: Some(store.clone()),
            settings: engine,
            stop: engine_stop.clone(),
            status: Arc::new(Mutex::new(EngineStatus::default())),
        })?;
        let worker = if agents.is_empty() {
            None
        } else {
            let (runner, stop) = (Runner::new(log.clone(), agents, runner).with_local_desk(local), worker_stop.clone());
            let run = move || runner.run(&stop);
            Some((worker_stop, std::thread::Builder::new().name("worker".to_owned()).spawn(run)?))
        };
        Ok(Self { engine: (engine_stop, engine), projector: (projector_stop, projector), worker })
    }

    pub(super) fn ended(&self) -> Option<&'static str> {
        if self.engine.1.is_finished() {
            return Some("engine");
        }
        if self.projector.1.is_finished() {
            return Some("projector");
        }
        self.worker.as_ref().filter(|(_, thread)| thread.is_finished()).map(|_| "worker")
    }

    pub(super) fn stop(self, log: &dyn Log) -> Result<(), EmbeddedError> {
        let worker = self.worker.map_or(Ok(()), |(stop, thread)| {
            stop.store(true, Ordering::Relaxed);
            thread.join().map_err(|_| EmbeddedError::Panicked("worker"))?.map_err(EmbeddedError::from)
        });
        self.engine.0.store(true, Ordering::Relaxed);
        let engine = self.engine.1.join().map_err(|_| EmbeddedError::Panicked("engine"));
        let (stop, projector) = self.projector;
        let caught_up = if projector.is_finished() { Ok(()) } else { catch_up(projector.lags(), log) };
        stop.store(true, Ordering::Relaxed);
        let projector = projector.join().map_err(|_| EmbeddedError::Panicked("projector"));
        worker.and(engine).and(caught_up).and(projector)
    }
}

/// Waits until the store has everything that is in the log, if it does not take too long.
fn catch_up(lags: &Lags, log: &dyn Log) -> Result<(), EmbeddedError> {
    let begun = Instant::now();
    while begun.elapsed() < CATCH_UP {
        if lags.read(log)?.iter().all(|lag| lag.stopped || lag.records() == 0) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    tracing::warn!("the store has not caught up with the log; it goes on at the next start");
    Ok(())
}
