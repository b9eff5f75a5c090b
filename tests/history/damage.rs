//! An installation after some faults, and copies of its event stream that are not as they should be.

use bytes::Bytes;
use orchestrator::core::time::Timestamp;
use orchestrator::history::verify::{Fault, Kind, Known, Listener, Parts, Report, Rest, verify, verify_rest};
use orchestrator::installation::records::append;
use orchestrator::log::memory::{Clock, MemoryLog, MemoryProcess, ProcessId};
use orchestrator::log::plan::topic_plan;
use orchestrator::log::sqlite::SqliteLog;
use orchestrator::log::{Log, NewRecord, Record, Topic};
use orchestrator::simulation::{Options, Remains, remains};
use orchestrator::store::row::ProjectionBatch;
use orchestrator::store::{Position, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};

/// What a verification says.
pub struct Heard {
    pub faults: Vec<Fault>,
    pub report: Report,
    pub rest: Rest,
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
    let mut known = Known::default();
    let report = verify(parts, &mut known, &mut ear).unwrap();
    let rest = store.map(|store| verify_rest(log, store, 1, &mut known, &mut ear).unwrap()).unwrap_or_default();
    assert_eq!(report.faults + rest.faults, ear.0.len() as u64);
    Heard { faults: ear.0, report, rest }
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

/// A batch that moves nothing but what it carries.
pub fn batch(of: &Remains, change: impl FnOnce(&mut ProjectionBatch)) {
    let position: Position = of.store.position(0).unwrap().unwrap();
    let mut batch = ProjectionBatch {
        partition: 0,
        expected: Some(position.clone()),
        next: position,
        runs: vec![],
        carried: vec![],
        results: vec![],
        operations: vec![],
        errors: vec![],
        letters: vec![],
        handled: vec![],
        metrics: vec![],
        offsets: vec![],
        workflow_offsets: vec![],
    };
    change(&mut batch);
    of.store.commit(&batch).unwrap();
}

/// Journal and event stream of an installation in a file, where their first records can be taken away.
pub struct OnDisk {
    folder: tempfile::TempDir,
}

impl OnDisk {
    pub fn of(of: &Remains, stream: &[Record]) -> Self {
        let on_disk = Self { folder: tempfile::tempdir().unwrap() };
        let log = on_disk.log();
        log.create_topics(&topic_plan(1, 1)).unwrap();
        for (topic, records) in [(Topic::Journal, &of.log.records(&Topic::Journal, 0)[..]), (Topic::Events, stream)] {
            let again = |record: &Record| {
                let Record { key, value, headers, .. } = record.clone();
                NewRecord { topic: topic.clone(), partition: Some(0), key, value, headers }
            };
            append(&log, records.iter().map(again).collect()).unwrap();
        }
        on_disk
    }

    pub fn log(&self) -> SqliteLog {
        SqliteLog::open_apart(&self.folder.path().join("log.db"), "orchestrator").unwrap()
    }

    /// Takes away what stands below an offset.
    pub fn cut(&self, topic: &Topic, offset: u64) {
        let of = format!("topic = (SELECT id FROM log_topics WHERE name = 'orchestrator.{topic}') AND part = 0");
        let remove = format!(
            "DELETE FROM log_records WHERE {of} AND pos < {offset}; UPDATE log_partitions SET low = {offset} WHERE {of}"
        );
        let url = format!("sqlite://{}/log.db", self.folder.path().display());
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            connection.execute(sqlx::raw_sql(AssertSqlSafe(remove))).await.unwrap();
        });
    }
}
