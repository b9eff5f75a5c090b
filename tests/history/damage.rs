//! An installation after some faults, and copies of its event stream that are not as they should be.

use bytes::Bytes;
use orchestrator::core::time::Timestamp;
use orchestrator::history::verify::{Fault, Kind, Listener, Parts, Report, verify};
use orchestrator::installation::records::append;
use orchestrator::log::memory::{Clock, MemoryLog, MemoryProcess, ProcessId};
use orchestrator::log::plan::topic_plan;
use orchestrator::log::{Log, NewRecord, Record, Topic};
use orchestrator::simulation::{Options, Remains, remains};
use orchestrator::store::Store;

/// What a verification says.
pub struct Heard {
    pub faults: Vec<Fault>,
    pub report: Report,
}

impl Heard {
    /// The differences of a kind.
    pub fn of(&self, kind: Kind) -> Vec<&Fault> {
        self.faults.iter().filter(|fault| fault.kind == kind).collect()
    }

    pub fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<_> = self.faults.iter().map(|fault| fault.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// Whether some difference names the record or the event.
    pub fn names(&self, subject: &str, sequence: u64) -> bool {
        self.faults.iter().any(|f| f.subject.as_deref() == Some(subject) && f.sequence == Some(sequence))
    }
}

#[derive(Default)]
struct Ear(Vec<Fault>);

impl Listener for Ear {
    fn fault(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    fn progress(&mut self, _: u64) {}
}

/// What a run of the simulation left behind: retries, forwarded inputs, letters, takeovers, twins.
pub fn installation(seed: u64) -> Remains {
    let options = Options { partitions: 1, requests: 12, actions: 2_000, ..Options::default() };
    remains(seed, &options).unwrap()
}

pub fn process(log: &MemoryLog) -> MemoryProcess {
    log.process(ProcessId(7))
}

/// The event stream of the first partition.
pub fn stream(of: &Remains) -> Vec<Record> {
    of.log.records(&Topic::Events, 0)
}

/// A log that holds these records as its event stream.
pub fn copy(records: &[Record]) -> MemoryProcess {
    let log = process(&MemoryLog::new(Clock::at(Timestamp(0)), 1));
    log.create_topics(&topic_plan(1, 1)).unwrap();
    let again = |record: &Record| {
        let Record { key, value, headers, .. } = record.clone();
        NewRecord { topic: Topic::Events, partition: Some(0), key, value, headers }
    };
    append(&log, records.iter().map(again).collect()).unwrap();
    log
}

pub fn verified(log: &dyn Log, events: &dyn Log, is_copy: bool, store: Option<&dyn Store>) -> Heard {
    let mut ear = Ear::default();
    let parts = Parts { log, events, is_copy, store, namespace: "orchestrator", partition: 0 };
    let report = verify(parts, &mut ear).unwrap();
    assert_eq!(report.faults, ear.0.len() as u64);
    Heard { faults: ear.0, report }
}

/// Verifies a copy of the stream against the journal and the tables of the installation.
pub fn verify_copy(of: &Remains, records: &[Record]) -> Heard {
    verified(&process(&of.log), &copy(records), true, Some(&of.store))
}

pub fn header<'a>(record: &'a Record, name: &str) -> &'a str {
    std::str::from_utf8(record.header(name).unwrap()).unwrap()
}

/// The subject and the number of the event that a record holds.
pub fn id(record: &Record) -> (String, u64) {
    let (subject, sequence) = header(record, "ce_id").rsplit_once('/').unwrap();
    (subject.to_owned(), sequence.parse().unwrap())
}

/// The same bytes with one bit of them turned.
pub fn flipped(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes.into()
}
