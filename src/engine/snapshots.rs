//! Loads the store's snapshots beside the engine's thread, so that one partition's recovery does not hold up others.

use super::decide::panic_message;
use crate::core::time::Timestamp;
use crate::store::{Snapshot, Store, StoreError};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A snapshot that has been loaded, or not.
pub struct Loaded {
    /// The partition.
    pub partition: u32,
    /// The claim that asked for it last.
    pub claim: u64,
    /// `Ok(None)`: the store holds nothing of this partition.
    pub result: Result<Option<Snapshot>, StoreError>,
}

/// Loads snapshots on threads of their own, or, for the simulation, at once.
pub struct Snapshots {
    store: Option<Arc<dyn Store>>,
    on_threads: bool,
    /// What is being loaded: for each partition the claim that asked for it last. A store that hangs has one thread
    /// of a partition waiting for it, however often the partition is tried; what comes late is as good, for every
    /// snapshot is held against the journal.
    loading: BTreeMap<u32, u64>,
    sender: Sender<Loaded>,
    receiver: Receiver<Loaded>,
}

impl Snapshots {
    /// Without a store every partition begins at its journal's start.
    pub fn new(store: Option<Arc<dyn Store>>, on_threads: bool) -> Self {
        let (sender, receiver) = channel();
        Self { store, on_threads, loading: BTreeMap::new(), sender, receiver }
    }

    /// Asks for a partition's snapshot.
    pub fn ask(&mut self, partition: u32, claim: u64, ended_since: Timestamp, max_ended: usize) {
        if self.loading.insert(partition, claim).is_some() {
            return;
        }
        let sender = self.sender.clone();
        let Some(store) = self.store.clone() else {
            let _ = sender.send(Loaded { partition, claim, result: Ok(None) });
            return;
        };
        let load = move || {
            let loaded = catch_unwind(AssertUnwindSafe(|| store.snapshot(partition, ended_since, max_ended)));
            let result = loaded.unwrap_or_else(|panic| Err(StoreError::Refused(panic_message(&*panic))));
            // The engine may be gone by now.
            let _ = sender.send(Loaded { partition, claim, result });
        };
        if self.on_threads {
            std::thread::spawn(load);
        } else {
            load();
        }
    }

    /// The next snapshot that has been loaded.
    pub fn next(&mut self) -> Option<Loaded> {
        let mut loaded = self.receiver.try_recv().ok()?;
        if let Some(claim) = self.loading.remove(&loaded.partition) {
            loaded.claim = claim;
        }
        Some(loaded)
    }
}
