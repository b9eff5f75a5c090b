//! A topic read from its start, all partitions, everything kept.

use orchestrator::log::{Delivery, Log, Reader, Record, Topic};
use serde_json::Value;
use std::time::Duration;

/// Follows a topic.
pub struct Stream {
    topic: Topic,
    reader: Box<dyn Reader>,
    records: Vec<Record>,
}

impl Stream {
    /// From the start.
    pub fn new(log: &dyn Log, topic: Topic) -> Self {
        let mut reader = log.reader().expect("a reader");
        let partitions = super::until("the topic is there", || log.partitions(&topic).expect("the log answers"));
        for partition in 0..partitions {
            reader.assign(&topic, partition, 0).expect("the topic can be read");
        }
        Self { topic, reader, records: Vec::new() }
    }

    /// Everything that has come so far.
    pub fn records(&mut self) -> &[Record] {
        let mut deliveries = Vec::new();
        self.reader.poll(Duration::from_millis(20), &mut deliveries).expect("the topic can be read");
        for delivery in deliveries {
            if let Delivery::Record(record) = delivery {
                self.records.push(record);
            }
        }
        &self.records
    }

    /// Waits for a record.
    #[track_caller]
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Record) -> bool) -> Record {
        let what = format!("{what} is in {}", self.topic);
        super::until(&what, || self.records().iter().find(|record| wanted(record)).cloned())
    }

    /// Waits for a record whose JSON is wanted.
    #[track_caller]
    pub fn wait_json(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        json(&self.wait(what, |record| wanted(&json(record))))
    }
}

/// A record's value as JSON; null where it is none.
pub fn json(record: &Record) -> Value {
    record.value.as_ref().and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default()
}

/// A header as text; empty where it is not there.
pub fn text(record: &Record, header: &str) -> String {
    String::from_utf8_lossy(record.header(header).unwrap_or_default()).into_owned()
}
