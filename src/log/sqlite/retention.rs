//! Deletes records that are older than their topic's `retention.ms`.

use super::connection::{Connection, Fault};

/// Records deleted by one transaction: other processes wait for it.
const SLICE: i64 = 1_000;

/// Deletes what was appended longer ago than its topic keeps it; how many records that were.
pub(super) fn expire(connection: &mut Connection, now_us: i64) -> Result<u64, Fault> {
    let partitions: Vec<(i64, u32, i64)> = connection.run(async |c| {
        sqlx::query_as(
            "SELECT t.id, p.part, t.retention_us FROM log_topics t JOIN log_partitions p ON p.topic = t.id \
             WHERE t.retention_us IS NOT NULL AND p.low < p.high",
        )
        .fetch_all(c)
        .await
    })?;
    let mut deleted = 0;
    for (topic, partition, retention) in partitions {
        loop {
            let slice = expire_slice(connection, topic, partition, now_us.saturating_sub(retention))?;
            deleted += slice;
            if slice < SLICE.cast_unsigned() {
                break;
            }
        }
    }
    Ok(deleted)
}

/// Append times rise with offsets, so what is old stands at the front.
fn expire_slice(connection: &mut Connection, topic: i64, partition: u32, before: i64) -> Result<u64, Fault> {
    let last: Option<i64> = connection.run(async |c| {
        sqlx::query_scalar(
            "SELECT max(pos) FROM (SELECT pos, time FROM log_records WHERE topic = ?1 AND part = ?2 \
             ORDER BY pos LIMIT ?3) WHERE time < ?4",
        )
        .bind(topic)
        .bind(partition)
        .bind(SLICE)
        .bind(before)
        .fetch_one(c)
        .await
    })?;
    let Some(last) = last else { return Ok(0) };
    connection.write(async |c| {
        let delete = "DELETE FROM log_records WHERE topic = ?1 AND part = ?2 AND pos <= ?3";
        let done = sqlx::query(delete).bind(topic).bind(partition).bind(last).execute(&mut *c).await?;
        let update = "UPDATE log_partitions SET low = max(low, ?3 + 1) WHERE topic = ?1 AND part = ?2";
        sqlx::query(update).bind(topic).bind(partition).bind(last).execute(c).await?;
        Ok(done.rows_affected())
    })
}
