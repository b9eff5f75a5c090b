//! Writing a batch: for each table one statement over arrays, a column each, however many rows.

use super::{letters, position};
use crate::store::row::{
    CarriedRow, ErrorRow, MetricRow, OffsetsRow, OperationRow, ProjectionBatch, ResultRow, RunRow, WorkflowOffsetsRow,
};
use crate::store::sql::fault::Fault;
use crate::store::sql::flat::{FlatOperation, FlatRun};
use crate::store::sql::micros::Micros;
use crate::store::sql::statements::{BUCKETS, UPDATE_RUN, add_metrics};
use crate::store::sql::text::{clean, clean_opt};
use crate::store::sql::{int, stretches};
use sqlx::postgres::PgBindIterExt;
use sqlx::{AssertSqlSafe, PgConnection};

/// Writes rows and position; the caller commits.
///
/// The position comes first: its row is the lock that keeps a second projector out until the commit.
pub async fn batch(connection: &mut PgConnection, batch: &ProjectionBatch) -> Result<(), Fault> {
    position::advance(connection, batch).await?;
    let partition = i64::from(batch.partition);
    runs(connection, partition, &batch.runs).await?;
    for rows in stretches(&batch.carried, |row| 256 + row.output.len()) {
        carried(connection, rows).await?;
    }
    for rows in stretches(&batch.results, weigh_result) {
        results(connection, rows).await?;
    }
    for rows in stretches(&batch.operations, |_| 512) {
        operations(connection, rows).await?;
    }
    for rows in stretches(&batch.errors, |row| 512 + row.message.len() + row.details.as_ref().map_or(0, |d| d.len())) {
        errors(connection, rows).await?;
    }
    letters::write(connection, partition, batch).await?;
    all_metrics(connection, partition, &batch.metrics).await?;
    for rows in stretches(&batch.offsets, |row| 64 + 20 * row.offsets.len()) {
        offsets(connection, rows).await?;
    }
    for rows in stretches(&batch.workflow_offsets, |row| 256 + 20 * row.offsets.len()) {
        workflow_offsets(connection, partition, rows).await?;
    }
    Ok(())
}

fn weigh_result(row: &ResultRow) -> usize {
    let failure = row.failure.as_ref();
    let failed = failure.map_or(0, |f| f.message.len() + f.details.as_ref().map_or(0, |d| d.len()));
    512 + row.output.as_ref().map_or(0, |output| output.len()) + failed
}

/// Binds one array for each closure over the rows.
macro_rules! columns {
    ($query:expr, $rows:expr, $($column:expr),+ $(,)?) => {
        $query$(.bind($rows.iter().map($column).bind_iter()))+
    };
}

pub(super) use columns;

async fn runs(connection: &mut PgConnection, partition: i64, rows: &[RunRow]) -> Result<(), Fault> {
    let insert = format!(
        "INSERT INTO orchestrator_workflow_states (partition, run_id, workflow_id, definition_name, \
         definition_version, definition_hash, conversation_id, status, sequence, nodes_completed, nodes_failed, \
         nodes_open, started_at, updated_at, ended_at, answer, error_node, error_class, error_code, error_message, \
         input, payload_hash, traceparent, origin_topic, origin_partition, origin_offset, origin_time, chain, state) \
         SELECT $1, * FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], \
         $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::timestamptz[], \
         $14::timestamptz[], $15::timestamptz[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], \
         $21::text[], $22::text[], $23::text[], $24::text[], $25::bigint[], $26::bigint[], $27::timestamptz[], \
         $28::bytea[], $29::text[]) ON CONFLICT (run_id) DO UPDATE SET {UPDATE_RUN}"
    );
    for rows in stretches(&FlatRun::all(rows)?, FlatRun::weight) {
        let query = columns!(
            sqlx::query(AssertSqlSafe(insert.as_str())).bind(partition),
            rows,
            |row| row.run.run_id.as_str(),
            |row| row.run.workflow_id.as_str(),
            |row| row.run.definition.name.as_str(),
            |row| i64::from(row.run.definition.version),
            |row| clean(&row.run.definition.hash.0),
            |row| row.run.conversation_id.as_ref().map(|id| id.as_str()),
            |row| row.run.status.as_str(),
            |row| int(row.run.sequence),
            |row| row.nodes[0],
            |row| row.nodes[1],
            |row| row.nodes[2],
            |row| Micros(row.run.started_at),
            |row| Micros(row.run.time),
            |row| row.run.ended_at.map(Micros),
            |row| clean_opt(row.answer()),
            |row| row.failure().and_then(|(node, _)| node).map(|id| id.as_str()),
            |row| row.failure().map(|(_, failure)| failure.class.as_str()),
            |row| row.failure().map(|(_, failure)| clean(&failure.code)),
            |row| row.failure().map(|(_, failure)| clean(&failure.message)),
            |row| clean(row.run.input.as_str()),
            |row| clean(&row.run.payload_hash),
            |row| clean_opt(row.run.traceparent.as_deref()),
            |row| clean(&row.run.origin.topic),
            |row| i64::from(row.run.origin.partition),
            |row| int(row.run.origin.offset),
            |row| Micros(row.run.origin.time),
            |row| row.chain,
            |row| row.state.as_str(),
        );
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn carried(connection: &mut PgConnection, rows: &[CarriedRow]) -> Result<(), Fault> {
    let query = columns!(
        sqlx::query(
            "INSERT INTO orchestrator_carried_outputs (run_id, node_id, output) \
             SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING"
        ),
        rows,
        |row| row.run_id.as_str(),
        |row| row.node_id.as_str(),
        |row| clean(row.output.as_str()),
    );
    query.execute(connection).await?;
    Ok(())
}

async fn results(connection: &mut PgConnection, rows: &[ResultRow]) -> Result<(), Fault> {
    let query = columns!(
        sqlx::query(
            "INSERT INTO orchestrator_agent_results (run_id, sequence, workflow_id, node_id, attempt, agent_name, \
             status, output, error_class, error_code, error_message, error_details, timeout_ms, scheduled_at, \
             started_at, ended_at, cost_nanos, input_tokens, output_tokens) SELECT * FROM UNNEST($1::text[], \
             $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], \
             $10::text[], $11::text[], $12::text[], $13::bigint[], $14::timestamptz[], $15::timestamptz[], \
             $16::timestamptz[], $17::bigint[], $18::bigint[], $19::bigint[]) ON CONFLICT DO NOTHING"
        ),
        rows,
        |row| row.run_id.as_str(),
        |row| int(row.sequence),
        |row| row.workflow_id.as_str(),
        |row| row.node_id.as_str(),
        |row| i64::from(row.attempt),
        |row| row.agent_name.as_str(),
        |row| row.status.as_str(),
        |row| row.output.as_ref().map(|output| clean(output.as_str())),
        |row| row.failure.as_ref().map(|failure| failure.class.as_str()),
        |row| row.failure.as_ref().map(|failure| clean(&failure.code)),
        |row| row.failure.as_ref().map(|failure| clean(&failure.message)),
        |row| row.failure.as_ref().and_then(|failure| failure.details.as_ref()).map(|json| clean(json.as_str())),
        |row| int(row.timeout_ms),
        |row| Micros(row.scheduled_at),
        |row| row.started_at.map(Micros),
        |row| Micros(row.ended_at),
        |row| row.usage.map(|usage| int(usage.cost.nanos())),
        |row| row.usage.map(|usage| int(usage.input_tokens)),
        |row| row.usage.map(|usage| int(usage.output_tokens)),
    );
    query.execute(connection).await?;
    Ok(())
}

async fn operations(connection: &mut PgConnection, rows: &[OperationRow]) -> Result<(), Fault> {
    let flat: Vec<(&OperationRow, FlatOperation)> = rows.iter().map(|row| (row, row.into())).collect();
    let query = columns!(
        sqlx::query(
            "INSERT INTO orchestrator_operation_logs (subject, sequence, workflow_id, time, operation, node_id, \
             agent_name, attempt, status, duration_us, from_status, to_status, reason, message, to_partition) \
             SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], \
             $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], \
             $14::text[], $15::bigint[]) ON CONFLICT DO NOTHING"
        ),
        flat,
        |(row, _)| row.subject.as_str(),
        |(row, _)| int(row.sequence),
        |(row, _)| row.workflow_id.as_str(),
        |(row, _)| Micros(row.time),
        |(_, flat)| flat.operation,
        |(_, flat)| flat.node_id,
        |(_, flat)| flat.agent_name,
        |(_, flat)| flat.attempt,
        |(_, flat)| flat.status,
        |(_, flat)| flat.duration_us,
        |(_, flat)| flat.from_status,
        |(_, flat)| flat.to_status,
        |(_, flat)| clean_opt(flat.reason),
        |(_, flat)| clean_opt(flat.message),
        |(_, flat)| flat.to_partition,
    );
    query.execute(connection).await?;
    Ok(())
}

async fn errors(connection: &mut PgConnection, rows: &[ErrorRow]) -> Result<(), Fault> {
    let query = columns!(
        sqlx::query(
            "INSERT INTO orchestrator_error_logs (subject, sequence, event, workflow_id, node_id, agent_name, \
             attempt, class, code, message, details, fingerprint, time) SELECT * FROM UNNEST($1::text[], \
             $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[], \
             $10::text[], $11::text[], $12::text[], $13::timestamptz[]) ON CONFLICT DO NOTHING"
        ),
        rows,
        |row| row.subject.as_str(),
        |row| int(row.sequence),
        |row| row.event,
        |row| row.workflow_id.as_ref().map(|id| id.as_str()),
        |row| row.node_id.as_ref().map(|id| id.as_str()),
        |row| row.agent_name.as_ref().map(|name| name.as_str()),
        |row| row.attempt.map(i64::from),
        |row| row.class.map(|class| class.as_str()),
        |row| clean(&row.code),
        |row| clean(&row.message),
        |row| row.details.as_ref().map(|details| clean(details.as_str())),
        |row| row.fingerprint.as_str(),
        |row| Micros(row.time),
    );
    query.execute(connection).await?;
    Ok(())
}

/// Adds to the metrics.
pub async fn all_metrics(connection: &mut PgConnection, partition: i64, rows: &[MetricRow]) -> Result<(), Fault> {
    for rows in stretches(rows, |_| 256) {
        metrics(connection, partition, rows).await?;
    }
    Ok(())
}

async fn metrics(connection: &mut PgConnection, partition: i64, rows: &[MetricRow]) -> Result<(), Fault> {
    let arrays = (4..=9 + BUCKETS.len()).map(|n| format!(", ${n}::bigint[]")).collect::<String>();
    let insert = format!(
        "INSERT INTO orchestrator_performance_metrics AS m (partition, agent_name, minute, calls, failures, \
         duration_us, cost_nanos, input_tokens, output_tokens, {}) SELECT $1, * FROM UNNEST($2::text[], $3::timestamptz[]{arrays}) \
         ON CONFLICT (partition, agent_name, minute) DO UPDATE SET {}",
        BUCKETS.join(", "),
        add_metrics()
    );
    let mut query = columns!(
        sqlx::query(AssertSqlSafe(insert)).bind(partition),
        rows,
        |row| row.agent_name.as_str(),
        |row| Micros(row.minute),
        |row| int(row.calls),
        |row| int(row.failures),
        |row| int(row.duration_us),
        |row| int(row.usage.cost.nanos()),
        |row| int(row.usage.input_tokens),
        |row| int(row.usage.output_tokens),
    );
    for bucket in 0..BUCKETS.len() {
        query = query.bind(rows.iter().map(|row| int(row.buckets[bucket])).bind_iter());
    }
    query.execute(connection).await?;
    Ok(())
}

async fn offsets(connection: &mut PgConnection, rows: &[OffsetsRow]) -> Result<(), Fault> {
    let query = columns!(
        sqlx::query(
            "INSERT INTO orchestrator_run_offsets (run_id, first_offset, offsets) \
             SELECT run_id, first_offset, offsets::bigint[] \
             FROM UNNEST($1::text[], $2::bigint[], $3::text[]) AS u (run_id, first_offset, offsets) \
             ON CONFLICT DO NOTHING"
        ),
        rows,
        |row| row.run_id.as_str(),
        |row| int(row.offsets.first().copied().unwrap_or(0)),
        |row| list(&row.offsets),
    );
    query.execute(connection).await?;
    Ok(())
}

async fn workflow_offsets(
    connection: &mut PgConnection,
    partition: i64,
    rows: &[WorkflowOffsetsRow],
) -> Result<(), Fault> {
    let query = columns!(
        sqlx::query(
            "INSERT INTO orchestrator_workflow_offsets (partition, workflow_id, first_offset, offsets) \
             SELECT $1, workflow_id, first_offset, offsets::bigint[] \
             FROM UNNEST($2::text[], $3::bigint[], $4::text[]) AS u (workflow_id, first_offset, offsets) \
             ON CONFLICT DO NOTHING"
        )
        .bind(partition),
        rows,
        |row| row.workflow_id.as_str(),
        |row| int(row.offsets.first().copied().unwrap_or(0)),
        |row| list(&row.offsets),
    );
    query.execute(connection).await?;
    Ok(())
}

/// An array of numbers, as Postgres writes it.
fn list(offsets: &[u64]) -> String {
    let numbers: Vec<String> = offsets.iter().map(u64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}
