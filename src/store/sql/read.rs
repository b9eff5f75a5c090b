//! Rows back to types.

use super::cells::{Cells, wrong};
use super::state;
use super::statements::BUCKETS;
use crate::core::command::Origin;
use crate::core::definition::{DefinitionHash, DefinitionRef};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::{ConversationId, IllegalId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::run::{NodeRun, Outcome, Run};
use crate::core::status::{NodeStatus, Status};
use crate::core::usage::{Cost, Usage};
use crate::store::query::{StoredFailure, StoredRow, Summary};
use crate::store::rebuild::Change;
use crate::store::row::{CarriedRow, ErrorRow, MetricRow, Operation, OperationRow, ResultRow};
use crate::store::{EndedRun, Position, STATE_FORMAT, StoreError, StoredRun};
use std::collections::BTreeMap;

/// A text that is an id or a name.
pub(super) fn id<T: std::str::FromStr<Err = IllegalId>>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|e| wrong(column, format!("{text:?} ({e})")))
}

pub(super) fn id_opt<T: std::str::FromStr<Err = IllegalId>>(
    row: &impl Cells,
    column: &str,
) -> Result<Option<T>, StoreError> {
    row.text_opt(column)?.map(|text| id(column, &text)).transpose()
}

pub(super) fn json_opt(row: &impl Cells, column: &str) -> Result<Option<Json>, StoreError> {
    let text = row.text_opt(column)?;
    text.map(|text| Json::parse(&text).map_err(|e| wrong(column, e))).transpose()
}

fn json(row: &impl Cells, column: &str) -> Result<Json, StoreError> {
    json_opt(row, column)?.ok_or_else(|| wrong(column, "no value"))
}

/// The value of a closed set whose word stands in a column.
pub(super) fn word<T: Copy>(
    column: &str,
    text: &str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<T, StoreError> {
    all.iter().copied().find(|value| as_str(*value) == text).ok_or_else(|| wrong(column, format!("{text:?}")))
}

fn status(column: &str, text: &str) -> Result<Status, StoreError> {
    word(column, text, &Status::ALL, Status::as_str)
}

fn node_status(column: &str, text: &str) -> Result<NodeStatus, StoreError> {
    word(column, text, &NodeStatus::ALL, NodeStatus::as_str)
}

pub(super) fn class_opt(row: &impl Cells, column: &str) -> Result<Option<FailureClass>, StoreError> {
    row.text_opt(column)?.map(|text| word(column, &text, &FailureClass::ALL, FailureClass::as_str)).transpose()
}

/// A partition's position.
pub fn position(row: &impl Cells) -> Result<(u32, Position), StoreError> {
    let format = row.small("format")?;
    if format > STATE_FORMAT {
        return Err(StoreError::Newer { found: format });
    }
    let position: Position = serde_json::from_str(&row.text("position")?).map_err(|e| wrong("position", e))?;
    Ok((row.small("partition")?, Position { generation: row.number("generation")?, ..position }))
}

pub(super) fn origin(row: &impl Cells) -> Result<Origin, StoreError> {
    Ok(Origin {
        topic: row.text("origin_topic")?,
        partition: row.small("origin_partition")?,
        offset: row.number("origin_offset")?,
        time: row.time("origin_time")?,
    })
}

/// The run of a row.
pub fn run_id(row: &impl Cells) -> Result<RunId, StoreError> {
    id("run_id", &row.text("run_id")?)
}

/// A run; its completed nodes are taken out of `results`, and the outputs that it has taken over out of `carried`.
pub fn run(
    row: &impl Cells,
    results: Vec<ResultRow>,
    carried: Vec<CarriedRow>,
) -> Result<(u32, StoredRun), StoreError> {
    let state = state::decode(&row.text("state")?).map_err(|e| wrong("state", e))?;
    let mut nodes: BTreeMap<_, _> = results.into_iter().filter_map(completed_node).collect();
    nodes.extend(state.nodes.into_iter().map(|(id, node)| (id, NodeRun::from(node))));
    for CarriedRow { node_id, output, .. } in carried {
        if let Some(node) = nodes.get_mut(&node_id).filter(|node| node.is_carried()) {
            node.output = Some(output);
        }
    }
    let answer = json_opt(row, "answer")?.map(Outcome::Answer);
    let failure = state.failure.map(|failed| Outcome::Failure(failed.node_id, failed.failure));
    let run = Run {
        workflow_id: id("workflow_id", &row.text("workflow_id")?)?,
        run_id: id("run_id", &row.text("run_id")?)?,
        sequence: row.number("sequence")?,
        time: row.time("updated_at")?,
        status: status("status", &row.text("status")?)?,
        definition: DefinitionRef {
            name: id("definition_name", &row.text("definition_name")?)?,
            version: row.small("definition_version")?,
            hash: DefinitionHash(row.text("definition_hash")?.into()),
        },
        input: json(row, "input")?,
        conversation_id: id_opt::<ConversationId>(row, "conversation_id")?,
        origin: origin(row)?,
        payload_hash: row.text("payload_hash")?,
        traceparent: state.traceparent.map_or_else(|| row.text_opt("traceparent"), |text| Ok(Some(text)))?,
        settings: state.settings,
        started_at: row.time("started_at")?,
        ended_at: row.time_opt("ended_at")?,
        lineage: state.lineage,
        inputs: state.inputs,
        agents: state.agents,
        plans: state.plans,
        nodes,
        failed_node: state.failed_node,
        compensating: state.compensating,
        outcome: answer.or(failure),
    };
    let chain = row.bytes("chain")?;
    let chain = chain.try_into().map_err(|bytes: Vec<u8>| wrong("chain", format!("{} bytes", bytes.len())))?;
    Ok((row.small("partition")?, StoredRun { run, chain }))
}

/// A run with what else its row says, as [`run`].
pub fn stored(row: &impl Cells, results: Vec<ResultRow>, carried: Vec<CarriedRow>) -> Result<StoredRow, StoreError> {
    let taken_over = carried.iter().map(|row| row.node_id.clone()).collect();
    let (partition, stored) = run(row, results, carried)?;
    let failure = match class_opt(row, "error_class")? {
        Some(class) => Some(StoredFailure {
            node_id: id_opt(row, "error_node")?,
            class,
            code: row.text("error_code")?,
            message: row.text("error_message")?,
        }),
        None => None,
    };
    let nodes = [row.number("nodes_completed")?, row.number("nodes_failed")?, row.number("nodes_open")?];
    Ok(StoredRow { partition, stored, nodes, failure, taken_over })
}

/// The state of a node as its result tells it; `None` for a failed attempt (the run's own row has its node).
fn completed_node(result: ResultRow) -> Option<(crate::core::id::NodeId, NodeRun)> {
    result.status.has_output().then(|| {
        let node = NodeRun {
            timeout_ms: result.timeout_ms,
            output: result.output,
            started_at: result.started_at,
            ended_at: Some(result.ended_at),
            ended_by: Some(result.sequence),
            ..NodeRun::new(result.agent_name, result.status, result.attempt, result.scheduled_at, 0)
        };
        (result.node_id, node)
    })
}

/// All runs of a view, each with its results and what it has taken over.
pub fn stored_runs<C: Cells>(rows: &[C], results: &[C], carried: &[C]) -> Result<Vec<StoredRun>, StoreError> {
    let mut taken_over: BTreeMap<RunId, Vec<CarriedRow>> = BTreeMap::new();
    for row in carried {
        let row = carried_row(row)?;
        taken_over.entry(row.run_id.clone()).or_default().push(row);
    }
    let mut by_run: BTreeMap<RunId, Vec<ResultRow>> = BTreeMap::new();
    for row in results {
        let result = result_row(row)?;
        by_run.entry(result.run_id.clone()).or_default().push(result);
    }
    rows.iter()
        .map(|row| {
            let run_id = row.text("run_id")?;
            let results = by_run.remove(run_id.as_str()).unwrap_or_default();
            let carried = taken_over.remove(run_id.as_str()).unwrap_or_default();
            Ok(run(row, results, carried)?.1)
        })
        .collect()
}

/// An output that was taken over.
pub fn carried_row(row: &impl Cells) -> Result<CarriedRow, StoreError> {
    Ok(CarriedRow {
        run_id: id("run_id", &row.text("run_id")?)?,
        node_id: id("node_id", &row.text("node_id")?)?,
        output: json(row, "output")?,
    })
}

/// A run that has ended, as far as it is remembered.
pub fn ended(row: &impl Cells) -> Result<EndedRun, StoreError> {
    Ok(EndedRun {
        workflow_id: id("workflow_id", &row.text("workflow_id")?)?,
        run_id: id("run_id", &row.text("run_id")?)?,
        payload_hash: row.text("payload_hash")?,
        origin: origin(row)?,
        status: status("status", &row.text("status")?)?,
        ended_at: row.time("ended_at")?,
    })
}

/// A line of the list of runs.
pub fn summary(row: &impl Cells) -> Result<Summary, StoreError> {
    Ok(Summary {
        workflow_id: id("workflow_id", &row.text("workflow_id")?)?,
        run_id: id("run_id", &row.text("run_id")?)?,
        partition: row.small("partition")?,
        definition: row.text("definition_name")?,
        version: row.small("definition_version")?,
        status: status("status", &row.text("status")?)?,
        nodes: (row.small("nodes_completed")?, row.small("nodes_failed")?, row.small("nodes_open")?),
        started_at: row.time("started_at")?,
        ended_at: row.time_opt("ended_at")?,
    })
}

/// An attempt that has ended.
pub fn result_row(row: &impl Cells) -> Result<ResultRow, StoreError> {
    let failure = match class_opt(row, "error_class")? {
        Some(class) => Some(Failure {
            class,
            code: row.text("error_code")?,
            message: row.text("error_message")?,
            details: json_opt(row, "error_details")?,
        }),
        None => None,
    };
    Ok(ResultRow {
        workflow_id: id("workflow_id", &row.text("workflow_id")?)?,
        run_id: id("run_id", &row.text("run_id")?)?,
        sequence: row.number("sequence")?,
        node_id: id("node_id", &row.text("node_id")?)?,
        attempt: row.small("attempt")?,
        agent_name: id("agent_name", &row.text("agent_name")?)?,
        status: node_status("status", &row.text("status")?)?,
        output: json_opt(row, "output")?,
        failure,
        timeout_ms: row.number("timeout_ms")?,
        scheduled_at: row.time("scheduled_at")?,
        started_at: row.time_opt("started_at")?,
        ended_at: row.time("ended_at")?,
        usage: usage(row)?,
    })
}

/// What an attempt has used, or several have; none: no worker said.
fn usage(row: &impl Cells) -> Result<Option<Usage>, StoreError> {
    let Some(nanos) = row.number_opt("cost_nanos")? else { return Ok(None) };
    let (input_tokens, output_tokens) = (row.number("input_tokens")?, row.number("output_tokens")?);
    Ok(Some(Usage { cost: Cost::from_nanos(nanos), input_tokens, output_tokens }))
}

/// An operation.
pub fn operation(row: &impl Cells) -> Result<OperationRow, StoreError> {
    let text = |column: &str| row.text(column);
    let operation = match text("operation")?.as_str() {
        "agent_call" => Operation::AgentCall {
            node_id: id("node_id", &text("node_id")?)?,
            agent_name: id("agent_name", &text("agent_name")?)?,
            attempt: row.small("attempt")?,
            status: node_status("status", &text("status")?)?,
            duration_us: row.number("duration_us")?,
        },
        "state_transition" => Operation::StateTransition {
            from: status("from_status", &text("from_status")?)?,
            to: status("to_status", &text("to_status")?)?,
        },
        "input_rejected" => Operation::InputRejected { reason: text("reason")?, message: text("message")? },
        "input_forwarded" => Operation::InputForwarded { to_partition: row.small("to_partition")? },
        other => return Err(wrong("operation", format!("{other:?}"))),
    };
    Ok(OperationRow {
        subject: text("subject")?,
        sequence: row.number("sequence")?,
        workflow_id: id("workflow_id", &text("workflow_id")?)?,
        time: row.time("time")?,
        operation,
    })
}

/// A failure or refusal.
pub fn error(row: &impl Cells) -> Result<ErrorRow, StoreError> {
    let event = row.text("event")?;
    let known = ["NodeFailed", "WorkflowFailed", "InputRefused", "EffectFailed", "InputLost"];
    let event = known.into_iter().find(|name| *name == event).ok_or_else(|| wrong("event", &event))?;
    Ok(ErrorRow {
        subject: row.text("subject")?,
        sequence: row.number("sequence")?,
        event,
        workflow_id: id_opt(row, "workflow_id")?,
        node_id: id_opt(row, "node_id")?,
        agent_name: id_opt(row, "agent_name")?,
        attempt: row.small_opt("attempt")?,
        class: class_opt(row, "class")?,
        code: row.text("code")?,
        message: row.text("message")?,
        details: json_opt(row, "details")?,
        fingerprint: row.text("fingerprint")?,
        time: row.time("time")?,
    })
}

/// The metrics of an agent and minute, with their partition.
pub fn metric(row: &impl Cells) -> Result<(u32, MetricRow), StoreError> {
    let mut buckets = [0; BUCKETS.len()];
    for (bucket, column) in buckets.iter_mut().zip(BUCKETS) {
        *bucket = row.number(column)?;
    }
    let metric = MetricRow {
        agent_name: id("agent_name", &row.text("agent_name")?)?,
        minute: row.time("minute")?,
        calls: row.number("calls")?,
        failures: row.number("failures")?,
        duration_us: row.number("duration_us")?,
        usage: usage(row)?.unwrap_or_default(),
        buckets,
    };
    Ok((row.small("partition")?, metric))
}

/// What a comparison of two tables found.
pub fn change(table: &'static str, row: &impl Cells) -> Result<Change, StoreError> {
    Ok(Change {
        table,
        before: row.number("rows_before")?,
        now: row.number("rows_now")?,
        removed: row.number("removed")?,
        added: row.number("added")?,
        altered: row.number("altered")?,
        examples: Vec::new(),
    })
}

/// Where what was said of a workflow stands.
pub fn workflow_offsets(row: &impl Cells) -> Result<(WorkflowId, Vec<u64>), StoreError> {
    Ok((id("workflow_id", &row.text("workflow_id")?)?, offsets(row)?))
}

/// Journal offsets, from `{1,2}` (Postgres) or `[1,2]` (SQLite).
pub fn offsets(row: &impl Cells) -> Result<Vec<u64>, StoreError> {
    let text = row.text("offsets")?;
    let numbers = text.trim_matches(['{', '}', '[', ']']).split(',').map(str::trim).filter(|text| !text.is_empty());
    numbers.map(|number| number.parse().map_err(|_| wrong("offsets", format!("{text:?}")))).collect()
}
