//! How fast tables are made anew from the journal and held against it, and beside it the bound: the same rows by `COPY`
//! alone.

use super::setup::{Installation, Roles, Services};
use super::{PARTITIONS, clients, goal, say, wait};
use anyhow::{Context, Result};
use orchestrator::store;
use orchestrator::store::rebuild::{POSITIONS, TABLES};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{AssertSqlSafe, Executor, PgPool, Row};
use std::time::{Duration, Instant};

pub const WORKFLOWS: usize = 30_000;
/// Nodes of each, one after another: some 35 events.
const NODES: usize = 10;
/// Of the input, and so of each output.
const PAYLOAD_BYTES: usize = 200;
/// Nothing takes longer.
pub const STUCK: Duration = Duration::from_secs(300);
const EVENTS_PER_SECOND: f64 = 20_000.0;
/// How often the rebuild is measured; the middle one counts.
const ROUNDS: usize = 3;

pub fn measure(services: &Services) -> Result<()> {
    say(&format!("rebuild: {WORKFLOWS} workflows of {NODES} nodes are run, then all tables are made anew"));
    let installation = Installation::make(services, "rebuild", PARTITIONS, &[("chain", chain())])?;
    live(&installation)?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (began, done) = (Instant::now(), installation.run(&["rebuild", "--output", "json"])?);
        let done: Value = serde_json::from_str(&done)?;
        rounds.push((began.elapsed(), done));
    }
    rounds.sort_by_key(|(took, _)| *took);
    let (took, done) = rounds.swap_remove(ROUNDS / 2);
    let began = Instant::now();
    installation.run(&["replay", "--all", "--verify"])?;
    let verified = began.elapsed();
    let bound = bound(&installation)?;
    report(took, &done, verified, &bound);
    Ok(())
}

/// Runs all workflows, until they are in the tables.
pub fn live(installation: &Installation) -> Result<()> {
    let _roles = Roles::start(installation, &["engine", "projector", "worker"])?;
    let producer = ask(installation)?;
    let pool = Database::open(installation)?;
    let ended = "SELECT COUNT(*) FROM orchestrator_workflow_states WHERE ended_at IS NOT NULL";
    wait::until("all workflows have ended", STUCK, || {
        producer.poll(Duration::ZERO);
        std::thread::sleep(Duration::from_millis(500));
        Ok((pool.number(ended)? == WORKFLOWS as i64).then_some(()))
    })?;
    Ok(())
}

/// Asks for all workflows.
pub fn ask(installation: &Installation) -> Result<BaseProducer> {
    let producer = clients::producer(installation.services.brokers())?;
    let requests = installation.topic("requests");
    let value = json!({ "definition": "chain", "input": { "text": "x".repeat(PAYLOAD_BYTES) } }).to_string();
    for number in 0..WORKFLOWS {
        let key = format!("w{number}");
        let mut record = BaseRecord::to(&requests).key(&key).payload(&value);
        while let Err((_, again)) = producer.send(record) {
            producer.poll(Duration::from_millis(1));
            record = again;
        }
    }
    producer.flush(STUCK)?;
    Ok(producer)
}

/// What loading the same rows takes.
struct Bound {
    rows: u64,
    bytes: usize,
    copy: Duration,
    indexes: Duration,
}

/// Takes the rows out of the tables, and copies them into others that are like them and empty; then the indexes.
fn bound(installation: &Installation) -> Result<Bound> {
    let database = Database::open(installation)?;
    database.run("DROP SCHEMA IF EXISTS bound CASCADE; CREATE SCHEMA bound")?;
    let mut bound = Bound { rows: 0, bytes: 0, copy: Duration::ZERO, indexes: Duration::ZERO };
    let names = TABLES.map(|table| table.name).into_iter().chain([POSITIONS]);
    for name in names.clone() {
        database.run(&format!("CREATE TABLE bound.{name} (LIKE {name})"))?;
        let rows = database.copy_out(name)?;
        bound.bytes += rows.len();
        let began = Instant::now();
        bound.rows += database.copy_in(name, &rows)?;
        bound.copy += began.elapsed();
    }
    for name in names {
        for index in database
            .texts(&format!("SELECT indexdef FROM pg_indexes WHERE tablename = '{name}' AND schemaname = 'public'"))?
        {
            let index = index.replacen(" ON public.", " ON bound.", 1);
            let began = Instant::now();
            database.run(&format!("SET maintenance_work_mem = '256MB'; {index}"))?;
            bound.indexes += began.elapsed();
        }
    }
    database.run("DROP SCHEMA bound CASCADE")?;
    Ok(bound)
}

/// A connection and what it runs on.
pub struct Database {
    pool: PgPool,
    runtime: tokio::runtime::Runtime,
}

impl Database {
    pub fn open(installation: &Installation) -> Result<Self> {
        // As a store is opened: the address is the same.
        store::open(&installation.store_url).context("the store")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let pool = runtime.block_on(PgPool::connect(&installation.store_url))?;
        Ok(Self { pool, runtime })
    }

    fn run(&self, statements: &str) -> Result<()> {
        self.runtime.block_on(self.pool.execute(sqlx::raw_sql(AssertSqlSafe(statements))))?;
        Ok(())
    }

    pub fn number(&self, question: &str) -> Result<i64> {
        Ok(self.runtime.block_on(sqlx::query_scalar(AssertSqlSafe(question)).fetch_one(&self.pool))?)
    }

    fn texts(&self, question: &str) -> Result<Vec<String>> {
        let rows = self.runtime.block_on(sqlx::query(AssertSqlSafe(question)).fetch_all(&self.pool))?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }

    fn copy_out(&self, table: &str) -> Result<Vec<u8>> {
        self.runtime.block_on(async {
            let mut connection = self.pool.acquire().await?;
            let mut stream = connection.copy_out_raw(&format!("COPY {table} TO STDOUT (FORMAT binary)")).await?;
            let mut rows = Vec::new();
            while let Some(part) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
                rows.extend_from_slice(&part?);
            }
            Ok(rows)
        })
    }

    fn copy_in(&self, table: &str, rows: &[u8]) -> Result<u64> {
        self.runtime.block_on(async {
            let statement = format!("COPY bound.{table} FROM STDIN (FORMAT binary)");
            let mut copy = self.pool.copy_in_raw(&statement).await?;
            copy.send(rows).await?;
            Ok(copy.finish().await?)
        })
    }
}

fn report(took: Duration, done: &Value, verified: Duration, bound: &Bound) {
    let events = done["events"].as_f64().unwrap_or(0.0);
    let seconds = |name: &str| done["seconds"][name].as_f64().unwrap_or(0.0);
    let row = |name: &str, seconds: f64| println!("{name:44} {seconds:8.2} {:12.0}", events / seconds.max(0.001));
    println!(
        "\n{events:.0} events of {WORKFLOWS} workflows in {} journal records; {} rows, {:.0} MB ({PARTITIONS} partitions)\n",
        done["journal_records"],
        bound.rows,
        bound.bytes as f64 / 1e6
    );
    println!("{:44} {:>8} {:>12}", "", "s", "events/s");
    row("rebuild, the whole command", took.as_secs_f64());
    row("  reading, folding, loading", seconds("loading"));
    row("  indexes", seconds("indexes"));
    row("  swapping and comparing", seconds("swapping"));
    row("replay --all --verify", verified.as_secs_f64());
    row("bound: COPY of the same rows", bound.copy.as_secs_f64());
    row("bound: the same, and its indexes", (bound.copy + bound.indexes).as_secs_f64());
    println!("\nrows that differed: {}", done["differing_rows"]);
    goal("rebuild-events-per-second", events / took.as_secs_f64(), EVENTS_PER_SECOND, true);
}

/// The definition of the workflows.
pub fn chain() -> Value {
    let node = |i: usize| {
        let dependencies: Vec<String> = i.checked_sub(1).map(|before| format!("n{before}")).into_iter().collect();
        json!({ "node_id": format!("n{i}"), "agent_name": "echo", "dependencies": dependencies, "input": "request" })
    };
    json!({ "name": "chain", "nodes": (0..NODES).map(node).collect::<Vec<_>>() })
}
