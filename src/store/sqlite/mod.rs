//! The store in one file, on SQLite: one machine, nothing to install, any number of processes beside the projector.

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
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlStr, SqliteConnection, SqlitePool};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections to the file, a thread each: the projector's, one for questions, one to spare.
const CONNECTIONS: u32 = 3;
/// How long to wait for another process's write to end, and for a connection of the pool.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(4);
/// Begins a batch. The lock for writing is taken at once, so that two writers queue instead of failing.
const BEGIN_WRITING: &str = "BEGIN IMMEDIATE";

/// Creates the file, readable for its owner alone, where it is not there: it holds what requests and agents said.
fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

// What the files of `sql/both` call them.
type SqlRow = SqliteRow;
type SqlStore = SqliteStore;
type SqlConnection = SqliteConnection;
type Question = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// The store on SQLite.
pub struct SqliteStore {
    // Before the runtime, so that it is dropped first.
    pool: SqlitePool,
    at: String,
    path: PathBuf,
    options: SqliteConnectOptions,
    blocking: Blocking,
}

impl SqliteStore {
    /// A store in a file, which is created with its folder where it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let at = format!("sqlite://{}", path.display());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|e| StoreError::Refused(format!("cannot create the folder {}: {e}", folder.display())))?;
        }
        private_file(path).map_err(|e| StoreError::Refused(format!("cannot create {}: {e}", path.display())))?;
        // In WAL mode with `synchronous=NORMAL` a power cut may lose the last commits, never tear them; the journal
        // has what they were made of.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(WAIT_FOR_OTHERS)
            .disable_statement_logging();
        let blocking = Blocking::new()?;
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(WAIT_FOR_OTHERS);
        let pool = {
            let _inside = blocking.enter();
            pool.connect_lazy_with(options.clone())
        };
        Ok(Self { pool, at, path: path.to_owned(), options, blocking })
    }

    /// Runs one operation on a connection.
    fn run<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        W: AsyncFnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    {
        let operation = async { work(&mut *self.pool.acquire().await?).await };
        self.blocking.wait(operation).map_err(|fault| fault.at(&self.at))
    }

    /// Runs questions that have to be answered from one moment.
    fn view<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        W: AsyncFnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    {
        self.run(async |connection| {
            let mut transaction = connection.begin().await?;
            let answer = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(answer)
        })
    }

    /// Asks a question and reads the rows of the answer.
    fn ask<T>(
        &self,
        question: Question,
        read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.run(async |connection| {
            let rows = question.fetch_all(connection).await?;
            Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
        })
    }
}

impl Store for SqliteStore {
    fn migrate(&self) -> Result<(), StoreError> {
        let migrator = migrator();
        self.run(async |connection| Ok(migrator.run(connection).await?))
    }

    fn position(&self, partition: u32) -> Result<Option<Position>, StoreError> {
        self.run(async |connection| position::read(connection, partition).await)
    }

    fn commit(&self, batch: &ProjectionBatch) -> Result<(), StoreError> {
        self.run(async |connection| {
            let mut transaction = connection.begin_with(BEGIN_WRITING).await?;
            write::batch(&mut transaction, batch).await?;
            Ok(transaction.commit().await?)
        })
    }

    fn snapshot(
        &self,
        partition: u32,
        ended_since: Timestamp,
        max_ended: usize,
    ) -> Result<Option<Snapshot>, StoreError> {
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

/// The migrations, in order; the files are part of the program.
fn migrator() -> Migrator {
    let migration = |version, name: &'static str, text| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(text), false)
    };
    let all = vec![
        migration(1, "projections", include_str!("../../../migrations/sqlite/0001_projections.sql")),
        migration(2, "dead letters", include_str!("../../../migrations/sqlite/0002_dead_letters.sql")),
        migration(3, "workflow offsets", include_str!("../../../migrations/sqlite/0003_workflow_offsets.sql")),
        migration(4, "usage", include_str!("../../../migrations/sqlite/0004_usage.sql")),
        migration(5, "generation", include_str!("../../../migrations/sqlite/0005_generation.sql")),
        migration(6, "carried outputs", include_str!("../../../migrations/sqlite/0006_carried_outputs.sql")),
    ];
    let mut migrator = Migrator::with_migrations(all);
    migrator.dangerous_set_table_name("orchestrator_migrations");
    migrator
}
