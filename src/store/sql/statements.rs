//! The questions, in SQL that both databases understand.

use crate::store::query::RowsOf;
use sqlx::AssertSqlSafe;
use std::sync::LazyLock;

macro_rules! run_columns {
    () => {
        "run_id, workflow_id, partition, definition_name, definition_version, definition_hash, conversation_id, \
         status, sequence, nodes_completed, nodes_failed, nodes_open, started_at, updated_at, ended_at, answer, input, \
         payload_hash, traceparent, origin_topic, origin_partition, origin_offset, origin_time, chain, state"
    };
}

macro_rules! result_columns {
    () => {
        "r.run_id, r.sequence, r.workflow_id, r.node_id, r.attempt, r.agent_name, r.status, r.output, r.error_class, \
         r.error_code, r.error_message, r.error_details, r.timeout_ms, r.scheduled_at, r.started_at, r.ended_at, \
         r.cost_nanos, r.input_tokens, r.output_tokens"
    };
}

/// $1 partition.
pub const POSITION: &str =
    "SELECT partition, format, position, generation FROM orchestrator_projector_positions WHERE partition = $1";

/// All partitions.
pub const POSITIONS: &str =
    "SELECT partition, format, position, generation FROM orchestrator_projector_positions ORDER BY partition";

/// The first position of a partition: $1 partition, $2 format, $3 next offset, $4 to $6 mark, $7 time, $8 position.
pub const FIRST_POSITION: &str = "INSERT INTO orchestrator_projector_positions \
     (partition, format, next_offset, mark_offset, mark_term, mark_number, time, position) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (partition) DO NOTHING";

/// The next position, if the one that is there is the expected one: as [`FIRST_POSITION`], then $9 to $12 the
/// expected next offset and mark, $13 the generation of the tables, which stays.
pub const NEXT_POSITION: &str = "UPDATE orchestrator_projector_positions SET \
     format = $2, next_offset = $3, mark_offset = $4, mark_term = $5, mark_number = $6, time = $7, position = $8 \
     WHERE partition = $1 AND format <= $2 AND next_offset = $9 AND mark_offset IS NOT DISTINCT FROM $10 \
     AND mark_term IS NOT DISTINCT FROM $11 AND mark_number IS NOT DISTINCT FROM $12 AND generation = $13";

/// $1 partition.
pub const UNFINISHED_RUNS: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM orchestrator_workflow_states WHERE partition = $1 AND ended_at IS NULL ORDER BY run_id"
);

/// The outputs of unfinished runs: $1 partition.
pub const UNFINISHED_RESULTS: &str = concat!(
    "SELECT ",
    result_columns!(),
    " FROM orchestrator_workflow_states s JOIN orchestrator_agent_results r ON r.run_id = s.run_id \
     WHERE s.partition = $1 AND s.ended_at IS NULL AND r.status IN ('completed', 'recovered', 'skipped') ORDER BY r.run_id, r.sequence"
);

/// What unfinished runs have taken over: $1 partition.
pub const UNFINISHED_CARRIED: &str = "SELECT c.run_id, c.node_id, c.output FROM orchestrator_workflow_states s \
     JOIN orchestrator_carried_outputs c ON c.run_id = s.run_id WHERE s.partition = $1 AND s.ended_at IS NULL";

/// $1 run.
pub const CARRIED: &str = "SELECT run_id, node_id, output FROM orchestrator_carried_outputs WHERE run_id = $1";

/// $1 partition, $2 since, $3 limit.
pub const ENDED_RUNS: &str = "SELECT workflow_id, run_id, payload_hash, status, ended_at, origin_topic, origin_partition, \
     origin_offset, origin_time FROM orchestrator_workflow_states \
     WHERE partition = $1 AND ended_at IS NOT NULL AND ended_at >= $2 ORDER BY ended_at DESC, run_id DESC LIMIT $3";

/// $1 status, $2 definition (null: any), $3 limit.
pub const LIST_RUNS: &str = "SELECT workflow_id, run_id, partition, definition_name, definition_version, status, \
     nodes_completed, nodes_failed, nodes_open, started_at, ended_at FROM orchestrator_workflow_states \
     WHERE (CAST($1 AS text) IS NULL OR status = $1) AND (CAST($2 AS text) IS NULL OR definition_name = $2) \
     ORDER BY started_at DESC, run_id DESC LIMIT $3";

/// $1 workflow, $2 run (null: the newest).
pub const ONE_RUN: &str = concat!(
    "SELECT error_node, error_class, error_code, error_message, ",
    run_columns!(),
    " FROM orchestrator_workflow_states WHERE workflow_id = $1 AND (CAST($2 AS text) IS NULL OR run_id = $2) \
     ORDER BY started_at DESC, run_id DESC LIMIT 1"
);

/// $1 run.
const RUN: &str = concat!(
    "SELECT error_node, error_class, error_code, error_message, ",
    run_columns!(),
    " FROM orchestrator_workflow_states WHERE run_id = $1"
);

/// $1 run.
pub const RESULTS: &str =
    concat!("SELECT ", result_columns!(), " FROM orchestrator_agent_results r WHERE r.run_id = $1 ORDER BY r.sequence");

/// $1 run or `partition-N`, $2 and $3 first and last number.
pub const OPERATIONS: &str = "SELECT subject, sequence, workflow_id, time, operation, node_id, agent_name, attempt, \
     status, duration_us, from_status, to_status, reason, message, to_partition FROM orchestrator_operation_logs \
     WHERE subject = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence";

/// $1 run or `partition-N`, $2 and $3 first and last number.
pub const ERRORS: &str = "SELECT subject, sequence, event, workflow_id, node_id, agent_name, attempt, class, code, \
     message, details, fingerprint, time FROM orchestrator_error_logs WHERE subject = $1 \
     AND sequence BETWEEN $2 AND $3 ORDER BY sequence";

macro_rules! metrics {
    ($which:literal) => {
        concat!(
            "SELECT partition, agent_name, minute, calls, failures, duration_us, cost_nanos, input_tokens, \
             output_tokens, upto_5ms, upto_10ms, upto_25ms, upto_50ms, upto_100ms, upto_250ms, upto_500ms, upto_1s, \
             upto_5s, upto_15s, upto_60s, upto_300s, longer FROM orchestrator_performance_metrics WHERE ",
            $which,
            " ORDER BY partition, agent_name, minute"
        )
    };
}

/// All agents and the minutes since $1.
pub const METRICS: &str = metrics!("minute >= $1");

/// All agents and minutes of the partition $1.
pub const METRICS_OF: &str = metrics!("partition = $1");

/// Whose rows a table has: $1 after, $2 limit.
pub fn owners(of: RowsOf) -> AssertSqlSafe<String> {
    let (table, column) = (of.table(), of.column());
    AssertSqlSafe(format!("SELECT DISTINCT {column} FROM {table} WHERE {column} > $1 ORDER BY {column} LIMIT $2"))
}

/// The columns of the duration histogram, in the order of [`crate::store::row::DURATION_BUCKETS_MS`].
pub const BUCKETS: [&str; 13] = [
    "upto_5ms",
    "upto_10ms",
    "upto_25ms",
    "upto_50ms",
    "upto_100ms",
    "upto_250ms",
    "upto_500ms",
    "upto_1s",
    "upto_5s",
    "upto_15s",
    "upto_60s",
    "upto_300s",
    "longer",
];

/// $1 run.
pub const OFFSETS: &str = "SELECT run_id, CAST(offsets AS text) AS offsets FROM orchestrator_run_offsets WHERE run_id = $1 \
     ORDER BY first_offset";

/// How many runs are asked for at once.
pub const RUNS_AT_ONCE: usize = 64;

/// The questions about one run, of [`RUNS_AT_ONCE`] and of all their events: as many parameters. An array is not the same
/// in both databases.
pub struct OfSeveral {
    pub runs: String,
    pub carried: String,
    pub results: String,
    pub operations: String,
    pub errors: String,
    pub offsets: String,
}

pub static OF_SEVERAL: LazyLock<OfSeveral> = LazyLock::new(|| {
    let places: Vec<_> = (1..=RUNS_AT_ONCE).map(|n| format!("${n}")).collect();
    let among = format!(" IN ({})", places.join(", "));
    let several = |one: &str| one.replace(" AND sequence BETWEEN $2 AND $3", "").replace(" = $1", &among);
    OfSeveral {
        runs: several(RUN),
        carried: several(CARRIED),
        results: several(RESULTS),
        operations: several(OPERATIONS),
        errors: several(ERRORS),
        offsets: several(OFFSETS),
    }
});

/// $1 partition, $2 workflow.
pub const WORKFLOW_OFFSETS: &str = "SELECT CAST(offsets AS text) AS offsets FROM orchestrator_workflow_offsets \
     WHERE partition = $1 AND workflow_id = $2 ORDER BY first_offset";

/// $1 partition.
pub const ALL_WORKFLOW_OFFSETS: &str = "SELECT workflow_id, CAST(offsets AS text) AS offsets \
     FROM orchestrator_workflow_offsets WHERE partition = $1 ORDER BY workflow_id, first_offset";

/// What of a run's row changes after its first writing, for `ON CONFLICT (run_id) DO UPDATE SET`.
pub const UPDATE_RUN: &str = "status = excluded.status, sequence = excluded.sequence, \
     nodes_completed = excluded.nodes_completed, nodes_failed = excluded.nodes_failed, \
     nodes_open = excluded.nodes_open, updated_at = excluded.updated_at, ended_at = excluded.ended_at, \
     answer = excluded.answer, error_node = excluded.error_node, error_class = excluded.error_class, \
     error_code = excluded.error_code, error_message = excluded.error_message, chain = excluded.chain, \
     state = excluded.state";

/// How metrics add up, for `ON CONFLICT (partition, agent_name, minute) DO UPDATE SET`; `m` is the table.
pub fn add_metrics() -> String {
    let columns =
        ["calls", "failures", "duration_us", "cost_nanos", "input_tokens", "output_tokens"].into_iter().chain(BUCKETS);
    columns.map(|column| format!("{column} = m.{column} + excluded.{column}")).collect::<Vec<_>>().join(", ")
}
