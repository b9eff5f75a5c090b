//! Clients: they publish requests of every kind, well-behaved and not.

use crate::core::definition::Definition;
use crate::core::id::WorkflowId;
use crate::core::partition::partition_of;
use crate::log::{Ack, Appender, NewRecord, Topic};
use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

/// The header in which a request says what its client expects of it.
pub const EXPECTED: &str = "expected";

/// What becomes of a request, as far as its client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A run of this workflow is there, whoever asked for it first.
    Run(WorkflowId),
    /// A run of its own, under an id that the engine makes.
    Derived,
    /// It is refused for this reason.
    Refused(String),
    /// Whatever is lawful: it asks for something that may not be possible any more.
    Anything,
}

impl Expected {
    /// The header.
    pub fn write(&self) -> String {
        match self {
            Self::Run(id) => format!("run {id}"),
            Self::Derived => "derived".to_owned(),
            Self::Refused(reason) => format!("refused {reason}"),
            Self::Anything => "anything".to_owned(),
        }
    }

    /// Reads the header.
    pub fn read(header: &[u8]) -> Option<Self> {
        match std::str::from_utf8(header).ok()?.split_once(' ') {
            Some(("run", id)) => WorkflowId::new(id).ok().map(Self::Run),
            Some(("refused", reason)) => Some(Self::Refused(reason.to_owned())),
            _ if header == b"anything" => Some(Self::Anything),
            _ => (header == b"derived").then_some(Self::Derived),
        }
    }
}

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
        let run = Expected::Run(WorkflowId::new(&id).expect("the simulation makes legal ids"));
        let refused = |reason: &str| Expected::Refused(reason.to_owned());
        let (expected, key, partition, value) = match rng.random_range(0..20) {
            0 => (run, keyed, Some((home + 1) % self.partitions), Some(good)),
            1 => (
                Expected::Derived,
                None,
                Some(rng.random_range(0..self.partitions)),
                Some(Bytes::from(format!("{{\"definition\":\"{name}\",\"input\":1}}"))),
            ),
            2 => (refused("malformed"), keyed, Some(home), Some(Bytes::from_static(b"rubbish"))),
            3 => (refused("no_value"), keyed, Some(home), None),
            4 => {
                let unknown = json!({ "definition": "nobody-knows", "input": 1 }).to_string();
                (refused("unknown_definition"), keyed, Some(home), Some(Bytes::from(unknown)))
            }
            5 => (refused("key_mismatch"), Some(Bytes::from_static(b"another")), None, Some(good)),
            _ => (run, keyed, Some(home), Some(good)),
        };
        let headers = vec![(EXPECTED.into(), Bytes::from(expected.write()))];
        self.send(NewRecord { topic: Topic::Requests, partition, key, value, headers });
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
