//! The moment in which tables change places.

use super::NO_LIMIT;
use super::places::{Places, quoted};
use super::shadow::SWAPPED;
use crate::store::postgres::{BEGIN_READING, PostgresStore};
use crate::store::rebuild::{Change, Compared, Held, POSITIONS, Which, comparison, new_generation};
use crate::store::sql::fault::Fault;
use crate::store::sql::{read, statements};
use crate::store::{Position, StoreError};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Postgres, Row, Transaction};
use tracing::warn;

/// How long to wait for those who read or write a table: whoever comes meanwhile waits behind.
const BEGIN_HOLDING: &str = "BEGIN; SET LOCAL lock_timeout = '2s'";

/// What gives the table $2 the owner, the rights and the settings of the table $1.
const CARRY_OVER: &str = "
    WITH old AS (SELECT * FROM pg_class WHERE oid = to_regclass($1)),
        new AS (SELECT * FROM pg_class WHERE oid = to_regclass($2)),
        named AS (SELECT oid, quote_ident(rolname) AS name FROM pg_roles UNION ALL SELECT 0, 'PUBLIC')
    SELECT statement FROM (
        SELECT 1 AS place, format('ALTER TABLE %s SET (%s)', $2, array_to_string(old.reloptions, ', ')) AS statement
            FROM old, new WHERE old.reloptions IS DISTINCT FROM new.reloptions AND old.reloptions IS NOT NULL
        UNION ALL SELECT 2, format('REVOKE ALL ON TABLE %s FROM %s', $2, name)
            FROM new, aclexplode(new.relacl) a JOIN named ON named.oid = a.grantee WHERE a.grantee <> new.relowner
        UNION ALL SELECT 3, format('ALTER TABLE %s OWNER TO %s', $2, name)
            FROM old JOIN named ON named.oid = old.relowner, new WHERE old.relowner <> new.relowner
        UNION ALL SELECT 4, format('GRANT %s ON TABLE %s TO %s%s', a.privilege_type, $2, name,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM old, aclexplode(old.relacl) a JOIN named ON named.oid = a.grantee WHERE a.grantee <> old.relowner
        UNION ALL SELECT 5, format('GRANT %s (%I) ON TABLE %s TO %s%s', a.privilege_type, c.attname, $2, name,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM old JOIN pg_attribute c ON c.attrelid = old.oid AND NOT c.attisdropped, aclexplode(c.attacl) a
            JOIN named ON named.oid = a.grantee
    ) statements ORDER BY place";

/// Which offsets a row of offsets holds, over all rows of a run or a workflow.
const PLACES: &str = "string_agg(trim('{}' FROM offsets::text), ',' ORDER BY first_offset)";

/// The live positions, held.
pub struct PostgresHeld<'a> {
    live: &'a PostgresStore,
    places: &'a Places,
    transaction: Transaction<'static, Postgres>,
}

/// Waits for whoever writes them, and holds them.
pub fn hold<'a>(live: &'a PostgresStore, places: &'a Places) -> Result<PostgresHeld<'a>, StoreError> {
    let transaction = live.blocking.wait(async {
        let mut transaction = live.pool.begin_with(BEGIN_HOLDING).await?;
        let positions = places.live_table(POSITIONS);
        if exists(&mut transaction, &positions).await? {
            let lock = format!("LOCK TABLE {positions} IN EXCLUSIVE MODE");
            transaction.execute(AssertSqlSafe(lock)).await.map_err(busy)?;
        }
        Ok(transaction)
    });
    Ok(PostgresHeld { live, places, transaction: transaction.map_err(|fault: Fault| fault.at(&live.at))? })
}

impl Held for PostgresHeld<'_> {
    fn positions(&mut self) -> Result<Vec<(u32, Position)>, StoreError> {
        let read = positions(&mut self.transaction, self.places.live_table(POSITIONS));
        self.live.blocking.wait(read).map_err(|fault| fault.at(&self.live.at))
    }

    fn swap(self: Box<Self>, which: Which, expected: &[(u32, Position)]) -> Result<Compared, StoreError> {
        let Self { live, places, mut transaction } = *self;
        let swap = async {
            let before = lock(&mut transaction, places, which).await?;
            if positions(&mut transaction, places.shadow_table(POSITIONS)).await? != expected {
                let words = "the shadow tables do not stand where they were left: somebody else has written them";
                return Err(StoreError::Refused(words.to_owned()).into());
            }
            in_the_way(&mut transaction, places, which).await?;
            // Sees, as long as it lasts, both sides as they are at this moment.
            let mut view = live.pool.begin_with(BEGIN_READING).await?;
            view.execute("SELECT 1").await?;
            exchange(&mut transaction, places, which).await?;
            transaction.commit().await?;
            Ok((view, before))
        };
        let (mut view, before) = live.blocking.wait(swap).map_err(|fault: Fault| fault.at(&live.at))?;
        // They have changed places: nothing from here on undoes that.
        let compared = live.blocking.wait(async {
            let changes = compare(&mut view, places, which, &before).await?;
            view.commit().await?;
            Ok(changes)
        });
        if let Err(fault) = live.run(NO_LIMIT, async |connection| places.drop_both(connection).await) {
            let (shadow, replaced) = (&places.shadow, &places.replaced);
            warn!(%fault, shadow, replaced, "what was replaced could not be removed; the next rebuild does it");
        }
        Ok(compared.map_err(|fault: Fault| fault.at(&live.at)))
    }
}

async fn exists(connection: &mut PgConnection, table: &str) -> Result<bool, Fault> {
    let exists = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table);
    Ok(exists.fetch_one(connection).await?)
}

/// The positions in a table, which may not be there.
async fn positions(connection: &mut PgConnection, table: String) -> Result<Vec<(u32, Position)>, Fault> {
    if !exists(connection, &table).await? {
        return Ok(Vec::new());
    }
    let question = statements::POSITIONS.replace(POSITIONS, &table);
    let rows = sqlx::query(AssertSqlSafe(question)).fetch_all(connection).await?;
    Ok(rows.iter().map(read::position).collect::<Result<_, _>>()?)
}

/// Waits for whoever uses the live tables, and keeps everybody out. Which of them there are.
async fn lock(connection: &mut PgConnection, places: &Places, which: Which) -> Result<Vec<&'static str>, Fault> {
    let positions = (which == Which::All).then_some(POSITIONS);
    let mut there = Vec::new();
    for name in positions.into_iter().chain(which.tables().iter().map(|table| table.name)) {
        if exists(connection, &places.live_table(name)).await? {
            there.push(name);
        }
    }
    if !there.is_empty() {
        let tables: Vec<String> = there.iter().map(|name| places.live_table(name)).collect();
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
        connection.execute(AssertSqlSafe(lock)).await.map_err(busy)?;
    }
    Ok(there)
}

/// Refuses what would be lost; it may have come since the rebuild began.
async fn in_the_way(connection: &mut PgConnection, places: &Places, which: Which) -> Result<(), Fault> {
    let found = places.in_the_way(connection, which).await?;
    if found.is_empty() { Ok(()) } else { Err(StoreError::attached(&found).into()) }
}

/// Puts each table into the place of the live one.
async fn exchange(connection: &mut PgConnection, places: &Places, which: Which) -> Result<(), Fault> {
    let (live, replaced) = (quoted(&places.live), quoted(&places.replaced));
    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {replaced}"))).await?;
    let positions = (which == Which::All).then_some(POSITIONS);
    for name in positions.into_iter().chain(which.tables().iter().map(|table| table.name)) {
        let (old, new) = (places.live_table(name), places.shadow_table(name));
        let carry = sqlx::query(CARRY_OVER).bind(&old).bind(&new).fetch_all(&mut *connection).await?;
        for row in carry {
            connection.execute(AssertSqlSafe(row.try_get::<String, _>("statement")?)).await?;
        }
        let change = format!("ALTER TABLE IF EXISTS {old} SET SCHEMA {replaced}; ALTER TABLE {new} SET SCHEMA {live}");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(change))).await?;
    }
    connection.execute(AssertSqlSafe(new_generation(&places.live_table(POSITIONS)))).await?;
    let note = format!("UPDATE {} SET stage = '{SWAPPED}'", places.shadow_table("orchestrator_rebuild"));
    connection.execute(AssertSqlSafe(note)).await?;
    Ok(())
}

/// What differs. `before` are the tables that there were.
async fn compare(
    view: &mut PgConnection,
    places: &Places,
    which: Which,
    before: &[&str],
) -> Result<Vec<Change>, Fault> {
    let mut changes = Vec::new();
    for table in which.tables() {
        let now = places.live_table(table.name);
        // Of one that was not there, nothing was there.
        let nothing = format!("(SELECT * FROM {now} LIMIT 0) nothing");
        let old = if before.contains(&table.name) { places.replaced_table(table.name) } else { nothing };
        let [numbers, examples] = comparison(*table, [&old, &now], PLACES, "b IS DISTINCT FROM n");
        let row = sqlx::query(AssertSqlSafe(numbers)).fetch_one(&mut *view).await?;
        let mut change = read::change(table.name, &row)?;
        if change.differing() > 0 {
            change.examples = sqlx::query_scalar(AssertSqlSafe(examples)).fetch_all(&mut *view).await?;
        }
        changes.push(change);
    }
    Ok(changes)
}

/// Postgres 55P03, lock_not_available, and 40P01, deadlock_detected: somebody uses the tables for long.
fn busy(error: sqlx::Error) -> Fault {
    let code = error.as_database_error().and_then(|error| error.code());
    if code.is_some_and(|code| code == "55P03" || code == "40P01") {
        let words = "somebody reads or writes the tables in a long transaction (pg_stat_activity shows whose)";
        return StoreError::Busy(words.to_owned()).into();
    }
    Fault::Driver(error)
}
