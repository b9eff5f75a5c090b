//! The schemas of a rebuild, and what stands in the way of tables that change places.

use crate::store::StoreError;
use crate::store::rebuild::{POSITIONS, Which};
use crate::store::sql::fault::Fault;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

/// What names in Postgres are cut to (`NAMEDATALEN` in src/include/pg_config_manual.h, less the final zero).
const NAME_BYTES: usize = 63;
/// So much of a hash tells long names apart.
const HASH_BYTES: usize = 8;

/// What hangs on the tables $1 (full names) and would be lost with them, or would go on reading the old ones.
const ATTACHED: &str = "
    WITH tables AS (SELECT to_regclass(name)::oid AS oid FROM UNNEST($1::text[]) AS names (name))
    SELECT DISTINCT what || ' of ' || (SELECT relname FROM pg_class WHERE pg_class.oid = tables.oid) AS words
    FROM tables JOIN (
        SELECT d.refobjid AS oid, 'view ' || c.oid::regclass::text AS what FROM pg_depend d
            JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
            WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND c.oid <> d.refobjid
        UNION ALL SELECT d.refobjid, 'function ' || d.objid::regprocedure::text FROM pg_depend d
            WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass
        UNION ALL SELECT confrelid, 'foreign key ' || conname || ' from ' || conrelid::regclass::text
            FROM pg_constraint WHERE contype = 'f'
        UNION ALL SELECT tgrelid, 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT polrelid, 'policy ' || polname FROM pg_policy
        UNION ALL SELECT prrelid, 'publication ' || pubname FROM pg_publication_rel
            JOIN pg_publication p ON p.oid = prpubid
        UNION ALL SELECT stxrelid, 'statistics ' || stxname FROM pg_statistic_ext
    ) attached ON attached.oid = tables.oid ORDER BY words";

/// Where the tables are, where they are made anew, and where they stand for the moment in which they are compared with
/// what has taken their place.
pub struct Places {
    pub live: String,
    pub shadow: String,
    pub replaced: String,
}

impl Places {
    /// Beside the schema that this connection works in.
    pub async fn of(connection: &mut PgConnection) -> Result<Self, Fault> {
        let live: Option<String> = sqlx::query_scalar("SELECT current_schema()").fetch_one(connection).await?;
        let live = live.ok_or_else(|| {
            StoreError::Refused("the search_path of this user names no schema that exists".to_owned())
        })?;
        Ok(Self { shadow: beside("rebuild", &live), replaced: beside("replaced", &live), live })
    }

    /// A live table.
    pub fn live_table(&self, table: &str) -> String {
        format!("{}.{table}", quoted(&self.live))
    }

    /// The one that is to take its place.
    pub fn shadow_table(&self, table: &str) -> String {
        format!("{}.{table}", quoted(&self.shadow))
    }

    /// The one whose place was taken.
    pub fn replaced_table(&self, table: &str) -> String {
        format!("{}.{table}", quoted(&self.replaced))
    }

    /// What hangs on the live tables.
    pub async fn in_the_way(&self, connection: &mut PgConnection, which: Which) -> Result<Vec<String>, Fault> {
        let mut tables: Vec<String> = which.tables().iter().map(|table| self.live_table(table.name)).collect();
        if which == Which::All {
            tables.push(self.live_table(POSITIONS));
        }
        let rows = sqlx::query(ATTACHED).bind(tables).fetch_all(connection).await?;
        Ok(rows.iter().map(|row| row.try_get("words")).collect::<Result<_, _>>()?)
    }

    /// Throws shadow and replaced tables away.
    pub async fn drop_both(&self, connection: &mut PgConnection) -> Result<(), Fault> {
        let (shadow, replaced) = (quoted(&self.shadow), quoted(&self.replaced));
        let drop = format!("DROP SCHEMA IF EXISTS {shadow} CASCADE; DROP SCHEMA IF EXISTS {replaced} CASCADE");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await?;
        Ok(())
    }
}

/// The name of a schema that belongs to the live one. Too long a name ends with a hash, so that no two of them are the same.
fn beside(what: &str, live: &str) -> String {
    let mut name = format!("orchestrator_{what}_{live}");
    if name.len() > NAME_BYTES {
        let hash = hex::encode(&Sha256::digest(&name)[..HASH_BYTES]);
        while name.len() > NAME_BYTES - hash.len() {
            name.pop();
        }
        name += &hash;
    }
    name
}

/// A name as a part of a statement.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::{NAME_BYTES, beside};

    #[test]
    fn each_schema_has_others_beside_it_that_are_its_own() {
        assert_eq!(beside("rebuild", "public"), "orchestrator_rebuild_public");
        let longest = "é".repeat(31);
        let names: Vec<String> = ["a", "b"].map(|end| beside("rebuild", &format!("{longest}{end}"))).into();
        assert!(names.iter().all(|name| name.len() <= NAME_BYTES && name.starts_with("orchestrator_rebuild_é")));
        assert_ne!(names[0], names[1]);
    }
}
