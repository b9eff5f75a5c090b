//! Clients: they publish requests of every kind, well-behaved and not.

use crate::core::definition::Definition;
use crate::core::partition::partition_of;
use crate::log::{Ack, Appender, NewRecord, Topic};
use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

/// A client.
pub struct Client {
    appender: Box<dyn Appender>,
    partitions: u32,
    names: Vec<String>,
    sent: u64,
    acks: Vec<Ack>,
}

impl Client {
    /// A client that knows these definitions.
    pub fn new(appender: Box<dyn Appender>, partitions: u32, definitions: &[Definition]) -> Self {
        let names = definitions.iter().map(|definition| definition.name.to_string()).collect();
        Self { appender, partitions, names, sent: 0, acks: Vec::new() }
    }

    /// Publishes a request, or something that looks like one.
    pub fn publish(&mut self, rng: &mut StdRng) {
        self.sent += 1;
        let id = format!("order-{}", rng.random_range(0..self.sent.max(4)));
        let name = &self.names[rng.random_range(0..self.names.len())];
        // Repeated ids come with the same payload often enough to be duplicates.
        let body = json!({ "definition": name, "input": { "n": rng.random_range(0..2) }, "workflow_id": id });
        let good = Bytes::from(body.to_string());
        let keyed = Some(Bytes::from(id.clone()));
        let home = partition_of(id.as_bytes(), self.partitions);
        let (key, partition, value) = match rng.random_range(0..20) {
            0 => (keyed, Some((home + 1) % self.partitions), Some(good)),
            1 => (
                None,
                Some(rng.random_range(0..self.partitions)),
                Some(Bytes::from(format!("{{\"definition\":\"{name}\",\"input\":1}}"))),
            ),
            2 => (keyed, Some(home), Some(Bytes::from_static(b"rubbish"))),
            3 => (keyed, Some(home), None),
            4 => {
                (keyed, Some(home), Some(Bytes::from(json!({ "definition": "nobody-knows", "input": 1 }).to_string())))
            }
            5 => (Some(Bytes::from_static(b"another")), None, Some(good)),
            _ => (keyed, Some(home), Some(good)),
        };
        self.send(NewRecord { topic: Topic::Requests, partition, key, value, headers: Vec::new() });
    }

    /// Moves what is under way. A client that gets an error does not care here: what counts is what stands in the log.
    pub fn poll(&mut self) {
        self.acks.clear();
        self.appender.poll(&mut self.acks);
    }

    fn send(&mut self, record: NewRecord) {
        // `Full` and `Fatal` cost this client its request.
        let _ = self.appender.append(record, self.sent);
    }
}
