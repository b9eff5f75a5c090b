//! The log in one SQLite file: durable, nothing to install, any number of processes of one machine at once.
//!
//! Write-ahead mode with `synchronous=NORMAL`: what was acknowledged survives the death of the process at any
//! moment; when the machine itself loses power, a tail may be missing, as if it had never been written, and never
//! anything but a tail.
//!
//! | file | what it is |
//! |---|---|
//! | `schema.sql`, `schema` | the tables |
//! | `hub` | what the handles of one process on one file share |
//! | `writer` | the thread that writes: one transaction for everything that has come meanwhile |
//! | `watcher`, `bulletin` | how readers learn of news: from the writer at once, from other processes by looking |
//! | `membership`, `liveness` | who is in a group, who of them lives, who holds what |

mod appender;
mod bulletin;
mod connection;
mod group;
mod headers;
mod hub;
mod liveness;
mod membership;
mod reader;
mod retention;
mod schema;
#[cfg(test)]
mod tests;
mod watcher;
mod writer;

use super::{
    Appender, Ends, Group, GroupSeen, Log, LogError, Membership, Purpose, Reader, SharedPartition, Topic, TopicSpec,
};
use crate::core::time::Timestamp;
use hub::Hub;
use schema::NewTopic;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A log in a SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteLog {
    hub: Arc<Hub>,
    namespace: String,
    session: Duration,
}

impl SqliteLog {
    /// Opens the log in the file at `path`, which is created where it is not there (readable for its owner alone,
    /// like the folder that is made for it). Topics are `<namespace>.<topic>` in the file.
    ///
    /// # Errors
    /// `Unreachable` where the file cannot be created or stays locked, `Refused` where it is damaged, no SQLite
    /// database, not writable, or of a newer format.
    pub fn open(path: &Path, namespace: &str) -> Result<Self, LogError> {
        Self::on(Hub::of(path, true)?, namespace)
    }

    /// As [`SqliteLog::open`], but shares nothing in memory with the other handles of this process: what another
    /// process would see.
    ///
    /// # Errors
    /// Those of [`SqliteLog::open`].
    pub fn open_apart(path: &Path, namespace: &str) -> Result<Self, LogError> {
        Self::on(Hub::of(path, false)?, namespace)
    }

    fn on(hub: Arc<Hub>, namespace: &str) -> Result<Self, LogError> {
        Ok(Self { hub, namespace: namespace.to_owned(), session: group::SESSION })
    }

    fn name(&self, topic: &Topic) -> String {
        topic_name(&self.namespace, topic)
    }
}

fn topic_name(namespace: &str, topic: &Topic) -> String {
    format!("{namespace}.{topic}")
}

/// The point `wait` from now; a wait that no clock can hold is a year.
fn deadline(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now + Duration::from_secs(31_536_000))
}

/// How long a topic's records are kept; the truth, the public stream and definitions for ever, whatever is asked.
fn retention_us(spec: &TopicSpec) -> Result<Option<i64>, LogError> {
    let Some((_, text)) = spec.settings.iter().find(|(name, _)| name == "retention.ms") else { return Ok(None) };
    let millis: i64 = text.parse().map_err(|_| {
        LogError::Refused(format!("retention.ms of {} is {text:?}; allowed are whole milliseconds or -1", spec.topic))
    })?;
    let for_ever = matches!(spec.topic, Topic::Journal | Topic::Events | Topic::Definitions) || millis < 0;
    Ok((!for_ever).then(|| millis.saturating_mul(1_000)))
}

impl Log for SqliteLog {
    fn appender(&self, purpose: Purpose) -> Result<Box<dyn Appender>, LogError> {
        Ok(Box::new(appender::SqliteAppender::new(Arc::clone(&self.hub), self.namespace.clone(), purpose)))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(reader::SqliteReader::new(Arc::clone(&self.hub), self.namespace.clone())?))
    }

    fn group(&self, name: &str, topics: &[Topic], membership: Membership) -> Result<Box<dyn Group>, LogError> {
        let hub = Arc::clone(&self.hub);
        let member = group::SqliteGroup::join(hub, &self.namespace, name, topics, membership, self.session)?;
        Ok(Box::new(member))
    }

    fn look_at_group(&self, name: &str, topic: &Topic) -> Result<GroupSeen, LogError> {
        let name = format!("{}.{name}", self.namespace);
        let whole = self.name(topic);
        let info = self.hub.topic(&whole)?.ok_or(LogError::UnknownTopic(whole))?;
        let seen = self.hub.ask(|connection| membership::look(connection, &name, &info, self.session))?;
        let partition = |(number, (is_held, committed)): (u32, (bool, Option<u64>))| {
            Ok(SharedPartition { is_held, committed, ends: self.hub.ends((info.id, number))? })
        };
        let partitions = (0..).zip(seen.partitions).map(partition).collect::<Result<_, LogError>>()?;
        Ok(GroupSeen { members: seen.members, partitions })
    }

    fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError> {
        self.hub.ends(self.hub.partition(&self.name(topic), partition)?)
    }

    fn offset_at(&self, topic: &Topic, partition: u32, time: Timestamp) -> Result<u64, LogError> {
        let id = self.hub.partition(&self.name(topic), partition)?;
        let ends = self.hub.ends(id)?;
        self.hub.ask(|connection| schema::offset_at(connection, id, ends, time))
    }

    fn partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError> {
        Ok(self.hub.topic(&self.name(topic))?.map(|info| info.partitions))
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        let mut new = Vec::with_capacity(topics.len());
        for spec in topics {
            if spec.partitions == 0 {
                return Err(LogError::Refused(format!("{} needs at least one partition", spec.topic)));
            }
            let (name, partitions, settings) = (self.name(&spec.topic), spec.partitions, &spec.settings[..]);
            new.push(NewTopic { name, partitions, settings, retention_us: retention_us(spec)? });
        }
        self.hub.ask(|connection| schema::create_topics(connection, &new))
    }

    fn topic_settings(&self, topic: &Topic) -> Result<Vec<(String, String)>, LogError> {
        let name = self.name(topic);
        let settings = self.hub.ask(|connection| schema::settings(connection, &name))?;
        settings.ok_or(LogError::UnknownTopic(name))
    }

    fn brokers(&self) -> Result<u32, LogError> {
        Ok(1)
    }

    fn cluster(&self) -> String {
        self.hub.at.clone()
    }
}
