//! Loads the store's snapshots beside the engine's thread, so that one partition's recovery does not hold up others.

use crate::core::time::Timestamp;
use crate::shutdown::anew::panic_message;
use crate::store::{Snapshot, Store, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What a store has said: `Ok(None)`: it holds nothing of the partition.
pub type Answer = Result<Option<Snapshot>, StoreError>;

/// A snapshot that has been loaded, or not.
pub struct Loaded {
    /// The partition.
    pub partition: u32,
    /// The claim that asked for it last.
    pub claim: u64,
    /// What the store has said.
    pub result: Answer,
}

/// So many are loaded at a time: each takes a connection of a small pool, which others need too.
const AT_A_TIME: usize = 2;

/// What is asked of the store.
#[derive(Clone, Copy)]
struct Question {
    partition: u32,
    ended_since: Timestamp,
    max_ended: usize,
}

/// Loads snapshots on threads of their own, or, for the simulation, at once.
pub struct Snapshots {
    store: Option<Arc<dyn Store>>,
    on_threads: bool,
    /// What is being loaded: for each partition the claim that asked for it last. A store that hangs has one thread
    /// of a partition waiting for it, however often the partition is tried; what comes late is as good, for every
    /// snapshot is held against the journal.
    loading: BTreeMap<u32, u64>,
    /// What waits until another one has been loaded.
    queue: VecDeque<Question>,
    under_way: usize,
    sender: Sender<(u32, Answer)>,
    receiver: Receiver<(u32, Answer)>,
}

impl Snapshots {
    /// Without a store every partition begins at its journal's start.
    pub fn new(store: Option<Arc<dyn Store>>, on_threads: bool) -> Self {
        let (sender, receiver) = channel();
        Self { store, on_threads, loading: BTreeMap::new(), queue: VecDeque::new(), under_way: 0, sender, receiver }
    }

    /// Asks for a partition's snapshot.
    pub fn ask(&mut self, partition: u32, claim: u64, ended_since: Timestamp, max_ended: usize) {
        if self.loading.insert(partition, claim).is_some() {
            return;
        }
        self.queue.push_back(Question { partition, ended_since, max_ended });
        self.load_next();
    }

    fn load_next(&mut self) {
        while self.under_way < AT_A_TIME {
            let Some(question) = self.queue.pop_front() else { return };
            self.under_way += 1;
            self.load(question);
        }
    }

    fn load(&self, Question { partition, ended_since, max_ended }: Question) {
        let sender = self.sender.clone();
        let told = move |answer| drop(sender.send((partition, answer)));
        let Some(store) = self.store.clone() else { return told(Ok(None)) };
        let tell = told.clone();
        let load = move || {
            let loaded = catch_unwind(AssertUnwindSafe(|| store.snapshot(partition, ended_since, max_ended)));
            // The engine may be gone by now.
            tell(loaded.unwrap_or_else(|panic| Err(StoreError::Refused(panic_message(&*panic)))));
        };
        if !self.on_threads {
            return load();
        }
        if let Err(error) = std::thread::Builder::new().name("snapshot".into()).spawn(load) {
            told(Err(StoreError::Refused(format!("no thread to load a snapshot: {error}"))));
        }
    }

    /// The next snapshot that has been loaded.
    pub fn take_loaded(&mut self) -> Option<Loaded> {
        let (partition, result) = self.receiver.try_recv().ok()?;
        self.under_way -= 1;
        self.load_next();
        // Whoever has asked last is told.
        let claim = self.loading.remove(&partition)?;
        Some(Loaded { partition, claim, result })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::query::Query;
    use crate::store::row::ProjectionBatch;
    use crate::store::{Position, Store};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A store that does not answer before it is let.
    struct Slow {
        inner: MemoryStore,
        asked: AtomicUsize,
        gate: Mutex<Receiver<()>>,
    }

    impl Store for Slow {
        fn migrate(&self) -> Result<(), StoreError> {
            self.inner.migrate()
        }
        fn position(&self, partition: u32) -> Result<Option<Position>, StoreError> {
            self.inner.position(partition)
        }
        fn commit(&self, batch: &ProjectionBatch) -> Result<(), StoreError> {
            self.inner.commit(batch)
        }
        fn snapshot(&self, partition: u32, since: Timestamp, max: usize) -> Result<Option<Snapshot>, StoreError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let _ = self.gate.lock().unwrap().recv();
            self.inner.snapshot(partition, since, max)
        }
        fn query(&self) -> &dyn Query {
            self.inner.query()
        }
        fn describe(&self) -> String {
            self.inner.describe()
        }
    }

    #[test]
    fn a_store_that_hangs_is_asked_once_for_a_partition_and_the_last_claim_gets_the_answer() {
        let (open, gate) = channel();
        let slow = Slow { inner: MemoryStore::new(), asked: AtomicUsize::new(0), gate: Mutex::new(gate) };
        let slow = Arc::new(slow);
        let mut snapshots = Snapshots::new(Some(slow.clone()), true);
        for claim in 1..=9 {
            snapshots.ask(3, claim, Timestamp(0), 10);
        }
        open.send(()).unwrap();
        let loaded = loop {
            match snapshots.take_loaded() {
                Some(loaded) => break loaded,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!((loaded.partition, loaded.claim, slow.asked.load(Ordering::SeqCst)), (3, 9, 1));
        assert!(loaded.result.is_ok());
    }
}
