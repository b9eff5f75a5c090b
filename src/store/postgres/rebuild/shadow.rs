//! The shadow tables: made by the migrations, stripped of indexes while they are loaded, completed.

use super::load::{LOADED, PRUNE};
use super::places::{Places, quoted};
use crate::store::rebuild::{POSITIONS, TABLES};
use crate::store::sql::fault::Fault;
use crate::store::{STATE_FORMAT, StoreError};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

/// Notes of a rebuild, in the shadow's schema: what made it, how far it is, and what is to be made at the end.
const NOTES: &str = "orchestrator_rebuild";
/// What they say after the swap, until both schemas are dropped.
pub const SWAPPED: &str = "swapped";
/// What wrote them: another version may fold otherwise.
fn author() -> String {
    format!("{}, state format {STATE_FORMAT}", env!("CARGO_PKG_VERSION"))
}

/// How far a shadow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its tables have no indexes, and batches are loaded.
    Loading,
    /// Some of its tables have their keys: nothing may be loaded until the others have theirs.
    Completing,
    /// It has what the live tables have.
    Complete,
}

/// Writes down the indexes of the tables $1 that no constraint needs, and those of the same tables of the schema $2 that
/// the shadow has not: somebody has added them.
const NOTE_INDEXES: &str = "
    INSERT INTO orchestrator_rebuild_last (statement)
    SELECT regexp_replace(pg_get_indexdef(i.indexrelid), ' ON (ONLY )?\\S+ USING ', ' ON ' || t.relname || ' USING ')
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relname = ANY($1) AND i.indisvalid
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u'))
        AND (t.relnamespace = current_schema()::regnamespace OR t.relnamespace = to_regnamespace(quote_ident($2))
            AND NOT EXISTS (SELECT FROM pg_class WHERE relname = c.relname
                AND relnamespace = current_schema()::regnamespace))";

/// Writes down the keys of the tables $1.
const NOTE_KEYS: &str = "
    INSERT INTO orchestrator_rebuild_last (statement)
    SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', t.relname, c.conname, pg_get_constraintdef(c.oid))
    FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
    WHERE t.relname = ANY($1) AND t.relnamespace = current_schema()::regnamespace AND c.contype IN ('p', 'u')";

/// What drops the keys of the tables $1 and the other indexes of the tables $2.
const STRIP: &str = "
    SELECT format('ALTER TABLE %I DROP CONSTRAINT %I', t.relname, c.conname) AS statement
    FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
    WHERE t.relname = ANY($1) AND t.relnamespace = current_schema()::regnamespace AND c.contype IN ('p', 'u')
    UNION ALL SELECT format('DROP INDEX %I', c.relname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relname = ANY($2) AND t.relnamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u'))";

/// How far the shadow is that a rebuild before has left; none: there is none that could be gone on with.
///
/// # Errors
/// `Refused` where the schema, or the one of what is replaced, is somebody else's.
pub async fn left(connection: &mut PgConnection, places: &Places) -> Result<Option<Stage>, Fault> {
    let notes = places.shadow_table(NOTES);
    let found = sqlx::query(
        "SELECT to_regclass($1) IS NOT NULL AS noted, (SELECT COUNT(*) FROM pg_class c JOIN \
         pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2) AS relations, \
         EXISTS (SELECT FROM pg_namespace WHERE nspname = $3) AS has_replaced",
    )
    .bind(&notes)
    .bind(&places.shadow)
    .bind(&places.replaced)
    .fetch_one(&mut *connection)
    .await?;
    let has_replaced = found.try_get("has_replaced")?;
    if !found.try_get::<bool, _>("noted")? {
        if has_replaced {
            return Err(not_of_a_swap(places));
        }
        if found.try_get::<i64, _>("relations")? == 0 {
            return Ok(None);
        }
        let words = format!(
            "the schema {} is not empty, and no rebuild has made it; it is where tables are made anew: drop or rename it",
            places.shadow
        );
        return Err(StoreError::Refused(words).into());
    }
    let note = sqlx::query(AssertSqlSafe(format!("SELECT author, stage FROM {notes}")));
    let note = note.fetch_one(&mut *connection).await?;
    let stage = note.try_get::<String, _>("stage")?;
    if has_replaced && stage != SWAPPED {
        return Err(not_of_a_swap(places));
    }
    if note.try_get::<String, _>("author")? != author() {
        return Ok(None);
    }
    let stage = match &*stage {
        "loading" => Stage::Loading,
        "completing" => Stage::Completing,
        "complete" => Stage::Complete,
        // It ended while it was being made, or after the swap.
        _ => return Ok(None),
    };
    Ok(if is_off(connection, places).await? { None } else { Some(stage) })
}

/// A swap makes that schema, says so in the notes, and both go at the same time.
fn not_of_a_swap(places: &Places) -> Fault {
    let words = format!(
        "there is a schema {}, and no rebuild has made it; it is where tables stand for the moment in which they are \
         replaced: drop or rename it",
        places.replaced
    );
    StoreError::Refused(words).into()
}

/// Whether the shadow stands above the live tables somewhere (they may have been made anew meanwhile), or in the midst of
/// what comes from the event stream, which has no place in the journal.
async fn is_off(connection: &mut PgConnection, places: &Places) -> Result<bool, Fault> {
    let (live, shadow) = (places.live_table(POSITIONS), places.shadow_table(POSITIONS));
    let question = format!(
        "SELECT EXISTS (SELECT FROM {shadow} s LEFT JOIN {live} l USING (partition) \
         WHERE s.next_offset > l.next_offset OR s.next_offset = 0)"
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(question)).fetch_one(connection).await?)
}

/// An empty schema with notes in the place of whatever a rebuild before has left.
pub async fn make(connection: &mut PgConnection, places: &Places) -> Result<(), Fault> {
    places.drop_both(connection).await?;
    let statements = format!(
        "CREATE SCHEMA {}; CREATE TABLE {notes} (author text NOT NULL, stage text NOT NULL); \
         INSERT INTO {notes} VALUES ('{}', 'made'); CREATE TABLE {notes}_last (place bigint GENERATED ALWAYS AS \
         IDENTITY PRIMARY KEY, statement text NOT NULL)",
        quoted(&places.shadow),
        author(),
        notes = places.shadow_table(NOTES),
    );
    let made = connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await;
    made.map(drop).map_err(|error| match error.as_database_error().and_then(|error| error.code()) {
        // 42501: insufficient_privilege.
        Some(code) if code == "42501" => StoreError::Refused(format!(
            "the tables are made anew in a schema of their own, {}, and this user may create none: GRANT CREATE ON \
             DATABASE … TO …",
            places.shadow
        ))
        .into(),
        _ => Fault::Driver(error),
    })
}

/// Makes the migrated tables ready: for loading, or for going on. `stage` is that of what was left.
pub async fn prepare(connection: &mut PgConnection, places: &Places, stage: Option<Stage>) -> Result<(), Fault> {
    let mut transaction = connection.begin().await?;
    match stage {
        Some(Stage::Loading | Stage::Completing | Stage::Complete) => {}
        None => {
            let all: Vec<&str> = TABLES.iter().map(|table| table.name).chain([POSITIONS]).collect();
            sqlx::query(NOTE_KEYS).bind(&LOADED[..]).execute(&mut *transaction).await?;
            sqlx::query(NOTE_INDEXES).bind(&all).bind(&places.live).execute(&mut *transaction).await?;
            let strip = sqlx::query(STRIP).bind(&LOADED[..]).bind(&all).fetch_all(&mut *transaction).await?;
            for row in strip {
                transaction.execute(AssertSqlSafe(row.try_get::<String, _>("statement")?)).await?;
            }
            transaction.execute("UPDATE orchestrator_rebuild SET stage = 'loading'").await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// Leaves one row of each run, and makes keys and indexes. May be interrupted and begun again.
pub async fn complete(connection: &mut PgConnection) -> Result<(), Fault> {
    let mut transaction = connection.begin().await?;
    sqlx::query(PRUNE).bind(None::<i64>).execute(&mut *transaction).await?;
    transaction.execute("UPDATE orchestrator_rebuild SET stage = 'completing'").await?;
    transaction.commit().await?;
    loop {
        let mut transaction = connection.begin().await?;
        let next = "DELETE FROM orchestrator_rebuild_last WHERE place = (SELECT MIN(place) FROM \
                    orchestrator_rebuild_last) RETURNING statement";
        let Some(next) = transaction.fetch_optional(next).await? else { break };
        transaction.execute("SET LOCAL maintenance_work_mem = '256MB'").await?;
        transaction.execute(AssertSqlSafe(next.try_get::<String, _>("statement")?)).await?;
        transaction.commit().await?;
    }
    // Without statistics the first questions after the swap would be planned as if the tables were empty.
    for table in TABLES {
        connection.execute(AssertSqlSafe(format!("ANALYZE {}", table.name))).await?;
    }
    connection.execute("UPDATE orchestrator_rebuild SET stage = 'complete'").await?;
    Ok(())
}
