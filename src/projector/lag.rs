//! How far the projector is behind, for health checks and benches.

use crate::log::{Log, LogError, Topic};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a partition is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The partition.
    pub partition: u32,
    /// The next offset that is not in the store, as far as this process knows.
    pub next_offset: u64,
    /// The journal's end, asked for now.
    pub end: u64,
    /// Whether it has been given up (the log says why).
    pub stopped: bool,
}

impl Lag {
    /// Journal records that are not in the store yet.
    pub fn records(&self) -> u64 {
        self.end.saturating_sub(self.next_offset)
    }
}

/// Where a running projector stands; shared with whoever wants to know.
#[derive(Debug)]
pub struct Lags(BTreeMap<u32, Place>);

#[derive(Debug, Default)]
struct Place {
    next_offset: AtomicU64,
    started: AtomicBool,
    stopped: AtomicBool,
}

impl Lags {
    /// Of partitions that have not been started.
    pub fn new(partitions: &[u32]) -> Self {
        Self(partitions.iter().map(|partition| (*partition, Place::default())).collect())
    }

    /// The lag of each partition; asks the log for the ends, and waits for the answers.
    pub fn read(&self, log: &dyn Log) -> Result<Vec<Lag>, LogError> {
        let lag = |(partition, place): (&u32, &Place)| {
            let end = log.ends(&Topic::Journal, *partition)?.high;
            let next_offset = place.next_offset.load(Ordering::Relaxed);
            Ok(Lag { partition: *partition, next_offset, end, stopped: place.stopped.load(Ordering::Relaxed) })
        };
        self.0.iter().map(lag).collect()
    }

    /// What is not being projected, as a sentence for people; none: every partition is, here or by another projector.
    pub fn waiting(&self) -> Option<String> {
        let of = |is: &dyn Fn(&Place) -> bool| -> Vec<String> {
            self.0.iter().filter(|(_, place)| is(place)).map(|(partition, _)| partition.to_string()).collect()
        };
        let stopped = of(&|place| place.stopped.load(Ordering::Relaxed));
        let waiting = of(&|place| !place.started.load(Ordering::Relaxed));
        if !stopped.is_empty() {
            Some(format!("partition {} goes no further; an earlier line of the log says why", stopped.join(", ")))
        } else if !waiting.is_empty() {
            Some(format!("the store has not said yet where partition {} stands", waiting.join(", ")))
        } else {
            None
        }
    }

    /// The partition is being read, or another projector writes it and this one stands by.
    pub(super) fn started(&self, partition: u32) {
        if let Some(place) = self.0.get(&partition) {
            place.started.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn moved(&self, partition: u32, next_offset: u64) {
        if let Some(place) = self.0.get(&partition) {
            place.next_offset.store(next_offset, Ordering::Relaxed);
        }
    }

    pub(super) fn stopped(&self, partition: u32) {
        if let Some(place) = self.0.get(&partition) {
            place.stopped.store(true, Ordering::Relaxed);
        }
    }
}
