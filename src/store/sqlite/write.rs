//! Writing a batch: statements of many rows each, in few shapes, so that they are prepared once.

use super::{letters, position};
use crate::store::row::{CarriedRow, ErrorRow, MetricRow, OffsetsRow, OperationRow, ProjectionBatch, ResultRow};
use crate::store::sql::fault::Fault;
use crate::store::sql::flat::{FlatOperation, FlatRun};
use crate::store::sql::int;
use crate::store::sql::micros::Micros;
use crate::store::sql::statements::{BUCKETS, UPDATE_RUN, add_metrics};
use crate::store::sql::text::{clean, clean_opt};
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

/// How many rows a statement has: what is left over goes into smaller ones.
const ROWS: [usize; 3] = [64, 8, 1];

pub(super) type Statement = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// Writes rows and position; the caller commits.
pub async fn batch(connection: &mut SqliteConnection, batch: &ProjectionBatch) -> Result<(), Fault> {
    position::advance(connection, batch).await?;
    let partition = i64::from(batch.partition);
    let runs = FlatRun::all(&batch.runs)?;
    insert(connection, &runs_table(), &runs, |query, row| bind_run(query, partition, row)).await?;
    insert(connection, &carried_table(), &batch.carried, bind_carried).await?;
    insert(connection, &results_table(), &batch.results, bind_result).await?;
    insert(connection, &operations_table(), &batch.operations, bind_operation).await?;
    insert(connection, &errors_table(), &batch.errors, bind_error).await?;
    letters::write(connection, partition, batch).await?;
    insert(connection, &metrics_table(), &batch.metrics, |query, row| bind_metric(query, partition, row)).await?;
    insert(connection, &offsets_table(), &batch.offsets, bind_offsets).await?;
    let workflow_offsets = &batch.workflow_offsets;
    insert(connection, &workflow_offsets_table(), workflow_offsets, |query, row| {
        bind_numbers(query.bind(partition).bind(row.workflow_id.as_str()), &row.offsets)
    })
    .await
}

/// Where rows go, and what to do with one that is there.
pub(super) struct Target {
    table: &'static str,
    pub(super) columns: Vec<&'static str>,
    conflict: String,
}

impl Target {
    pub(super) fn new(table: &'static str, columns: &'static str, conflict: impl Into<String>) -> Self {
        Self { table, columns: columns.split_whitespace().collect(), conflict: conflict.into() }
    }

    /// The statement for so many rows.
    fn statement(&self, rows: usize) -> String {
        let Self { table, columns, conflict } = self;
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        let values = vec![row.as_str(); rows].join(", ");
        format!("INSERT INTO {table} AS m ({}) VALUES {values} ON CONFLICT {conflict}", columns.join(", "))
    }
}

pub(super) async fn insert<R>(
    connection: &mut SqliteConnection,
    target: &Target,
    mut rows: &[R],
    bind: impl Fn(Statement, &R) -> Statement,
) -> Result<(), Fault> {
    for size in ROWS {
        let statement = target.statement(size);
        while let Some((some, rest)) = rows.split_at_checked(size) {
            let query = some.iter().fold(sqlx::query(AssertSqlSafe(statement.as_str())), &bind);
            query.execute(&mut *connection).await?;
            rows = rest;
        }
    }
    Ok(())
}

fn runs_table() -> Target {
    let columns = "partition run_id workflow_id definition_name definition_version definition_hash conversation_id \
                   status sequence nodes_completed nodes_failed nodes_open started_at updated_at ended_at answer \
                   error_node error_class error_code error_message input payload_hash traceparent origin_topic \
                   origin_partition origin_offset origin_time chain state";
    Target::new("orchestrator_workflow_states", columns, format!("(run_id) DO UPDATE SET {UPDATE_RUN}"))
}

fn bind_run(query: Statement, partition: i64, row: &FlatRun) -> Statement {
    let failure = row.failure();
    query
        .bind(partition)
        .bind(row.run.run_id.as_str())
        .bind(row.run.workflow_id.as_str())
        .bind(row.run.definition.name.as_str())
        .bind(i64::from(row.run.definition.version))
        .bind(clean(&row.run.definition.hash.0))
        .bind(row.run.conversation_id.as_ref().map(|id| id.as_str()))
        .bind(row.run.status.as_str())
        .bind(int(row.run.sequence))
        .bind(row.nodes[0])
        .bind(row.nodes[1])
        .bind(row.nodes[2])
        .bind(Micros(row.run.started_at))
        .bind(Micros(row.run.time))
        .bind(row.run.ended_at.map(Micros))
        .bind(clean_opt(row.answer()))
        .bind(failure.and_then(|(node, _)| node).map(|id| id.as_str()))
        .bind(failure.map(|(_, failure)| failure.class.as_str()))
        .bind(failure.map(|(_, failure)| clean(&failure.code)))
        .bind(failure.map(|(_, failure)| clean(&failure.message)))
        .bind(clean(row.run.input.as_str()))
        .bind(clean(&row.run.payload_hash))
        .bind(clean_opt(row.run.traceparent.as_deref()))
        .bind(clean(&row.run.origin.topic))
        .bind(i64::from(row.run.origin.partition))
        .bind(int(row.run.origin.offset))
        .bind(Micros(row.run.origin.time))
        .bind(row.chain)
        .bind(row.state.as_str())
}

fn carried_table() -> Target {
    Target::new("orchestrator_carried_outputs", "run_id node_id output", "DO NOTHING")
}

fn bind_carried(query: Statement, row: &CarriedRow) -> Statement {
    query.bind(row.run_id.as_str()).bind(row.node_id.as_str()).bind(clean(row.output.as_str()))
}

fn results_table() -> Target {
    let columns = "run_id sequence workflow_id node_id attempt agent_name status output error_class error_code \
                   error_message error_details timeout_ms scheduled_at started_at ended_at cost_nanos input_tokens output_tokens";
    Target::new("orchestrator_agent_results", columns, "DO NOTHING")
}

fn bind_result(query: Statement, row: &ResultRow) -> Statement {
    let failure = row.failure.as_ref();
    query
        .bind(row.run_id.as_str())
        .bind(int(row.sequence))
        .bind(row.workflow_id.as_str())
        .bind(row.node_id.as_str())
        .bind(i64::from(row.attempt))
        .bind(row.agent_name.as_str())
        .bind(row.status.as_str())
        .bind(row.output.as_ref().map(|output| clean(output.as_str())))
        .bind(failure.map(|failure| failure.class.as_str()))
        .bind(failure.map(|failure| clean(&failure.code)))
        .bind(failure.map(|failure| clean(&failure.message)))
        .bind(failure.and_then(|failure| failure.details.as_ref()).map(|details| clean(details.as_str())))
        .bind(int(row.timeout_ms))
        .bind(Micros(row.scheduled_at))
        .bind(row.started_at.map(Micros))
        .bind(Micros(row.ended_at))
        .bind(row.usage.map(|usage| int(usage.cost.nanos())))
        .bind(row.usage.map(|usage| int(usage.input_tokens)))
        .bind(row.usage.map(|usage| int(usage.output_tokens)))
}

fn operations_table() -> Target {
    let columns = "subject sequence workflow_id time operation node_id agent_name attempt status duration_us \
                   from_status to_status reason message to_partition";
    Target::new("orchestrator_operation_logs", columns, "DO NOTHING")
}

fn bind_operation(query: Statement, row: &OperationRow) -> Statement {
    let flat = FlatOperation::from(row);
    query
        .bind(row.subject.as_str())
        .bind(int(row.sequence))
        .bind(row.workflow_id.as_str())
        .bind(Micros(row.time))
        .bind(flat.operation)
        .bind(flat.node_id)
        .bind(flat.agent_name)
        .bind(flat.attempt)
        .bind(flat.status)
        .bind(flat.duration_us)
        .bind(flat.from_status)
        .bind(flat.to_status)
        .bind(clean_opt(flat.reason))
        .bind(clean_opt(flat.message))
        .bind(flat.to_partition)
}

fn errors_table() -> Target {
    let columns =
        "subject sequence event workflow_id node_id agent_name attempt class code message details fingerprint time";
    Target::new("orchestrator_error_logs", columns, "DO NOTHING")
}

fn bind_error(query: Statement, row: &ErrorRow) -> Statement {
    query
        .bind(row.subject.as_str())
        .bind(int(row.sequence))
        .bind(row.event)
        .bind(row.workflow_id.as_ref().map(|id| id.as_str()))
        .bind(row.node_id.as_ref().map(|id| id.as_str()))
        .bind(row.agent_name.as_ref().map(|name| name.as_str()))
        .bind(row.attempt.map(i64::from))
        .bind(row.class.map(|class| class.as_str()))
        .bind(clean(&row.code))
        .bind(clean(&row.message))
        .bind(row.details.as_ref().map(|details| clean(details.as_str())))
        .bind(row.fingerprint.as_str())
        .bind(Micros(row.time))
}

fn metrics_table() -> Target {
    let columns = "partition agent_name minute calls failures duration_us cost_nanos input_tokens output_tokens";
    let conflict = format!("(partition, agent_name, minute) DO UPDATE SET {}", add_metrics());
    let mut target = Target::new("orchestrator_performance_metrics", columns, conflict);
    target.columns.extend(BUCKETS);
    target
}

fn bind_metric(query: Statement, partition: i64, row: &MetricRow) -> Statement {
    let query = query
        .bind(partition)
        .bind(row.agent_name.as_str())
        .bind(Micros(row.minute))
        .bind(int(row.calls))
        .bind(int(row.failures))
        .bind(int(row.duration_us))
        .bind(int(row.usage.cost.nanos()))
        .bind(int(row.usage.input_tokens))
        .bind(int(row.usage.output_tokens));
    row.buckets.iter().fold(query, |query, calls| query.bind(int(*calls)))
}

fn offsets_table() -> Target {
    Target::new("orchestrator_run_offsets", "run_id first_offset offsets", "DO NOTHING")
}

fn bind_offsets(query: Statement, row: &OffsetsRow) -> Statement {
    bind_numbers(query.bind(row.run_id.as_str()), &row.offsets)
}

fn workflow_offsets_table() -> Target {
    Target::new("orchestrator_workflow_offsets", "partition workflow_id first_offset offsets", "DO NOTHING")
}

/// The first of the offsets, and all.
fn bind_numbers(query: Statement, offsets: &[u64]) -> Statement {
    let numbers: Vec<String> = offsets.iter().map(u64::to_string).collect();
    query.bind(int(offsets.first().copied().unwrap_or(0))).bind(format!("[{}]", numbers.join(",")))
}
