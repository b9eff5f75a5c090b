//! The engine's thread in a process: polls until it is told to stop.

use super::{Engine, EngineParts, EngineSettings};
use crate::core::time::{Timestamp, millis};
use crate::local::LocalAgents;
use crate::log::{Log, LogError};
use crate::shutdown::anew::run_anew;
use crate::store::Store;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the engine waits for something to read before it looks after its timers: acknowledgements of effects and
/// marks are not urgent, deadlines are due to some milliseconds.
const WAIT: Duration = Duration::from_millis(10);
/// What an engine is doing, for health and people.
#[derive(Clone, Debug, Default)]
pub struct EngineStatus {
    /// Whether the group has said which partitions are this process's, be it none.
    pub settled: bool,
    /// Why the last engine of this process has failed; none once the next one works.
    pub fault: Option<String>,
    /// The partitions that it owns.
    pub owned: Vec<u32>,
    /// The partitions that it was given and is about to take.
    pub taking: Vec<u32>,
    /// Why partitions that are about to be taken were dropped last.
    pub dropped: Vec<(u32, String)>,
    /// Unfinished runs of the owned partitions.
    pub unfinished: usize,
}

/// What the thread needs.
pub struct ThreadParts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The agents of this process.
    pub local: Arc<dyn LocalAgents>,
    /// The store.
    pub store: Option<Arc<dyn Store>>,
    /// Limits.
    pub settings: EngineSettings,
    /// Becomes true when the thread is to end.
    pub stop: Arc<AtomicBool>,
    /// Where it says what it is doing.
    pub status: Arc<Mutex<EngineStatus>>,
}

/// The wall clock.
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A clock that begins at the wall clock's time, and goes on whatever happens to that: the engine learns from the log's
/// append times what it is off by, and a clock that is set forward by an hour would time out everything.
fn steady_clock() -> impl Fn() -> Timestamp {
    let (began, since) = (wall_clock(), Instant::now());
    move || began.after(since.elapsed())
}

/// Runs an engine on a thread of its own.
///
/// # Errors
/// Where the system gives no thread.
pub fn spawn(parts: ThreadParts) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
        let failed = |why: &str, pause| {
            if let Ok(mut status) = parts.status.lock() {
                *status = EngineStatus { fault: Some(why.to_owned()), ..EngineStatus::default() };
            }
            tracing::error!(error = why, pause_ms = millis(pause), "the engine has failed; making it anew");
        };
        run_anew(&parts.stop, || run(&parts), failed);
    })
}

fn run(parts: &ThreadParts) -> Result<(), LogError> {
    let ThreadParts { log, local, store, settings, .. } = parts;
    let seed = rand::random();
    let (log, local, store, settings) = (log.clone(), local.clone(), store.clone(), settings.clone());
    let mut engine = Engine::new(EngineParts { log, local, store, settings, seed, on_threads: true })?;
    let clock = steady_clock();
    while !parts.stop.load(Ordering::Relaxed) {
        engine.poll(&clock, WAIT)?;
        if let Ok(mut status) = parts.status.lock() {
            engine.report(&mut status);
        }
    }
    engine.leave();
    Ok(())
}
