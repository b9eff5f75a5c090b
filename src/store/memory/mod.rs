//! The store in memory, for simulations and tests: deterministic, and it can go away, lose what was not synced, and
//! fail to confirm what it has written, as a database does.

mod ask;
mod letters;
mod tables;

use super::query::Query;
use super::row::ProjectionBatch;
use super::{JournalMark, Position, Snapshot, Store, StoreError};
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::planted::{Bug, is_planted};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tables::Tables;

/// The store in memory. Clones share one database, so that a simulation keeps a handle on its switches.
#[derive(Clone, Default)]
pub struct MemoryStore {
    database: Arc<Mutex<Database>>,
}

#[derive(Default)]
struct Database {
    /// As they were when they were last synced.
    synced: Tables,
    /// What was committed since, in order.
    unsynced: Vec<ProjectionBatch>,
    /// `synced` with `unsynced` in it.
    tables: Tables,
    away: bool,
    confirmations_to_lose: u32,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it unreachable, or reachable again.
    pub fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    /// The next `commits` are written, but reported as [`StoreError::Unreachable`].
    pub fn lose_confirmations(&self, commits: u32) {
        self.lock().confirmations_to_lose = commits;
    }

    /// Makes durable what has been committed.
    pub fn sync(&self) {
        let mut database = self.lock();
        let database = &mut *database;
        for batch in database.unsynced.drain(..) {
            database.synced.write(&batch);
        }
    }

    /// How many commits would be lost by [`MemoryStore::lose_unsynced`].
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// Falls back to the last [`MemoryStore::sync`], as a database does that crashes before it has flushed its log.
    pub fn lose_unsynced(&self) {
        self.lose_newest(usize::MAX);
    }

    /// Loses the newest commits, but none that was synced.
    pub fn lose_newest(&self, commits: usize) {
        let mut database = self.lock();
        let database = &mut *database;
        let positions = is_planted(Bug::StoresPositionApart).then(|| database.tables.positions.clone());
        database.unsynced.truncate(database.unsynced.len().saturating_sub(commits));
        database.tables = database.synced.clone();
        for batch in &database.unsynced {
            database.tables.write(batch);
        }
        database.tables.positions.extend(positions.into_iter().flatten());
    }

    /// The last counting record of a journal that has been projected, whether the store is away or not.
    pub fn mark(&self, partition: u32) -> Option<JournalMark> {
        self.lock().tables.positions.get(&partition).and_then(|position| position.mark)
    }

    /// The journal offset up to which a partition is projected, whether the store is away or not.
    pub fn next_offset(&self, partition: u32) -> Option<u64> {
        self.lock().tables.positions.get(&partition).map(|position| position.next_offset)
    }

    /// Where a partition stands and the runs that it holds, whole, whether the store is away or not.
    pub fn look(&self, partition: u32) -> Option<(Position, Vec<Run>)> {
        let database = self.lock();
        let tables = &database.tables;
        let position = tables.positions.get(&partition)?.clone();
        Some((position, tables.of_partition(partition).map(|run| tables.whole(run)).collect()))
    }

    /// Forgets a partition, as an operator makes a store do whose journal has lost records.
    pub fn forget(&self, partition: u32) {
        let mut database = self.lock();
        let database = &mut *database;
        database.unsynced.retain(|batch| batch.partition != partition);
        database.synced.forget(partition);
        database.tables.forget(partition);
    }

    fn lock(&self) -> MutexGuard<'_, Database> {
        // A panic elsewhere leaves the tables whole: a batch is written in one go.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the tables, unless they are away.
    fn ask<T>(&self, question: impl FnOnce(&Tables) -> T) -> Result<T, StoreError> {
        let database = self.lock();
        if database.away { Err(self.unreachable("it is away")) } else { Ok(question(&database.tables)) }
    }

    fn unreachable(&self, reason: &str) -> StoreError {
        StoreError::Unreachable { at: self.describe(), reason: reason.to_owned() }
    }
}

impl Store for MemoryStore {
    fn migrate(&self) -> Result<(), StoreError> {
        self.ask(|_| ())
    }

    fn position(&self, partition: u32) -> Result<Option<Position>, StoreError> {
        self.ask(|tables| tables.positions.get(&partition).cloned())
    }

    fn commit(&self, batch: &ProjectionBatch) -> Result<(), StoreError> {
        let mut database = self.lock();
        if database.away {
            return Err(self.unreachable("it is away"));
        }
        let found = database.tables.positions.get(&batch.partition);
        if found != batch.expected.as_ref() {
            return Err(batch.fenced(found));
        }
        database.tables.write(batch);
        database.unsynced.push(batch.clone());
        if database.confirmations_to_lose > 0 {
            database.confirmations_to_lose -= 1;
            return Err(self.unreachable("the connection broke before the commit was confirmed"));
        }
        Ok(())
    }

    fn snapshot(
        &self,
        partition: u32,
        ended_since: Timestamp,
        max_ended: usize,
    ) -> Result<Option<Snapshot>, StoreError> {
        self.ask(|tables| tables.snapshot(partition, ended_since, max_ended))
    }

    fn query(&self) -> &dyn Query {
        self
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}
