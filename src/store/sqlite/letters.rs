//! Writing dead letters and what was done with them.

use super::write::{Statement, Target, insert};
use crate::store::letter::{HandledRow, LetterRow};
use crate::store::row::ProjectionBatch;
use crate::store::sql::fault::Fault;
use crate::store::sql::int;
use crate::store::sql::letters::{LETTER_COLUMNS, UPDATE_HANDLED, update_letter};
use crate::store::sql::micros::Micros;
use crate::store::sql::text::{clean, clean_opt};
use sqlx::SqliteConnection;

const TABLE: &str = "orchestrator_dead_letters";

/// Writes both halves; either may come first.
pub async fn write(connection: &mut SqliteConnection, partition: i64, batch: &ProjectionBatch) -> Result<(), Fault> {
    let mut letters =
        Target::new(TABLE, "partition letter_id", format!("(letter_id) DO UPDATE SET {}", update_letter()));
    letters.columns.extend(LETTER_COLUMNS);
    insert(connection, &letters, &batch.letters, |query, row| bind_letter(query, partition, row)).await?;
    let columns = "letter_id state handled_at handled_by note handled_run_id";
    let handled = Target::new(TABLE, columns, format!("(letter_id) DO UPDATE SET {UPDATE_HANDLED}"));
    insert(connection, &handled, &batch.handled, bind_handled).await
}

fn bind_letter(query: Statement, partition: i64, row: &LetterRow) -> Statement {
    let letter = &row.letter;
    let origin = letter.origin.as_ref();
    query
        .bind(partition)
        .bind(letter.letter_id.as_str())
        .bind(letter.kind.as_str())
        .bind(letter.subject.as_str())
        .bind(int(letter.sequence))
        .bind(letter.workflow_id.as_ref().map(|id| id.as_str()))
        .bind(letter.run_id.as_ref().map(|id| id.as_str()))
        .bind(letter.node_id.as_ref().map(|id| id.as_str()))
        .bind(letter.agent_name.as_ref().map(|name| name.as_str()))
        .bind(letter.attempt.map(i64::from))
        .bind(letter.definition.as_ref().map(|name| name.as_str()))
        .bind(letter.class.map(|class| class.as_str()))
        .bind(clean(&letter.code))
        .bind(clean(&letter.message))
        .bind(letter.details.as_ref().map(|details| clean(details.as_str())))
        .bind(letter.fingerprint.as_str())
        .bind(clean_opt(origin.map(|origin| origin.topic.as_str())))
        .bind(origin.map(|origin| i64::from(origin.partition)))
        .bind(origin.map(|origin| int(origin.offset)))
        .bind(origin.map(|origin| Micros(origin.time)))
        .bind(clean(&row.document))
        .bind(Micros(letter.time))
}

fn bind_handled(query: Statement, row: &HandledRow) -> Statement {
    query
        .bind(row.letter_id.as_str())
        .bind(row.state.as_str())
        .bind(Micros(row.at))
        .bind(clean(&row.by))
        .bind(clean_opt(row.note.as_deref()))
        .bind(row.run_id.as_ref().map(|id| id.as_str()))
}
