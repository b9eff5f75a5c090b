//! The store on Postgres.

#[path = "../sql/both/ask.rs"]
#[allow(clippy::duplicate_mod, reason = "the same text for both drivers, see `sql`")]
mod ask;
mod letters;
#[path = "../sql/both/position.rs"]
#[allow(clippy::duplicate_mod, reason = "the same text for both drivers, see `sql`")]
mod position;
mod rebuild;
#[path = "../sql/both/several.rs"]
#[allow(clippy::duplicate_mod, reason = "the same text for both drivers, see `sql`")]
mod several;
mod write;

use super::query::Query;
use super::rebuild::Rebuild;
use super::row::ProjectionBatch;
use super::sql::blocking::Blocking;
use super::sql::fault::Fault;
use super::{Position, Snapshot, Store, StoreError};
use crate::core::time::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, SqlStr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Connections to the database: the projector's, one for questions, one to spare.
const CONNECTIONS: u32 = 3;
/// How long a connection may take to come up. Under 5 s, so that an absent database is noticed soon.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How long one operation may take on a connection that is up. The largest batches take some seconds on a slow disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a migration may take: it may wait for another process's.
const MIGRATE_WITHIN: Duration = Duration::from_secs(120);
/// Begins a batch. Losing its commit in a crash of the database loses rows and position together, and the log has
/// what they were made of.
const BEGIN_WRITING: &str = "BEGIN; SET LOCAL synchronous_commit = off";
/// Begins a view of one moment.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

// What the files of `sql/both` call them.
type SqlRow = PgRow;
type SqlStore = PostgresStore;
type SqlConnection = PgConnection;
type Question = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

/// The store on Postgres.
pub struct PostgresStore {
    // Before the runtime, so that it is dropped first.
    pool: PgPool,
    at: String,
    blocking: Blocking,
    options: PgConnectOptions,
    /// Whether batches are loaded into tables that are being made anew.
    loading: AtomicBool,
}

impl PostgresStore {
    /// A store at `postgres://user:password@host:port/database`. Connects when it is first used.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let at = crate::core::mask::url(url);
        let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| {
            let expected = "expected postgres://user:password@host:port/database";
            StoreError::Refused(format!("{at} is no address of a database ({error}); {expected}"))
        })?;
        let options = options.application_name("orchestrator").disable_statement_logging();
        Self::with(options, at, None)
    }

    /// A store in a schema; none: in the one that the server chooses for this user.
    fn with(options: PgConnectOptions, at: String, schema: Option<String>) -> Result<Self, StoreError> {
        let blocking = Blocking::new()?;
        let mut pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT_WITHIN);
        if let Some(schema) = schema {
            pool = pool.after_connect(move |connection, _| {
                let choose = sqlx::query("SELECT set_config('search_path', quote_ident($1), false)");
                let choose = choose.bind(schema.clone());
                Box::pin(async move { choose.execute(connection).await.map(drop) })
            });
        }
        let pool = {
            let _inside = blocking.enter();
            pool.connect_lazy_with(options.clone())
        };
        Ok(Self { pool, at, blocking, options, loading: AtomicBool::new(false) })
    }

    /// Runs one operation on a connection, within a limit. A connection that does not answer is given up.
    fn run<T, W>(&self, limit: Duration, work: W) -> Result<T, StoreError>
    where
        W: AsyncFnOnce(&mut PgConnection) -> Result<T, Fault>,
    {
        let operation = async {
            let mut connection = self.pool.acquire().await?;
            match tokio::time::timeout(limit, work(&mut connection)).await {
                Ok(result) => result,
                Err(_) => {
                    drop(connection.detach());
                    let reason = format!("no answer within {} s", limit.as_secs());
                    Err(StoreError::Unreachable { at: self.at.clone(), reason }.into())
                }
            }
        };
        self.blocking.wait(operation).map_err(|fault| fault.at(&self.at))
    }
}

impl Store for PostgresStore {
    fn migrate(&self) -> Result<(), StoreError> {
        let migrator = migrator();
        self.run(MIGRATE_WITHIN, async |connection| Ok(migrator.run(connection).await?))
    }

    fn position(&self, partition: u32) -> Result<Option<Position>, StoreError> {
        self.run(ANSWER_WITHIN, async |connection| position::read(connection, partition).await)
    }

    fn commit(&self, batch: &ProjectionBatch) -> Result<(), StoreError> {
        self.run(ANSWER_WITHIN, async |connection| {
            let mut transaction = connection.begin_with(BEGIN_WRITING).await?;
            if self.loading.load(Ordering::Relaxed) {
                rebuild::load::batch(&mut transaction, batch).await?;
            } else {
                write::batch(&mut transaction, batch).await?;
            }
            Ok(transaction.commit().await?)
        })
    }

    fn snapshot(
        &self,
        partition: u32,
        ended_since: Timestamp,
        max_ended: usize,
    ) -> Result<Option<Snapshot>, StoreError> {
        if self.loading.load(Ordering::Relaxed) {
            self.run(Duration::MAX, async |connection| rebuild::load::prune(connection, partition).await)?;
        }
        self.view(async |connection| ask::snapshot(connection, partition, ended_since, max_ended).await)
    }

    fn rebuild(&self, fresh: bool) -> Result<Box<dyn Rebuild + '_>, StoreError> {
        rebuild::begin(self, fresh)
    }

    fn query(&self) -> &dyn Query {
        self
    }

    fn describe(&self) -> String {
        self.at.clone()
    }
}

impl PostgresStore {
    /// Runs questions that have to be answered from one moment.
    fn view<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        W: AsyncFnOnce(&mut PgConnection) -> Result<T, Fault>,
    {
        self.run(ANSWER_WITHIN, async |connection| {
            let mut transaction = connection.begin_with(BEGIN_READING).await?;
            let answer = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(answer)
        })
    }

    /// Asks a question and reads the rows of the answer.
    fn ask<T>(&self, question: Question, read: impl Fn(&PgRow) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
        self.run(ANSWER_WITHIN, async |connection| {
            let rows = question.fetch_all(connection).await?;
            Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
        })
    }
}

/// The migrations, in order; the files are part of the program.
fn migrator() -> Migrator {
    let migration = |version, name: &'static str, text| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(text), false)
    };
    let all = vec![
        migration(1, "projections", include_str!("../../../migrations/postgres/0001_projections.sql")),
        migration(2, "dead letters", include_str!("../../../migrations/postgres/0002_dead_letters.sql")),
        migration(3, "retries", include_str!("../../../migrations/postgres/0003_retries.sql")),
        migration(4, "failure handling", include_str!("../../../migrations/postgres/0004_failure_handling.sql")),
        migration(5, "workflow offsets", include_str!("../../../migrations/postgres/0005_workflow_offsets.sql")),
        migration(6, "usage", include_str!("../../../migrations/postgres/0006_usage.sql")),
        migration(7, "generation", include_str!("../../../migrations/postgres/0007_generation.sql")),
        migration(8, "carried outputs", include_str!("../../../migrations/postgres/0008_carried_outputs.sql")),
    ];
    let mut migrator = Migrator::with_migrations(all);
    // The database may be shared with others that use sqlx.
    migrator.dangerous_set_table_name("orchestrator_migrations");
    migrator
}
