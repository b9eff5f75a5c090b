//! The store as one process sees it: a process that has died does nothing to it any more, and may die between two of its
//! operations as between two of the log's.

use crate::core::time::Timestamp;
use crate::log::memory::MemoryProcess;
use crate::store::memory::MemoryStore;
use crate::store::query::Query;
use crate::store::row::ProjectionBatch;
use crate::store::{Position, Snapshot, Store, StoreError};

/// A process's store.
pub struct DoomedStore {
    store: MemoryStore,
    process: MemoryProcess,
}

impl DoomedStore {
    /// The store of a process.
    pub fn new(store: MemoryStore, process: MemoryProcess) -> Self {
        Self { store, process }
    }

    fn ask<T>(&self, question: impl FnOnce(&MemoryStore) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.process.operate() {
            return question(&self.store);
        }
        Err(StoreError::Unreachable { at: self.describe(), reason: "the process is gone".to_owned() })
    }
}

impl Store for DoomedStore {
    fn migrate(&self) -> Result<(), StoreError> {
        self.ask(Store::migrate)
    }

    fn position(&self, partition: u32) -> Result<Option<Position>, StoreError> {
        self.ask(|store| store.position(partition))
    }

    fn commit(&self, batch: &ProjectionBatch) -> Result<(), StoreError> {
        self.ask(|store| store.commit(batch))
    }

    fn snapshot(&self, partition: u32, since: Timestamp, max_ended: usize) -> Result<Option<Snapshot>, StoreError> {
        self.ask(|store| store.snapshot(partition, since, max_ended))
    }

    fn query(&self) -> &dyn Query {
        self.store.query()
    }

    fn describe(&self) -> String {
        self.store.describe()
    }
}
