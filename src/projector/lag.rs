//! How far the projector is behind, for health checks and benches.

use crate::log::{Log, LogError, Topic};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How far a partition is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The partition.
    pub partition: u32,
    /// The next offset that is not in the store, as far as this process knows.
    pub next_offset: u64,
    /// The journal's end, asked for now.
    pub end: u64,
    /// Whether this process reads it. Else the store has not said yet where it stands, or another process writes it,
    /// and `next_offset` says nothing.
    pub ours: bool,
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
pub struct Lags {
    places: BTreeMap<u32, Place>,
    /// Why the last projector of this process has failed; none once the next one works.
    fault: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Place {
    next_offset: AtomicU64,
    started: AtomicBool,
    ours: AtomicBool,
    stopped: AtomicBool,
}

impl Lags {
    /// Of partitions that have not been started.
    pub fn new(partitions: &[u32]) -> Self {
        let places = partitions.iter().map(|partition| (*partition, Place::default())).collect();
        Self { places, fault: Mutex::new(None) }
    }

    /// The lag of each partition; asks the log for the ends, and waits for the answers.
    pub fn read(&self, log: &dyn Log) -> Result<Vec<Lag>, LogError> {
        let lag = |(partition, place): (&u32, &Place)| {
            let end = log.ends(&Topic::Journal, *partition)?.high;
            let next_offset = place.next_offset.load(Ordering::Relaxed);
            let (ours, stopped) = (place.ours.load(Ordering::Relaxed), place.stopped.load(Ordering::Relaxed));
            Ok(Lag { partition: *partition, next_offset, end, ours, stopped })
        };
        self.places.iter().map(lag).collect()
    }

    /// What is not being projected, as a sentence for people; none: every partition is, here or by another projector.
    pub fn waiting(&self) -> Option<String> {
        if let Some(fault) = &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            return Some(format!("it has failed and is made anew: {fault}"));
        }
        let of = |is: &dyn Fn(&Place) -> bool| -> Vec<String> {
            self.places.iter().filter(|(_, place)| is(place)).map(|(partition, _)| partition.to_string()).collect()
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

    /// The projector has failed: nothing is read until another one is made.
    pub(super) fn failed(&self, fault: &str) {
        for place in self.places.values() {
            for flag in [&place.started, &place.ours, &place.stopped] {
                flag.store(false, Ordering::Relaxed);
            }
        }
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.to_owned());
    }

    /// The partition is read by this process from this offset on.
    pub(super) fn started(&self, partition: u32, next_offset: u64) {
        self.moved(partition, next_offset);
        self.stands(partition, true);
    }

    /// Another projector writes the partition, and this one stands by.
    pub(super) fn stands_by(&self, partition: u32) {
        self.stands(partition, false);
    }

    fn stands(&self, partition: u32, ours: bool) {
        if let Some(place) = self.places.get(&partition) {
            place.ours.store(ours, Ordering::Relaxed);
            place.started.store(true, Ordering::Relaxed);
        }
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn moved(&self, partition: u32, next_offset: u64) {
        if let Some(place) = self.places.get(&partition) {
            place.next_offset.store(next_offset, Ordering::Relaxed);
        }
    }

    pub(super) fn stopped(&self, partition: u32) {
        if let Some(place) = self.places.get(&partition) {
            place.stopped.store(true, Ordering::Relaxed);
        }
    }
}
