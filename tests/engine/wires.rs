//! A log with switches: one question that panics or is not answered, effects that are never confirmed, definitions
//! that are hidden or spoilt, topics that have been trimmed.

use orchestrator::core::time::Timestamp;
use orchestrator::log::memory::MemoryProcess;
use orchestrator::log::{
    Ack, AppendError, Appender, Delivery, Ends, Group, GroupSeen, Log, LogError, Membership, NewRecord, Purpose,
    Reader, Record, Token, Topic, TopicSpec,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong.
#[derive(Default)]
pub struct Switches {
    /// Asking for the ends of this partition panics.
    pub panics: Option<(Topic, u32)>,
    /// How often it has.
    pub panicked: usize,
    /// Joining a group panics so many more times.
    pub joins_that_panic: usize,
    /// Asking for the ends of this topic is not answered.
    pub unanswered: Option<Topic>,
    /// Every effect fails with this.
    pub effects_fail: Option<AppendError>,
    /// How many effects were appended, tries included.
    pub effects: usize,
    /// Records of `definitions` below this offset are not handed out.
    pub hidden_below: u64,
    /// The definition of this name is not valid as it is read.
    pub spoilt: Option<String>,
    /// This topic begins here.
    pub trimmed: Option<(Topic, u64)>,
}

/// The switches of a log.
pub type Board = Arc<Mutex<Switches>>;

/// A process's log with switches.
pub struct Wired {
    pub process: MemoryProcess,
    pub board: Board,
}

impl Log for Wired {
    fn appender(&self, purpose: Purpose) -> Result<Box<dyn Appender>, LogError> {
        let inner = self.process.appender(purpose)?;
        let is_effects = purpose == Purpose::Effects;
        Ok(if is_effects { Box::new(Effects { inner, board: self.board.clone(), failed: vec![] }) } else { inner })
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        let inner = self.process.reader()?;
        Ok(Box::new(WiredReader { inner, board: self.board.clone(), lost: vec![] }))
    }

    fn group(&self, name: &str, topics: &[Topic], membership: Membership) -> Result<Box<dyn Group>, LogError> {
        let panics = {
            let mut board = self.board.lock().unwrap();
            let left = board.joins_that_panic;
            board.joins_that_panic = left.saturating_sub(1);
            left > 0
        };
        assert!(!panics, "the test wants joining to panic");
        self.process.group(name, topics, membership)
    }

    fn look_at_group(&self, name: &str, topic: &Topic) -> Result<GroupSeen, LogError> {
        self.process.look_at_group(name, topic)
    }

    fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError> {
        let (panics, unanswered) = {
            let mut board = self.board.lock().unwrap();
            let panics = board.panics == Some((topic.clone(), partition));
            board.panicked += usize::from(panics);
            (panics, board.unanswered.as_ref() == Some(topic))
        };
        assert!(!panics, "the test wants this question to panic");
        if unanswered {
            return Err(LogError::Unreachable { at: "the test".to_owned(), reason: "it says so".to_owned() });
        }
        self.process.ends(topic, partition)
    }

    fn offset_at(&self, topic: &Topic, partition: u32, time: Timestamp) -> Result<u64, LogError> {
        self.process.offset_at(topic, partition, time)
    }

    fn partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError> {
        self.process.partitions(topic)
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.process.create_topics(topics)
    }

    fn topic_settings(&self, topic: &Topic) -> Result<Vec<(String, String)>, LogError> {
        self.process.topic_settings(topic)
    }

    fn brokers(&self) -> Result<u32, LogError> {
        self.process.brokers()
    }

    fn cluster(&self) -> String {
        self.process.cluster()
    }
}

/// Counts effects, and lets them fail while the switch is on.
struct Effects {
    inner: Box<dyn Appender>,
    board: Board,
    failed: Vec<(Token, AppendError)>,
}

impl Appender for Effects {
    fn append(&mut self, record: NewRecord, token: Token) -> Result<(), AppendError> {
        let fails = {
            let mut board = self.board.lock().unwrap();
            board.effects += 1;
            board.effects_fail.clone()
        };
        if let Some(error) = fails {
            self.failed.push((token, error));
            return Ok(());
        }
        self.inner.append(record, token)
    }

    fn poll(&mut self, acks: &mut Vec<Ack>) {
        acks.extend(self.failed.drain(..).map(|(token, error)| Ack { token, result: Err(error) }));
        self.inner.poll(acks);
    }

    fn in_flight(&self) -> usize {
        self.inner.in_flight() + self.failed.len()
    }
}

struct WiredReader {
    inner: Box<dyn Reader>,
    board: Board,
    lost: Vec<Delivery>,
}

impl WiredReader {
    fn treat(&self, record: Record) -> Option<Record> {
        if record.topic != Topic::Definitions {
            return Some(record);
        }
        let board = self.board.lock().unwrap();
        if record.offset < board.hidden_below {
            return None;
        }
        let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let is_spoilt = board.spoilt.as_ref().is_some_and(|name| key.starts_with(&format!("{name}@")));
        let spoil = |text: &[u8]| String::from_utf8_lossy(text).replace("\"node_id\"", "\"knot_id\"").into();
        let value = record.value.clone().map(|value| if is_spoilt { spoil(&value) } else { value });
        Some(Record { value, ..record })
    }
}

impl Reader for WiredReader {
    fn assign(&mut self, topic: &Topic, partition: u32, offset: u64) -> Result<(), LogError> {
        if let Some((_, low)) = self.board.lock().unwrap().trimmed.as_ref().filter(|(trimmed, _)| trimmed == topic)
            && offset < *low
        {
            let (low, topic) = (*low, topic.clone());
            self.lost.push(Delivery::Lost { topic, partition, wanted: offset, low, high: low });
        }
        self.inner.assign(topic, partition, offset)
    }

    fn unassign(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.inner.unassign(topic, partition)
    }

    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.inner.pause(topic, partition)
    }

    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.inner.resume(topic, partition)
    }

    fn poll(&mut self, wait: Duration, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        out.append(&mut self.lost);
        let mut deliveries = Vec::new();
        self.inner.poll(wait, &mut deliveries)?;
        for delivery in deliveries {
            match delivery {
                Delivery::Record(record) => out.extend(self.treat(record).map(Delivery::Record)),
                other => out.push(other),
            }
        }
        Ok(())
    }
}
