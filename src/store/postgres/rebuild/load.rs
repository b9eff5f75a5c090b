//! Loading a batch: `COPY` into tables without indexes.
//!
//! A run that goes on has a row for each batch that moved it, until [`PRUNE`], which comes before all questions.

use super::copy::Copy;
use crate::store::postgres::{letters, position, write};
use crate::store::row::{
    CarriedRow, ErrorRow, OffsetsRow, OperationRow, ProjectionBatch, ResultRow, RunRow, WorkflowOffsetsRow,
};
use crate::store::sql::fault::Fault;
use crate::store::sql::flat::{FlatOperation, FlatRun};
use crate::store::sql::int;
use crate::store::sql::text::{clean, clean_opt};
use sqlx::PgConnection;

/// The tables that are loaded so. The others have few rows, or rows that several batches write to: they keep their
/// keys, and are written as ever.
pub const LOADED: [&str; 7] = [
    "orchestrator_workflow_states",
    "orchestrator_carried_outputs",
    "orchestrator_agent_results",
    "orchestrator_operation_logs",
    "orchestrator_error_logs",
    "orchestrator_run_offsets",
    "orchestrator_workflow_offsets",
];

/// Leaves the newest row of each run, of all partitions or of $1. One that has ended is the newest.
pub const PRUNE: &str = "DELETE FROM orchestrator_workflow_states old USING orchestrator_workflow_states new \
     WHERE old.ended_at IS NULL AND new.run_id = old.run_id AND new.sequence > old.sequence \
     AND ($1::bigint IS NULL OR (old.partition = $1 AND new.partition = $1))";

/// Makes the runs of a partition fit to be asked for, in the midst of loading.
pub async fn prune(connection: &mut PgConnection, partition: u32) -> Result<(), Fault> {
    if position::read(&mut *connection, partition).await?.is_some() {
        sqlx::query(PRUNE).bind(i64::from(partition)).execute(connection).await?;
    }
    Ok(())
}

/// Writes rows and position; the caller commits.
pub async fn batch(connection: &mut PgConnection, batch: &ProjectionBatch) -> Result<(), Fault> {
    position::advance(connection, batch).await?;
    let partition = i64::from(batch.partition);
    runs(partition, &batch.runs)?.send(connection).await?;
    carried(&batch.carried).send(connection).await?;
    results(&batch.results).send(connection).await?;
    operations(&batch.operations).send(connection).await?;
    errors(&batch.errors).send(connection).await?;
    offsets(&batch.offsets).send(connection).await?;
    workflow_offsets(partition, &batch.workflow_offsets).send(connection).await?;
    letters::write(connection, partition, batch).await?;
    write::all_metrics(connection, partition, &batch.metrics).await
}

fn runs(partition: i64, rows: &[RunRow]) -> Result<Copy, Fault> {
    let columns = [
        "partition",
        "run_id",
        "workflow_id",
        "definition_name",
        "definition_version",
        "definition_hash",
        "conversation_id",
        "status",
        "sequence",
        "nodes_completed",
        "nodes_failed",
        "nodes_open",
        "started_at",
        "updated_at",
        "ended_at",
        "answer",
        "error_node",
        "error_class",
        "error_code",
        "error_message",
        "input",
        "payload_hash",
        "traceparent",
        "origin_topic",
        "origin_partition",
        "origin_offset",
        "origin_time",
        "chain",
        "state",
    ];
    let mut copy = Copy::new("orchestrator_workflow_states", &columns);
    for row in rows {
        let flat = FlatRun::new(row)?;
        let (run, failure) = (flat.run, flat.failure());
        copy.row()
            .int(partition)
            .text(run.run_id.as_str())
            .text(run.workflow_id.as_str())
            .text(run.definition.name.as_str())
            .int(i64::from(run.definition.version))
            .text(clean(&run.definition.hash.0))
            .text_opt(run.conversation_id.as_ref().map(|id| id.as_str()))
            .text(run.status.as_str())
            .int(int(run.sequence))
            .int(flat.nodes[0])
            .int(flat.nodes[1])
            .int(flat.nodes[2])
            .time(run.started_at)
            .time(run.time)
            .time_opt(run.ended_at)
            .text_opt(clean_opt(flat.answer()))
            .text_opt(failure.and_then(|(node, _)| node).map(|id| id.as_str()))
            .text_opt(failure.map(|(_, failure)| failure.class.as_str()))
            .text_opt(failure.map(|(_, failure)| clean(&failure.code)))
            .text_opt(failure.map(|(_, failure)| clean(&failure.message)))
            .text(clean(run.input.as_str()))
            .text(clean(&run.payload_hash))
            .text_opt(clean_opt(run.traceparent.as_deref()))
            .text(clean(&run.origin.topic))
            .int(i64::from(run.origin.partition))
            .int(int(run.origin.offset))
            .time(run.origin.time)
            .bytes(flat.chain)
            .text(&flat.state);
    }
    Ok(copy)
}

fn carried(rows: &[CarriedRow]) -> Copy {
    let mut copy = Copy::new("orchestrator_carried_outputs", &["run_id", "node_id", "output"]);
    for row in rows {
        copy.row().text(row.run_id.as_str()).text(row.node_id.as_str()).text(clean(row.output.as_str()));
    }
    copy
}

fn results(rows: &[ResultRow]) -> Copy {
    let columns = [
        "run_id",
        "sequence",
        "workflow_id",
        "node_id",
        "attempt",
        "agent_name",
        "status",
        "output",
        "error_class",
        "error_code",
        "error_message",
        "error_details",
        "timeout_ms",
        "scheduled_at",
        "started_at",
        "ended_at",
        "cost_nanos",
        "input_tokens",
        "output_tokens",
    ];
    let mut copy = Copy::new("orchestrator_agent_results", &columns);
    for row in rows {
        let failure = row.failure.as_ref();
        copy.row()
            .text(row.run_id.as_str())
            .int(int(row.sequence))
            .text(row.workflow_id.as_str())
            .text(row.node_id.as_str())
            .int(i64::from(row.attempt))
            .text(row.agent_name.as_str())
            .text(row.status.as_str())
            .text_opt(row.output.as_ref().map(|output| clean(output.as_str())))
            .text_opt(failure.map(|failure| failure.class.as_str()))
            .text_opt(failure.map(|failure| clean(&failure.code)))
            .text_opt(failure.map(|failure| clean(&failure.message)))
            .text_opt(failure.and_then(|failure| failure.details.as_ref()).map(|details| clean(details.as_str())))
            .int(int(row.timeout_ms))
            .time(row.scheduled_at)
            .time_opt(row.started_at)
            .time(row.ended_at)
            .int_opt(row.usage.map(|usage| int(usage.cost.nanos())))
            .int_opt(row.usage.map(|usage| int(usage.input_tokens)))
            .int_opt(row.usage.map(|usage| int(usage.output_tokens)));
    }
    copy
}

fn operations(rows: &[OperationRow]) -> Copy {
    let columns = [
        "subject",
        "sequence",
        "workflow_id",
        "time",
        "operation",
        "node_id",
        "agent_name",
        "attempt",
        "status",
        "duration_us",
        "from_status",
        "to_status",
        "reason",
        "message",
        "to_partition",
    ];
    let mut copy = Copy::new("orchestrator_operation_logs", &columns);
    for row in rows {
        let flat = FlatOperation::from(row);
        copy.row()
            .text(&row.subject)
            .int(int(row.sequence))
            .text(row.workflow_id.as_str())
            .time(row.time)
            .text(flat.operation)
            .text_opt(flat.node_id)
            .text_opt(flat.agent_name)
            .int_opt(flat.attempt)
            .text_opt(flat.status)
            .int_opt(flat.duration_us)
            .text_opt(flat.from_status)
            .text_opt(flat.to_status)
            .text_opt(clean_opt(flat.reason))
            .text_opt(clean_opt(flat.message))
            .int_opt(flat.to_partition);
    }
    copy
}

fn errors(rows: &[ErrorRow]) -> Copy {
    let columns = [
        "subject",
        "sequence",
        "event",
        "workflow_id",
        "node_id",
        "agent_name",
        "attempt",
        "class",
        "code",
        "message",
        "details",
        "fingerprint",
        "time",
    ];
    let mut copy = Copy::new("orchestrator_error_logs", &columns);
    for row in rows {
        copy.row()
            .text(&row.subject)
            .int(int(row.sequence))
            .text(row.event)
            .text_opt(row.workflow_id.as_ref().map(|id| id.as_str()))
            .text_opt(row.node_id.as_ref().map(|id| id.as_str()))
            .text_opt(row.agent_name.as_ref().map(|name| name.as_str()))
            .int_opt(row.attempt.map(i64::from))
            .text_opt(row.class.map(|class| class.as_str()))
            .text(clean(&row.code))
            .text(clean(&row.message))
            .text_opt(row.details.as_ref().map(|details| clean(details.as_str())))
            .text(&row.fingerprint)
            .time(row.time);
    }
    copy
}

fn offsets(rows: &[OffsetsRow]) -> Copy {
    let mut copy = Copy::new("orchestrator_run_offsets", &["run_id", "first_offset", "offsets"]);
    for row in rows {
        let offsets = numbers(&row.offsets);
        copy.row().text(row.run_id.as_str()).int(first(&offsets)).ints(&offsets);
    }
    copy
}

fn workflow_offsets(partition: i64, rows: &[WorkflowOffsetsRow]) -> Copy {
    let columns = ["partition", "workflow_id", "first_offset", "offsets"];
    let mut copy = Copy::new("orchestrator_workflow_offsets", &columns);
    for row in rows {
        let offsets = numbers(&row.offsets);
        copy.row().int(partition).text(row.workflow_id.as_str()).int(first(&offsets)).ints(&offsets);
    }
    copy
}

fn numbers(offsets: &[u64]) -> Vec<i64> {
    offsets.iter().copied().map(int).collect()
}

fn first(offsets: &[i64]) -> i64 {
    offsets.first().copied().unwrap_or(0)
}
