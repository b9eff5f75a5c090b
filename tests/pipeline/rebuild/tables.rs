//! The tables of an installation, raw.

use crate::support::{Installation, Leg, until};
use orchestrator::log::Topic;
use orchestrator::store::rebuild::{POSITIONS, RUN_OFFSETS, TABLES, WORKFLOW_OFFSETS};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::{Offset, TopicPartitionList};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

/// The rows of each table, as texts, in order.
pub type Tables = BTreeMap<&'static str, Vec<String>>;

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(future)
}

/// All tables and the positions. Of offsets, a row holds all of a run or a workflow: how many the projector wrote at
/// once is chance. Which making of the tables it is, is another number each time.
pub fn dump(at: &Installation) -> Tables {
    let names = TABLES.map(|table| table.name).into_iter().chain([POSITIONS]);
    names.map(|name| (name, rows(at, name))).collect()
}

fn rows(at: &Installation, table: &str) -> Vec<String> {
    let joined = match at.leg() {
        Leg::Kafka => "string_agg(trim('{}' FROM offsets::text), ',' ORDER BY first_offset)",
        Leg::Embedded => "group_concat(trim(offsets, '[]'), ',' ORDER BY first_offset)",
    };
    let from = match table {
        RUN_OFFSETS => format!("(SELECT run_id, {joined} AS offsets FROM {table} GROUP BY run_id)"),
        WORKFLOW_OFFSETS => {
            let keys = "partition, workflow_id";
            format!("(SELECT {keys}, {joined} AS offsets FROM {table} GROUP BY {keys})")
        }
        _ => table.to_owned(),
    };
    let mut rows = wait(async {
        match at.leg() {
            Leg::Kafka => {
                let mut connection = PgConnection::connect(at.store_url()).await.unwrap();
                let row =
                    if table == POSITIONS { "(to_jsonb(t) - 'generation')::text" } else { "row_to_json(t)::text" };
                let rows = format!("SELECT {row} AS row FROM {from} t");
                let rows = sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>()
            }
            Leg::Embedded => {
                let mut connection = SqliteConnection::connect(at.store_url()).await.unwrap();
                let columns =
                    format!("SELECT name FROM pragma_table_info('{table}') WHERE name <> 'generation' ORDER BY cid");
                let columns = sqlx::query(AssertSqlSafe(columns)).fetch_all(&mut connection).await.unwrap();
                let columns = columns.iter().map(|row| row.get::<String, _>(0));
                let quoted: Vec<String> = columns
                    .filter(|name| {
                        from == table || ["partition", "workflow_id", "run_id", "offsets"].contains(&&**name)
                    })
                    .map(|name| format!("quote({name})"))
                    .collect();
                let rows = format!("SELECT json_array({}) FROM {from}", quoted.join(", "));
                let rows = sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| row.get::<String, _>(0)).collect()
            }
        }
    });
    rows.sort();
    rows
}

/// Both are the same; else the first rows that are not.
#[track_caller]
pub fn assert_same(before: &Tables, after: &Tables) {
    for (table, rows) in before {
        let (missing, more): (Vec<_>, Vec<_>) = (
            rows.iter().filter(|row| !after[table].contains(row)).take(3).collect(),
            after[table].iter().filter(|row| !rows.contains(row)).take(3).collect(),
        );
        assert_eq!(rows, &after[table], "{table}: {missing:#?} became {more:#?}");
    }
}

/// How long nothing comes before the journal is taken to rest: more than an engine takes to say what it has performed.
const REST: Duration = Duration::from_secs(2);

/// Waits until the whole journal is in the tables.
pub fn projected(at: &Installation) {
    // A step may follow whose only news is that effects were performed: nothing has come for a while.
    let mut since: Option<(Vec<u64>, Instant)> = None;
    until("the journal is in the tables, and rests", || {
        let positions = at.store().query().positions().unwrap();
        let end = |partition: u32| at.log().ends(&Topic::Journal, partition).unwrap().high;
        let ends: Vec<u64> = (0..crate::support::PARTITIONS).map(end).collect();
        let is_there = |(partition, end): (u32, &u64)| {
            let found = positions.iter().find(|(of, _)| *of == partition);
            found.map_or(0, |(_, position)| position.next_offset) == *end
        };
        if !(0..).zip(&ends).all(is_there) || since.as_ref().is_none_or(|(before, _)| *before != ends) {
            since = Some((ends, Instant::now()));
            return None;
        }
        since.as_ref().is_some_and(|(_, since)| since.elapsed() > REST).then_some(())
    });
}

/// Somebody at work in the database beside the orchestrator.
pub struct Other {
    runtime: tokio::runtime::Runtime,
    connection: Client,
}

enum Client {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Other {
    pub fn new(at: &Installation) -> Self {
        Self::of(at.leg(), at.store_url())
    }

    /// In another database.
    pub fn of(leg: Leg, url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            match leg {
                Leg::Kafka => Client::Postgres(PgConnection::connect(url).await.unwrap()),
                Leg::Embedded => Client::Sqlite(SqliteConnection::connect(url).await.unwrap()),
            }
        });
        Self { runtime, connection }
    }

    /// Runs statements.
    pub fn run(&mut self, statements: &str) {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        self.runtime.block_on(async {
            match &mut self.connection {
                Client::Postgres(connection) => drop(connection.execute(statements).await.unwrap()),
                Client::Sqlite(connection) => drop(connection.execute(statements).await.unwrap()),
            }
        });
    }

    /// The number that a question answers with.
    pub fn number(&mut self, question: &str) -> i64 {
        let question = AssertSqlSafe(question);
        self.runtime.block_on(async {
            match &mut self.connection {
                Client::Postgres(connection) => sqlx::query_scalar(question).fetch_one(connection).await.unwrap(),
                Client::Sqlite(connection) => sqlx::query_scalar(question).fetch_one(connection).await.unwrap(),
            }
        })
    }

    /// The texts that a question to Postgres answers with.
    pub fn texts(&mut self, question: &str) -> Vec<String> {
        let Client::Postgres(connection) = &mut self.connection else { panic!("a question to Postgres") };
        let rows = self.runtime.block_on(sqlx::query(AssertSqlSafe(question)).fetch_all(connection)).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Keeps a table in use until [`Other::lets_go`].
    pub fn holds(&mut self, table: &str) {
        match self.connection {
            Client::Postgres(_) => self.run(&format!("BEGIN; LOCK TABLE {table} IN ACCESS SHARE MODE")),
            Client::Sqlite(_) => self.run(&format!("BEGIN IMMEDIATE; DELETE FROM {table} WHERE 1 = 0")),
        }
    }

    pub fn lets_go(&mut self) {
        self.run("ROLLBACK");
    }
}

/// Removes the records of a partition below an offset.
pub fn remove_below(at: &Installation, topic: &Topic, partition: u32, offset: u64) {
    let name = format!("{}.{topic}", at.namespace());
    match at.leg() {
        Leg::Kafka => {
            let mut config = rdkafka::ClientConfig::new();
            let admin: AdminClient<_> = config.set("bootstrap.servers", at.brokers()).create().unwrap();
            let mut below = TopicPartitionList::new();
            let offset = Offset::Offset(offset.cast_signed());
            below.add_partition_offset(&name, partition.cast_signed(), offset).unwrap();
            wait(admin.delete_records(&below, &AdminOptions::new())).unwrap();
        }
        Leg::Embedded => wait(async {
            let log = format!("sqlite://{}/log.db", at.folder().display());
            let mut connection = SqliteConnection::connect(&log).await.unwrap();
            let remove = format!(
                "DELETE FROM log_records WHERE topic = (SELECT id FROM log_topics WHERE name = '{name}') AND \
                 part = {partition} AND pos < {offset}; UPDATE log_partitions SET low = {offset} WHERE \
                 topic = (SELECT id FROM log_topics WHERE name = '{name}') AND part = {partition}"
            );
            connection.execute(sqlx::raw_sql(AssertSqlSafe(remove))).await.unwrap();
        }),
    }
}
