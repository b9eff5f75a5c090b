//! The position of a partition: read, and moved on if nobody else has. Compiled for each driver: `super` says which.

use super::SqlConnection;
use crate::store::row::ProjectionBatch;
use crate::store::sql::fault::Fault;
use crate::store::sql::micros::Micros;
use crate::store::sql::{flat, int, read, statements};
use crate::store::{Position, STATE_FORMAT, StoreError};

/// A partition's position.
pub async fn read(connection: &mut SqlConnection, partition: u32) -> Result<Option<Position>, Fault> {
    let query = sqlx::query(statements::POSITION).bind(i64::from(partition));
    let row = query.fetch_optional(connection).await?;
    Ok(row.as_ref().map(read::position).transpose()?.map(|(_, position)| position))
}

/// Writes the batch's position, if the one that is there is the expected one.
pub async fn advance(connection: &mut SqlConnection, batch: &ProjectionBatch) -> Result<(), Fault> {
    let text = serde_json::to_string(&batch.next)
        .map_err(|e| StoreError::Refused(format!("the position cannot be written as JSON: {e}")))?;
    let [offset, term, number] = flat::mark(batch.next.mark.as_ref());
    let statement = if batch.expected.is_some() { statements::NEXT_POSITION } else { statements::FIRST_POSITION };
    let mut query = sqlx::query(statement)
        .bind(i64::from(batch.partition))
        .bind(i64::from(STATE_FORMAT))
        .bind(int(batch.next.next_offset))
        .bind(offset)
        .bind(term)
        .bind(number)
        .bind(Micros(batch.next.time))
        .bind(text);
    if let Some(expected) = &batch.expected {
        let [offset, term, number] = flat::mark(expected.mark.as_ref());
        query =
            query.bind(int(expected.next_offset)).bind(offset).bind(term).bind(number).bind(int(expected.generation));
    }
    if query.execute(&mut *connection).await?.rows_affected() == 1 {
        return Ok(());
    }
    let found = read(connection, batch.partition).await?;
    Err(batch.fenced(found.as_ref()).into())
}
