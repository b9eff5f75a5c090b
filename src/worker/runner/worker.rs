//! What the parts of a runner share.

use super::super::attempts::Attempts;
use super::super::progress::Progress;
use super::super::registry::DynAgent;
use super::super::settings::RunnerSettings;
use super::desk::Desk;
use super::local::{Inbox, LocalPlace, report_end};
use super::outbox::{Entry, Outbox};
use super::standing::Standing;
use super::{lock, report};
use crate::core::id::AgentName;
use crate::local::LocalReport;
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

    /// Reports the end of an attempt to all who asked for it: in memory where that is the engine of this process alone.
    pub fn report_end(&self, report: LocalReport, places: Vec<Place>) {
        if let Some(report) = report_end(report, places.iter().map(Place::local)) {
            self.outbox.send(Entry::new(report::record(report), places));
        }
    }

    /// Sends a report for which no record waits.
    pub fn send_to_log(&self, report: LocalReport) {
        self.outbox.send(Entry::new(report::record(report), Vec::new()));
        self.outbox.pump();
    }
}

/// One agent of a runner.
pub(super) struct Worker {
    pub name: AgentName,
    pub agent: Arc<dyn DynAgent>,
    pub shared: Arc<Shared>,
    pub desk: Desk<Job>,
    /// Whether the last work ended at its first poll, and quickly: then the next is tried on the polling thread.
    inline: AtomicBool,
    /// Whether that has been seen, and is no assumption: the engine's thread is not tried on.
    is_proven: AtomicBool,
}

impl Worker {
    pub fn new(name: AgentName, agent: Arc<dyn DynAgent>, shared: Arc<Shared>) -> Self {
        let desk = Desk::new(shared.settings.concurrency);
        Self { name, agent, shared, desk, inline: AtomicBool::new(true), is_proven: AtomicBool::new(false) }
    }

    /// Whether to try the next attempt on the polling thread.
    pub fn inline(&self) -> bool {
        self.inline.load(Ordering::Relaxed)
    }

    /// Whether to try the next attempt on the engine's thread.
    pub fn inline_for_engine(&self) -> bool {
        self.is_proven.load(Ordering::Relaxed) && self.inline()
    }

    /// Notes how a first poll went.
    pub fn note_first_poll(&self, ended: bool, took: Duration) {
        self.inline.store(ended && took < INLINE_BUDGET, Ordering::Relaxed);
        self.is_proven.store(true, Ordering::Relaxed);
    }
}

/// Where an attempt was asked for.
#[derive(Clone)]
pub(super) enum Place {
    /// A record: an offset in the progress of its partition, as long as the partition is this member's.
    Record { progress: Arc<Mutex<Progress>>, offset: u64 },
    /// The engine of this process.
    Local(Arc<LocalPlace>),
}

impl Place {
    /// The record is done. Of a partition that was revoked nobody looks at it any more.
    pub fn done(&self) {
        if let Self::Record { progress, offset } = self {
            lock(progress).done(*offset);
        }
    }

    /// The hand-over, if it was asked for by the engine of this process.
    pub fn local(&self) -> Option<&LocalPlace> {
        match self {
            Self::Record { .. } => None,
            Self::Local(place) => Some(place),
        }
    }

    /// Where the engine that asked takes reports, if it was that of this process.
    pub fn engine(&self) -> Option<Arc<Inbox>> {
        self.local().map(|place| place.inbox().clone())
    }
}

/// A task that was taken and not begun.
pub(super) struct Job {
    pub task: Task,
    pub traceparent: Option<Bytes>,
    pub partition: u32,
    pub place: Place,
}
