//! Writing dead letters and what was done with them.

use super::write::columns;
use crate::store::letter::{HandledRow, LetterRow};
use crate::store::row::ProjectionBatch;
use crate::store::sql::fault::Fault;
use crate::store::sql::letters::{LETTER_COLUMNS, UPDATE_HANDLED, update_letter};
use crate::store::sql::micros::Micros;
use crate::store::sql::text::{clean, clean_opt};
use crate::store::sql::{int, stretches};
use sqlx::postgres::PgBindIterExt;
use sqlx::{AssertSqlSafe, PgConnection};

/// Writes both halves; either may come first.
pub async fn write(connection: &mut PgConnection, partition: i64, batch: &ProjectionBatch) -> Result<(), Fault> {
    let weight = |row: &LetterRow| 1_024 + 2 * row.letter.message.len() + row.document.len();
    for rows in stretches(&batch.letters, weight) {
        letters(connection, partition, rows).await?;
    }
    for rows in stretches(&batch.handled, |row| 512 + row.note.as_ref().map_or(0, String::len)) {
        handled(connection, rows).await?;
    }
    Ok(())
}

async fn letters(connection: &mut PgConnection, partition: i64, rows: &[LetterRow]) -> Result<(), Fault> {
    let insert = format!(
        "INSERT INTO orchestrator_dead_letters (partition, letter_id, {}) SELECT $1, * FROM UNNEST($2::text[], \
         $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], \
         $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::bigint[], \
         $19::bigint[], $20::timestamptz[], $21::text[], $22::timestamptz[]) \
         ON CONFLICT (letter_id) DO UPDATE SET {}",
        LETTER_COLUMNS.join(", "),
        update_letter()
    );
    let query = columns!(
        sqlx::query(AssertSqlSafe(insert)).bind(partition),
        rows,
        |row| row.letter.letter_id.as_str(),
        |row| row.letter.kind.as_str(),
        |row| row.letter.subject.as_str(),
        |row| int(row.letter.sequence),
        |row| row.letter.workflow_id.as_ref().map(|id| id.as_str()),
        |row| row.letter.run_id.as_ref().map(|id| id.as_str()),
        |row| row.letter.node_id.as_ref().map(|id| id.as_str()),
        |row| row.letter.agent_name.as_ref().map(|name| name.as_str()),
        |row| row.letter.attempt.map(i64::from),
        |row| row.letter.definition.as_ref().map(|name| name.as_str()),
        |row| row.letter.class.map(|class| class.as_str()),
        |row| clean(&row.letter.code),
        |row| clean(&row.letter.message),
        |row| row.letter.details.as_ref().map(|details| clean(details.as_str())),
        |row| row.letter.fingerprint.as_str(),
        |row| clean_opt(row.letter.origin.as_ref().map(|origin| origin.topic.as_str())),
        |row| row.letter.origin.as_ref().map(|origin| i64::from(origin.partition)),
        |row| row.letter.origin.as_ref().map(|origin| int(origin.offset)),
        |row| row.letter.origin.as_ref().map(|origin| Micros(origin.time)),
        |row| clean(&row.document),
        |row| Micros(row.letter.time),
    );
    query.execute(connection).await?;
    Ok(())
}

async fn handled(connection: &mut PgConnection, rows: &[HandledRow]) -> Result<(), Fault> {
    let insert = format!(
        "INSERT INTO orchestrator_dead_letters AS m (letter_id, state, handled_at, handled_by, note, handled_run_id) \
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[]) \
         ON CONFLICT (letter_id) DO UPDATE SET {UPDATE_HANDLED}"
    );
    let query = columns!(
        sqlx::query(AssertSqlSafe(insert)),
        rows,
        |row| row.letter_id.as_str(),
        |row| row.state.as_str(),
        |row| Micros(row.at),
        |row| clean(&row.by),
        |row| clean_opt(row.note.as_deref()),
        |row| row.run_id.as_ref().map(|id| id.as_str()),
    );
    query.execute(connection).await?;
    Ok(())
}
