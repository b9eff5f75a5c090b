//! What this process knows to be new in the file, and who waits for it.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A partition by the topic's id in the file and its number.
pub(super) type PartitionId = (i64, u32);

#[derive(Default)]
struct News {
    /// Counts every change.
    version: u64,
    /// The next offset of each partition, as far as known.
    highs: HashMap<PartitionId, u64>,
    /// Counts changes of groups.
    groups: u64,
    /// The sum of all groups' stamps when the file was last looked at.
    stamps: i64,
}

/// The news, shared by the writer, the watcher and all readers and members of one process.
#[derive(Default)]
pub(super) struct Bulletin {
    news: Mutex<News>,
    changed: Condvar,
}

impl Bulletin {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts every change: what was asked before is still true while this stays the same.
    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// Counts changes of groups.
    pub(super) fn groups(&self) -> u64 {
        self.lock().groups
    }

    /// The next offset of a partition, as far as known.
    pub(super) fn high(&self, id: PartitionId) -> u64 {
        self.lock().highs.get(&id).copied().unwrap_or(0)
    }

    /// Takes in the next offsets of partitions (they only rise) and wakes who waits.
    pub(super) fn post(&self, highs: impl IntoIterator<Item = (PartitionId, u64)>) {
        let mut news = self.lock();
        let mut changed = false;
        for (id, high) in highs {
            let known = news.highs.entry(id).or_insert(0);
            changed |= high > *known;
            *known = high.max(*known);
        }
        self.announce(news, changed);
    }

    /// Says that some group has changed.
    pub(super) fn post_group(&self) {
        let mut news = self.lock();
        news.groups += 1;
        self.announce(news, true);
    }

    /// Takes in the sum of all groups' stamps, as it stands in the file.
    pub(super) fn post_stamps(&self, stamps: i64) {
        let mut news = self.lock();
        let changed = news.stamps != stamps;
        news.stamps = stamps;
        news.groups += u64::from(changed);
        self.announce(news, changed);
    }

    fn announce(&self, mut news: MutexGuard<'_, News>, changed: bool) {
        if changed {
            news.version += 1;
            drop(news);
            self.changed.notify_all();
        }
    }

    /// Waits until the version is another one, or the deadline has passed.
    pub(super) fn wait(&self, version: u64, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left > Duration::ZERO {
            let news = self.lock();
            drop(self.changed.wait_timeout_while(news, left, |news| news.version == version));
        }
    }
}
