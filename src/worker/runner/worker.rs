//! What the parts of a runner share.

use super::super::attempts::Attempts;
use super::super::progress::Progress;
use super::super::registry::DynAgent;
use super::super::settings::RunnerSettings;
use super::desk::Desk;
use super::lock;
use super::outbox::Outbox;
use super::standing::Standing;
use crate::core::id::AgentName;
use crate::log::Log;
use crate::wire::task::Task;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;

/// An attempt whose first poll ends the work within this is run on the polling thread: a hop to another thread
/// costs some 10–50 µs, and longer work there would hold up its neighbours.
const INLINE_BUDGET: Duration = Duration::from_millis(1);

/// Shared by all agents of a runner.
pub(super) struct Shared {
    pub log: Arc<dyn Log>,
    pub settings: RunnerSettings,
    pub results_topic: String,
    pub attempts: Mutex<Attempts<Place>>,
    pub outbox: Outbox,
    pub runtime: Handle,
    pub standing: Arc<Standing>,
}

impl Shared {
    pub fn new(log: Arc<dyn Log>, settings: RunnerSettings, runtime: Handle, standing: Arc<Standing>) -> Self {
        Self {
            results_topic: settings.results_topic(),
            attempts: Mutex::new(Attempts::new(settings.memory)),
            outbox: Outbox::new(log.clone(), settings.refused_for),
            log,
            settings,
            runtime,
            standing,
        }
    }
}

/// One agent of a runner.
pub(super) struct Worker {
    pub name: AgentName,
    pub agent: Arc<dyn DynAgent>,
    pub shared: Arc<Shared>,
    pub desk: Desk,
    /// Whether the last work ended at its first poll, and quickly: then the next is tried on the polling thread.
    inline: AtomicBool,
}

impl Worker {
    pub fn new(name: AgentName, agent: Arc<dyn DynAgent>, shared: Arc<Shared>) -> Self {
        let desk = Desk::new(shared.settings.concurrency);
        Self { name, agent, shared, desk, inline: AtomicBool::new(true) }
    }

    /// Whether to try the next attempt on the polling thread.
    pub fn inline(&self) -> bool {
        self.inline.load(Ordering::Relaxed)
    }

    /// Notes how a first poll went.
    pub fn note_first_poll(&self, ended: bool, took: Duration) {
        self.inline.store(ended && took < INLINE_BUDGET, Ordering::Relaxed);
    }
}

/// The place of a record: an offset in the progress of its partition, as long as the partition is this member's.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub progress: Arc<Mutex<Progress>>,
    pub offset: u64,
}

impl Place {
    /// The record is done. Of a partition that was revoked nobody looks at it any more.
    pub fn done(&self) {
        lock(&self.progress).done(self.offset);
    }
}

/// A task that was taken and not begun.
#[derive(Debug)]
pub(super) struct Job {
    pub task: Task,
    pub traceparent: Option<Bytes>,
    pub partition: u32,
    pub place: Place,
}
