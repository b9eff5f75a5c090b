//! Making the tables anew: in a file of their own beside the live one, from which they are copied into the live one's
//! place in one transaction. Readers see what was until its end; writers wait.

use super::{SqliteStore, WAIT_FOR_OTHERS, private_file};
use crate::store::rebuild::{Change, Compared, Held, POSITIONS, Rebuild, Table, Which, comparison, new_generation};
use crate::store::sql::fault::Fault;
use crate::store::sql::{read, statements};
use crate::store::{Position, STATE_FORMAT, Store, StoreError};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row, SqliteConnection};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::warn;

/// Which offsets a row of offsets holds, over all rows of a run or a workflow.
const PLACES: &str = "group_concat(trim(offsets, '[]'), ',' ORDER BY first_offset)";
/// A statement that takes the lock for writing of the live file, and not that of the attached one.
const LOCK: &str = "BEGIN; DELETE FROM main.orchestrator_migrations WHERE 1 = 0";

/// A rebuild under way.
pub struct SqliteRebuild<'a> {
    live: &'a SqliteStore,
    shadow: Arc<SqliteStore>,
    goes_on: bool,
    /// Keeps a second rebuild out as long as it is open.
    _alone: File,
}

/// Begins.
pub fn begin(live: &SqliteStore, fresh: bool) -> Result<Box<dyn Rebuild + '_>, StoreError> {
    let path = beside(&live.path, ".rebuild");
    let alone = alone(live, &beside(&live.path, ".rebuild.lock"))?;
    let left = if fresh || !path.exists() { None } else { left(live, &path) };
    let goes_on = left.is_some();
    let shadow = match left {
        Some(shadow) => shadow,
        None => {
            remove(&path)?;
            make(&path)?
        }
    };
    Ok(Box::new(SqliteRebuild { live, shadow: Arc::new(shadow), goes_on, _alone: alone }))
}

/// The path with something added to the file's name.
fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

fn alone(live: &SqliteStore, path: &Path) -> Result<File, StoreError> {
    let fault = |error| StoreError::Refused(format!("{} cannot be locked: {error}", path.display()));
    private_file(path).map_err(fault)?;
    let file = File::options().write(true).open(path).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Busy(format!("another rebuild of {} is under way; wait for its end", live.at)))
        }
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// Removes a database and what belongs to it.
fn remove(path: &Path) -> Result<(), StoreError> {
    for more in ["", "-wal", "-shm"] {
        let file = beside(path, more);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Refused(format!("{} cannot be removed: {error}", file.display())));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What made a shadow: another version may fold otherwise.
fn author() -> String {
    format!("{}, state format {STATE_FORMAT}", env!("CARGO_PKG_VERSION"))
}

fn make(path: &Path) -> Result<SqliteStore, StoreError> {
    let shadow = SqliteStore::open(path)?;
    shadow.migrate()?;
    shadow.run(async |connection| {
        connection.execute("CREATE TABLE orchestrator_rebuild (author text NOT NULL)").await?;
        let note = sqlx::query("INSERT INTO orchestrator_rebuild VALUES ($1)").bind(author());
        Ok(note.execute(connection).await.map(drop)?)
    })?;
    Ok(shadow)
}

/// What an interrupted rebuild has left, if it can be gone on with: one that cannot be read, is another version's, stands
/// above the live tables, or in the midst of what comes from the event stream, is not.
fn left(live: &SqliteStore, path: &Path) -> Option<SqliteStore> {
    let shadow = SqliteStore::open(path).ok()?;
    let note = shadow.run(async |connection| {
        Ok(sqlx::query_scalar::<_, String>("SELECT author FROM orchestrator_rebuild").fetch_one(connection).await?)
    });
    let (stands, lives) = (shadow.query().positions().ok()?, live.query().positions().ok()?);
    let is_off = |(partition, position): &(u32, Position)| {
        let live = lives.iter().find(|(of, _)| of == partition);
        position.next_offset == 0 || live.is_some_and(|(_, live)| position.next_offset > live.next_offset)
    };
    (note.ok()? == author() && !stands.iter().any(is_off)).then_some(shadow)
}

impl Rebuild for SqliteRebuild<'_> {
    fn shadow(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shadow) as Arc<dyn Store>
    }

    fn goes_on(&self) -> bool {
        self.goes_on
    }

    fn must_complete(&self) -> bool {
        // As below.
        false
    }

    fn in_the_way(&self, which: Which) -> Result<Vec<String>, StoreError> {
        self.live.run(async |connection| in_the_way(connection, which).await)
    }

    fn complete(&self) -> Result<(), StoreError> {
        // Its tables were never without indexes.
        Ok(())
    }

    fn hold(&self) -> Result<Box<dyn Held + '_>, StoreError> {
        let held = self.live.blocking.wait(async {
            let mut connection = self.live.options.connect().await?;
            let attach = sqlx::query("ATTACH DATABASE $1 AS shadow").bind(self.shadow.path.display().to_string());
            attach.execute(&mut connection).await?;
            connection.execute(sqlx::raw_sql(LOCK)).await.map_err(busy)?;
            Ok(connection)
        });
        let connection = held.map_err(|fault: Fault| fault.at(&self.live.at))?;
        Ok(Box::new(SqliteHeld { of: self, connection }))
    }

    fn discard(&self) -> Result<(), StoreError> {
        self.live.blocking.wait(self.shadow.pool.close());
        remove(&self.shadow.path)
    }
}

/// The live file, held by a transaction that writes; closing the connection undoes it.
struct SqliteHeld<'a> {
    of: &'a SqliteRebuild<'a>,
    connection: SqliteConnection,
}

impl Held for SqliteHeld<'_> {
    fn positions(&mut self) -> Result<Vec<(u32, Position)>, StoreError> {
        let live = self.of.live;
        live.blocking.wait(positions(&mut self.connection, "main")).map_err(|fault| fault.at(&live.at))
    }

    fn swap(self: Box<Self>, which: Which, expected: &[(u32, Position)]) -> Result<Compared, StoreError> {
        let Self { of, mut connection } = *self;
        let swapped = async {
            if positions(&mut connection, "shadow").await? != expected {
                let words = "the tables made anew do not stand where they were left: somebody else has written them";
                return Err(StoreError::Refused(words.to_owned()).into());
            }
            let attached = in_the_way(&mut connection, which).await?;
            if !attached.is_empty() {
                return Err(StoreError::attached(&attached).into());
            }
            let mut changes = Vec::new();
            for table in which.tables() {
                make_if_missing(&mut connection, table.name).await?;
                changes.push(compare(&mut connection, *table).await?);
                copy(&mut connection, table.name).await?;
            }
            if which == Which::All {
                make_if_missing(&mut connection, POSITIONS).await?;
                copy(&mut connection, POSITIONS).await?;
            }
            connection.execute(AssertSqlSafe(new_generation(&format!("main.{POSITIONS}")))).await?;
            connection.execute("COMMIT").await?;
            Ok(changes)
        };
        let changes = of.live.blocking.wait(swapped).map_err(|fault: Fault| fault.at(&of.live.at))?;
        drop(connection);
        if let Err(fault) = of.discard() {
            warn!(%fault, "what the tables were copied from could not be removed; the next rebuild does it");
        }
        Ok(Ok(changes))
    }
}

async fn positions(connection: &mut SqliteConnection, schema: &str) -> Result<Vec<(u32, Position)>, Fault> {
    let there = format!("SELECT COUNT(*) FROM {schema}.sqlite_master WHERE type = 'table' AND name = '{POSITIONS}'");
    if sqlx::query_scalar::<_, i64>(AssertSqlSafe(there)).fetch_one(&mut *connection).await? == 0 {
        return Ok(Vec::new());
    }
    let question = statements::POSITIONS.replace(POSITIONS, &format!("{schema}.{POSITIONS}"));
    let rows = sqlx::query(AssertSqlSafe(question)).fetch_all(connection).await?;
    Ok(rows.iter().map(read::position).collect::<Result<_, _>>()?)
}

/// Triggers would do something for each row that is copied.
async fn in_the_way(connection: &mut SqliteConnection, which: Which) -> Result<Vec<String>, Fault> {
    let triggers = "SELECT name, tbl_name FROM main.sqlite_master WHERE type = 'trigger'";
    let mut found = Vec::new();
    for row in connection.fetch_all(triggers).await? {
        let (name, table): (String, String) = (row.try_get("name")?, row.try_get("tbl_name")?);
        if table == POSITIONS || which.tables().iter().any(|of| of.name == table) {
            found.push(format!("trigger {name} of {table}"));
        }
    }
    Ok(found)
}

/// Somebody may have dropped a live table.
async fn make_if_missing(connection: &mut SqliteConnection, table: &str) -> Result<(), Fault> {
    let texts = "SELECT sql FROM shadow.sqlite_master WHERE tbl_name = $1 AND sql IS NOT NULL AND NOT EXISTS (SELECT * \
                 FROM main.sqlite_master WHERE type = 'table' AND name = $1) ORDER BY type DESC";
    let texts = sqlx::query_scalar::<_, String>(texts).bind(table).fetch_all(&mut *connection).await?;
    for text in texts {
        connection.execute(AssertSqlSafe(text)).await?;
    }
    Ok(())
}

async fn compare(connection: &mut SqliteConnection, table: Table) -> Result<Change, Fault> {
    let columns = "SELECT name FROM pragma_table_info($1, 'shadow')";
    let columns = sqlx::query_scalar::<_, String>(columns).bind(table.name).fetch_all(&mut *connection).await?;
    let of = |side: &str| {
        let columns: Vec<String> = columns.iter().map(|column| format!("{side}.{column}")).collect();
        if table.has_offsets() { format!("{side}.places") } else { format!("({})", columns.join(", ")) }
    };
    let altered = format!("{} IS NOT {}", of("b"), of("n"));
    let (before, now) = (format!("main.{}", table.name), format!("shadow.{}", table.name));
    let [numbers, examples] = comparison(table, [&before, &now], PLACES, &altered);
    let row = sqlx::query(AssertSqlSafe(numbers)).fetch_one(&mut *connection).await?;
    let mut change = read::change(table.name, &row)?;
    if change.differing() > 0 {
        change.examples = sqlx::query_scalar(AssertSqlSafe(examples)).fetch_all(connection).await?;
    }
    Ok(change)
}

async fn copy(connection: &mut SqliteConnection, table: &str) -> Result<(), Fault> {
    let copy = format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM shadow.{table}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(copy))).await?;
    Ok(())
}

/// SQLite 5, busy: another connection writes for longer than one waits.
fn busy(error: sqlx::Error) -> Fault {
    let code = error.as_database_error().and_then(|error| error.code());
    if code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5) {
        let seconds = WAIT_FOR_OTHERS.as_secs();
        let words = format!("another process has been writing the file for {seconds} s");
        return StoreError::Busy(words).into();
    }
    Fault::Driver(error)
}
