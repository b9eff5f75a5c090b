//! An installation of its own for each test: on Kafka a namespace and a database, embedded a folder.

use super::process::{End, Process, run};
use super::stream::Stream;
use bytes::Bytes;
use orchestrator::core::partition::partition_of;
use orchestrator::log::kafka::{KafkaLog, KafkaSettings};
use orchestrator::log::sqlite::SqliteLog;
use orchestrator::log::{Appender, Header, Log, NewRecord, Purpose, Topic};
use orchestrator::store::{self, Store};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// How many partitions these installations have.
pub const PARTITIONS: u32 = 4;

/// What an installation stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// Kafka and Postgres.
    Kafka,
    /// Two SQLite files in a folder.
    Embedded,
}

impl Leg {
    /// Both, without Kafka where there are no services (`ORCHESTRATOR_TEST_WITHOUT_SERVICES=1`).
    pub fn all() -> Vec<Leg> {
        let without = std::env::var("ORCHESTRATOR_TEST_WITHOUT_SERVICES").is_ok_and(|flag| flag == "1");
        if without { vec![Self::Embedded] } else { vec![Self::Embedded, Self::Kafka] }
    }
}

/// A variable that `scripts/test` sets.
fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; `scripts/test --only pipeline` sets it"))
}

/// The Python of the virtual environment with the clients.
pub fn python() -> String {
    service("ORCHESTRATOR_TEST_PYTHON")
}

/// `scripts/services COMMAND`, e.g. `stop-kafka`.
pub fn services(command: &str) {
    let mut line = Command::new(service("ORCHESTRATOR_TEST_SERVICES"));
    line.arg(command);
    let end = run(line, b"");
    assert_eq!(end.code, 0, "services {command}: {end:?}");
}

/// An installation and what belongs to it.
pub struct Installation {
    leg: Leg,
    namespace: String,
    folder: TempDir,
    brokers: String,
    database: String,
    log: Arc<dyn Log>,
    publisher: Mutex<Box<dyn Appender>>,
}

impl Installation {
    /// A new one, with its topics and tables.
    pub fn new(leg: Leg) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let namespace = format!("test-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let (brokers, database) = match leg {
            Leg::Kafka => (service("ORCHESTRATOR_TEST_KAFKA"), new_database(&namespace)),
            Leg::Embedded => (String::new(), format!("sqlite://{}/store.db", folder.path().display())),
        };
        let log: Arc<dyn Log> = match leg {
            Leg::Kafka => Arc::new(kafka(&brokers, &namespace)),
            Leg::Embedded => Arc::new(SqliteLog::open(&folder.path().join("log.db"), &namespace).expect("a log")),
        };
        let publisher = Mutex::new(log.appender(Purpose::Client).expect("an appender"));
        let installation = Self { leg, namespace, folder, brokers, database, log, publisher };
        installation.run(&["init", "--partitions", &PARTITIONS.to_string()]).expect(0);
        installation
    }

    /// The program, told where this installation is and nothing else.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("ORCHESTRATOR_NAMESPACE", &self.namespace);
        command.env("ORCHESTRATOR_HTTP_ADDRESS", "off").env("ORCHESTRATOR_STRUCTURED_LOGGING", "false");
        match self.leg {
            Leg::Kafka => command
                .env("ORCHESTRATOR_LOG_URL", format!("kafka://{}", self.brokers))
                .env("ORCHESTRATOR_STORE_URL", &self.database),
            Leg::Embedded => command.env("ORCHESTRATOR_DATA", self.folder.path()),
        };
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> End {
        run(self.command(arguments), b"")
    }

    /// Runs another program to its end, with the namespace in its environment.
    pub fn run_other(&self, program: &str, arguments: &[&str], input: &[u8]) -> End {
        let mut command = Command::new(program);
        command.args(arguments).env("ORCHESTRATOR_NAMESPACE", &self.namespace);
        run(command, input)
    }

    /// Applies a definition.
    pub fn apply(&self, definition: &str) {
        run(self.command(&["definitions", "apply", "-"]), definition.as_bytes()).expect(0);
    }

    /// Starts the program in the background.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Process {
        self.start_command(self.command(arguments), name)
    }

    /// Starts a command in the background.
    pub fn start_command(&self, command: Command, name: &str) -> Process {
        Process::start(command, self.folder.path(), name)
    }

    /// Starts everything in one process: `serve` on Kafka, `dev` embedded.
    pub fn serve(&self) -> Process {
        self.start("serve", &[self.verb()])
    }

    /// The verb that starts everything.
    pub fn verb(&self) -> &'static str {
        match self.leg {
            Leg::Kafka => "serve",
            Leg::Embedded => "dev",
        }
    }

    /// What it stands on.
    pub fn leg(&self) -> Leg {
        self.leg
    }

    /// A folder of its own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What every topic's name begins with.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where the Kafka is.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Where the store is.
    pub fn store_url(&self) -> &str {
        &self.database
    }

    /// The store, opened anew.
    pub fn store(&self) -> Arc<dyn Store> {
        store::open(&self.database).expect("the store opens")
    }

    /// Runs statements in its Postgres.
    pub fn sql(&self, statements: &str) {
        sql(&self.database, statements);
    }

    /// The log, as a client has it.
    pub fn log(&self) -> &dyn Log {
        self.log.as_ref()
    }

    /// Reads a topic from its start.
    pub fn stream(&self, topic: Topic) -> Stream {
        Stream::new(self.log.as_ref(), topic)
    }

    /// The partition that a workflow lives in.
    pub fn home(&self, workflow_id: &str) -> u32 {
        partition_of(workflow_id.as_bytes(), PARTITIONS)
    }

    /// Publishes a record; where it stands.
    pub fn publish(&self, record: NewRecord) -> (u32, u64) {
        self.publish_all(vec![record])[0]
    }

    /// Publishes records; where they stand, in order.
    pub fn publish_all(&self, records: Vec<NewRecord>) -> Vec<(u32, u64)> {
        let mut appender = self.publisher.lock().unwrap();
        let (wanted, mut places) = (records.len(), BTreeMap::new());
        for (token, record) in records.into_iter().enumerate() {
            appender.append(record, token as u64).expect("the record is taken");
        }
        super::until("the records are confirmed", || {
            let mut acks = Vec::new();
            appender.poll(&mut acks);
            places.extend(acks.into_iter().map(|ack| (ack.token, ack.result.expect("the record is confirmed"))));
            (places.len() == wanted).then_some(())
        });
        places.into_values().collect()
    }

    /// Publishes a request under its id, in its partition; where it stands.
    pub fn request(&self, workflow_id: &str, definition: &str, input: &Value) -> (u32, u64) {
        self.request_with(workflow_id, definition, input, vec![])
    }

    /// Publishes a request with headers.
    pub fn request_with(&self, workflow_id: &str, definition: &str, input: &Value, headers: Vec<Header>) -> (u32, u64) {
        let body = serde_json::json!({ "definition": definition, "input": input });
        self.publish(NewRecord {
            topic: Topic::Requests,
            partition: Some(self.home(workflow_id)),
            key: Some(Bytes::copy_from_slice(workflow_id.as_bytes())),
            value: Some(Bytes::from(body.to_string())),
            headers,
        })
    }

    /// Lets the checker in Python judge the whole installation: topics raw, tables, and whether they agree. Asks
    /// again while the store is behind the log.
    pub fn judge(&self, workflows: usize) -> Value {
        let mut last = None;
        for _ in 0..20 {
            let end = self.check(workflows);
            if end.code == 0 {
                return end.json();
            }
            last = Some(end);
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("the installation is not as it should be: {}", last.map_or_else(String::new, |end| end.stderr));
    }

    fn check(&self, workflows: usize) -> End {
        let checker = repository().join("tests/python/check.py");
        let mut command = Command::new(python());
        command.arg(checker).arg("--schemas").arg(repository().join("schemas"));
        command.args(["--namespace", &self.namespace, "--workflows", &workflows.to_string()]);
        match self.leg {
            Leg::Kafka => command.args(["--kafka", &self.brokers, "--store", &self.database]),
            Leg::Embedded => command.arg("--data").arg(self.folder.path()),
        };
        run(command, b"")
    }
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

impl Drop for Installation {
    fn drop(&mut self) {
        if self.leg == Leg::Kafka && !std::thread::panicking() {
            let (server, drop) =
                (service("ORCHESTRATOR_TEST_POSTGRES"), format!("DROP DATABASE {:?} WITH (FORCE)", self.namespace));
            // An autovacuum worker may be in it, which only a superuser may send away.
            super::until("its database is dropped", || try_sql(&server, &drop).ok());
        }
    }
}

fn kafka(brokers: &str, namespace: &str) -> KafkaLog {
    KafkaLog::connect(KafkaSettings {
        brokers: brokers.to_owned(),
        namespace: namespace.to_owned(),
        client_id: "test".to_owned(),
        journal_timeout: Duration::from_secs(10),
        properties: BTreeMap::new(),
    })
    .expect("the settings are right")
}

/// A database with this name; its address.
fn new_database(name: &str) -> String {
    let server = service("ORCHESTRATOR_TEST_POSTGRES");
    sql(&server, &format!("CREATE DATABASE {name:?}"));
    let (base, _) = server.rsplit_once('/').expect("the address names a database");
    format!("{base}/{name}")
}

fn sql(url: &str, statement: &str) {
    try_sql(url, statement).expect("the statement is run");
}

fn try_sql(url: &str, statement: &str) -> Result<(), sqlx::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await.expect("Postgres answers");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.map(drop)
    })
}
