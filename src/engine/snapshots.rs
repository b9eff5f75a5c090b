//! Loads the store's snapshots beside the engine's thread, so that one partition's recovery does not hold up others.

use crate::core::time::Timestamp;
use crate::store::{Snapshot, Store, StoreError};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A snapshot that has been loaded, or not.
pub struct Loaded {
    /// The partition.
    pub partition: u32,
    /// The claim that asked for it.
    pub claim: u64,
    /// `Ok(None)`: the store holds nothing of this partition.
    pub result: Result<Option<Snapshot>, StoreError>,
}

/// Loads snapshots on threads of their own, or, for the simulation, at once.
pub struct Snapshots {
    store: Option<Arc<dyn Store>>,
    on_threads: bool,
    sender: Sender<Loaded>,
    receiver: Receiver<Loaded>,
}

impl Snapshots {
    /// Without a store every partition begins at its journal's start.
    pub fn new(store: Option<Arc<dyn Store>>, on_threads: bool) -> Self {
        let (sender, receiver) = channel();
        Self { store, on_threads, sender, receiver }
    }

    /// Asks for a partition's snapshot.
    pub fn ask(&self, partition: u32, claim: u64, ended_since: Timestamp, max_ended: usize) {
        let sender = self.sender.clone();
        let Some(store) = self.store.clone() else {
            let _ = sender.send(Loaded { partition, claim, result: Ok(None) });
            return;
        };
        let load = move || {
            let result = store.snapshot(partition, ended_since, max_ended);
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
    pub fn next(&self) -> Option<Loaded> {
        self.receiver.try_recv().ok()
    }
}
