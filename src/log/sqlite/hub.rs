//! What all handles of one process on one file share: the writer, the watcher, and what they know.

use super::bulletin::{Bulletin, PartitionId};
use super::connection::{Connection, Fault};
use super::writer::{self, Write};
use super::{schema, watcher};
use crate::log::{Ends, LogError};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The hubs of this process by canonical path, so that a record is seen at once by every reader in the process.
static HUBS: Mutex<BTreeMap<PathBuf, Weak<Hub>>> = Mutex::new(BTreeMap::new());

/// What the file says about a topic.
#[derive(Clone, Debug)]
pub(super) struct TopicInfo {
    /// Its id in the file.
    pub(super) id: i64,
    /// How many partitions it has.
    pub(super) partitions: u32,
    /// The largest record it takes, in bytes.
    pub(super) max_record_bytes: usize,
}

/// See the module.
pub(super) struct Hub {
    pub(super) path: PathBuf,
    /// The path as text, for errors.
    pub(super) at: String,
    pub(super) bulletin: Arc<Bulletin>,
    pub(super) writes: Sender<Write>,
    /// For questions that are asked rarely.
    admin: Mutex<Connection>,
    topics: Mutex<HashMap<String, TopicInfo>>,
    watched: AtomicBool,
}

impl Hub {
    /// The hub of a file, which is created where it is not there. `shared`: with all other handles of this process.
    pub(super) fn of(path: &Path, shared: bool) -> Result<Arc<Self>, LogError> {
        let path = schema::create_file(path)?;
        if !shared {
            return Ok(Arc::new(Self::open(path)?));
        }
        let mut hubs = HUBS.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.retain(|_, hub| hub.strong_count() > 0);
        if let Some(hub) = hubs.get(&path).and_then(Weak::upgrade) {
            return Ok(hub);
        }
        let hub = Arc::new(Self::open(path.clone())?);
        hubs.insert(path, Arc::downgrade(&hub));
        Ok(hub)
    }

    fn open(path: PathBuf) -> Result<Self, LogError> {
        let at = path.display().to_string();
        let mut admin = Connection::open(&path).map_err(|fault| fault.at(&at))?;
        schema::prepare(&mut admin, &at)?;
        let bulletin = Arc::new(Bulletin::default());
        let writes = writer::start(path.clone(), Arc::clone(&bulletin)).map_err(|e| thread_failed(&at, &e))?;
        let (admin, topics) = (Mutex::new(admin), Mutex::default());
        Ok(Self { path, at, bulletin, writes, admin, topics, watched: AtomicBool::new(false) })
    }

    /// Makes sure that somebody looks for what other processes write.
    pub(super) fn watch(&self) -> Result<(), LogError> {
        if !self.watched.swap(true, Ordering::Relaxed) {
            watcher::start(self.path.clone(), &self.bulletin).map_err(|e| thread_failed(&self.at, &e))?;
        }
        Ok(())
    }

    /// A connection of one's own.
    pub(super) fn connect(&self) -> Result<Connection, LogError> {
        Connection::open(&self.path).map_err(|fault| fault.at(&self.at))
    }

    /// Asks on the shared connection.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&mut Connection) -> Result<T, Fault>) -> Result<T, LogError> {
        let mut admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        question(&mut admin).map_err(|fault| fault.at(&self.at))
    }

    /// A topic by its whole name.
    pub(super) fn topic(&self, name: &str) -> Result<Option<TopicInfo>, LogError> {
        if let Some(info) = self.topics.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(Some(info.clone()));
        }
        let info = self.ask(|connection| schema::topic(connection, name))?;
        if let Some(info) = &info {
            let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
            topics.insert(name.to_owned(), info.clone());
        }
        Ok(info)
    }

    /// A partition of a topic that has to be there.
    pub(super) fn partition(&self, name: &str, partition: u32) -> Result<PartitionId, LogError> {
        let info = self.topic(name)?.ok_or_else(|| LogError::UnknownTopic(name.to_owned()))?;
        if partition >= info.partitions {
            let count = info.partitions;
            return Err(LogError::Refused(format!("{name} has {count} partitions; there is no partition {partition}")));
        }
        Ok((info.id, partition))
    }

    /// The ends of a partition as the file has them now.
    pub(super) fn ends(&self, id: PartitionId) -> Result<Ends, LogError> {
        let ends = self.ask(|connection| schema::ends(connection, id))?;
        // So that no reader of this process says afterwards that there was nothing more below.
        self.bulletin.post([(id, ends.high)]);
        Ok(ends)
    }
}

fn thread_failed(at: &str, error: &std::io::Error) -> LogError {
    LogError::Unreachable { at: at.to_owned(), reason: format!("a thread could not be started: {error}") }
}
