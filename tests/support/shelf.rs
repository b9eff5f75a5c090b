//! A log that holds journals alone, as values: records are numbers of places on a shelf, so that no format is needed.

use super::histories::{body, chain};
use bytes::Bytes;
use orchestrator::core::event::Recorded;
use orchestrator::core::time::Timestamp;
use orchestrator::journal::record::{Cause, EffectsThrough, JournalRecord, Owner, PartitionTaken, Step, Transition};
use orchestrator::log::{
    Appender, Delivery, Ends, Group, GroupSeen, Log, LogError, Membership, Purpose, Reader, Record, Topic, TopicSpec,
};
use orchestrator::projector::codec::Codec;
use orchestrator::wire::WireError;
use orchestrator::wire::event::Published;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the places hold. Tests share it; each only ever looks at its own places.
static RECORDS: Mutex<Vec<JournalRecord>> = Mutex::new(Vec::new());
static EVENTS: Mutex<BTreeMap<Vec<u8>, Published>> = Mutex::new(BTreeMap::new());
/// A record of a newer version.
pub const NEWER: &[u8] = b"newer";

pub const CODEC: Codec = Codec { record, event, chain };

fn record(bytes: &Bytes) -> Result<JournalRecord, WireError> {
    if bytes == NEWER {
        return Err(WireError::Newer { what: "a step", found: "2".into(), known: "1".into() });
    }
    let place: Option<[u8; 8]> = (**bytes).try_into().ok();
    let malformed = || WireError::Malformed { expected: "a place", found: format!("{bytes:?}") };
    Ok(RECORDS.lock().unwrap()[u64::from_be_bytes(place.ok_or_else(malformed)?) as usize].clone())
}

fn event(bytes: &[u8]) -> Result<Published, WireError> {
    Ok(EVENTS.lock().unwrap()[bytes].clone())
}

/// The bytes of a record.
pub fn put(record: JournalRecord) -> Bytes {
    let mut records = RECORDS.lock().unwrap();
    records.push(record);
    Bytes::copy_from_slice(&(records.len() as u64 - 1).to_be_bytes())
}

pub fn taken(term: u64) -> JournalRecord {
    let text = || "test".to_owned();
    JournalRecord::PartitionTaken(PartitionTaken {
        term,
        owner: Owner([term as u8; 16]),
        time: Timestamp(term as i64),
        group: text(),
        host: text(),
        version: text(),
        cluster: text(),
    })
}

pub fn step(term: u64, number: u64, events: &[Recorded]) -> JournalRecord {
    let mut bodies = Vec::new();
    for event in events {
        bodies.push(body(event));
        EVENTS.lock().unwrap().insert(body(event).to_vec(), Published::Run(event.clone()));
    }
    JournalRecord::Step(Step {
        term,
        owner: Owner([term as u8; 16]),
        number,
        time: Timestamp(number as i64),
        positions: vec![],
        effects_through: (number > 3).then(|| EffectsThrough { step: number - 3, offset: number }),
        transitions: vec![Transition {
            cause: Cause::Continuation,
            chain: [0; 16],
            traceparent: None,
            events: bodies,
            input: None,
        }],
    })
}

/// How reading fails.
#[allow(dead_code, reason = "not every test has faults")]
pub enum Fault {
    /// The log says no.
    Refused,
    /// The code fails.
    Panics,
}

/// The journals of all partitions. Clones share them.
#[derive(Clone, Default)]
pub struct Shelf {
    journals: Arc<Mutex<BTreeMap<u32, Vec<Bytes>>>>,
    /// How many records a poll hands out at most.
    pub at_once: usize,
    /// What comes of the next polls instead of records.
    #[allow(dead_code, reason = "not every test has faults")]
    pub faults: Arc<Mutex<Vec<Fault>>>,
}

impl Shelf {
    pub fn new(at_once: usize) -> Self {
        Self { at_once, ..Self::default() }
    }

    pub fn append(&self, partition: u32, value: Bytes) -> u64 {
        let mut journals = self.journals.lock().unwrap();
        let journal = journals.entry(partition).or_default();
        journal.push(value);
        journal.len() as u64 - 1
    }

    pub fn write(&self, partition: u32, record: JournalRecord) -> u64 {
        self.append(partition, put(record))
    }

    /// Loses all from an offset on.
    pub fn truncate(&self, partition: u32, end: u64) {
        self.journals.lock().unwrap().entry(partition).or_default().truncate(end as usize);
    }
}

struct ShelfReader {
    shelf: Shelf,
    /// By partition: the next offset, and whether the end has been told.
    places: BTreeMap<u32, (u64, bool)>,
    paused: BTreeMap<u32, bool>,
}

impl Reader for ShelfReader {
    fn assign(&mut self, _: &Topic, partition: u32, offset: u64) -> Result<(), LogError> {
        self.places.insert(partition, (offset, false));
        self.paused.remove(&partition);
        Ok(())
    }
    fn unassign(&mut self, _: &Topic, partition: u32) -> Result<(), LogError> {
        self.places.remove(&partition);
        Ok(())
    }
    fn pause(&mut self, _: &Topic, partition: u32) -> Result<(), LogError> {
        self.paused.insert(partition, true);
        Ok(())
    }
    fn resume(&mut self, _: &Topic, partition: u32) -> Result<(), LogError> {
        self.paused.remove(&partition);
        Ok(())
    }
    fn poll(&mut self, _: Duration, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        let fault = self.shelf.faults.lock().unwrap().pop();
        match fault {
            Some(Fault::Refused) => return Err(LogError::Refused("not authorised".into())),
            Some(Fault::Panics) => panic!("out of beans"),
            None => {}
        }
        let journals = self.shelf.journals.lock().unwrap();
        for (partition, (next, told)) in &mut self.places {
            if self.paused.contains_key(partition) {
                continue;
            }
            let (topic, partition, empty) = (Topic::Journal, *partition, Vec::new());
            let journal = journals.get(&partition).unwrap_or(&empty);
            for _ in 0..self.shelf.at_once {
                let Some(value) = journal.get(*next as usize) else { break };
                let time = Timestamp(*next as i64);
                let value = Some(value.clone());
                let topic = topic.clone();
                out.push(Delivery::Record(Record {
                    topic,
                    partition,
                    offset: *next,
                    time,
                    key: None,
                    value,
                    headers: vec![],
                }));
                (*next, *told) = (*next + 1, false);
            }
            let end = journal.len() as u64;
            if *next > end {
                out.push(Delivery::Lost { topic, partition, wanted: *next, low: 0, high: end });
                *next = 0;
            } else if *next == end && !std::mem::replace(told, true) {
                out.push(Delivery::End { topic, partition, offset: end });
            }
        }
        Ok(())
    }
}

fn no<T>() -> Result<T, LogError> {
    Err(LogError::Refused("a shelf holds journals alone".into()))
}

impl Log for Shelf {
    fn appender(&self, _: Purpose) -> Result<Box<dyn Appender>, LogError> {
        no()
    }
    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(ShelfReader { shelf: self.clone(), places: BTreeMap::new(), paused: BTreeMap::new() }))
    }
    fn group(&self, _: &str, _: &[Topic], _: Membership) -> Result<Box<dyn Group>, LogError> {
        no()
    }
    fn look_at_group(&self, _: &str, _: &Topic) -> Result<GroupSeen, LogError> {
        no()
    }
    fn ends(&self, _: &Topic, partition: u32) -> Result<Ends, LogError> {
        Ok(Ends { low: 0, high: self.journals.lock().unwrap().get(&partition).map_or(0, Vec::len) as u64 })
    }
    fn offset_at(&self, _: &Topic, _: u32, _: Timestamp) -> Result<u64, LogError> {
        no()
    }
    fn partitions(&self, _: &Topic) -> Result<Option<u32>, LogError> {
        no()
    }
    fn create_topics(&self, _: &[TopicSpec]) -> Result<(), LogError> {
        no()
    }
    fn topic_settings(&self, _: &Topic) -> Result<Vec<(String, String)>, LogError> {
        no()
    }
    fn brokers(&self) -> Result<u32, LogError> {
        no()
    }
    fn cluster(&self) -> String {
        "shelf".into()
    }
}
