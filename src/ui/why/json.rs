//! The reasons for programs.

use super::{Answer, clause};
use crate::core::breaker::BreakerState;
use crate::core::failure::Failure;
use crate::core::id::NodeId;
use crate::core::status::NodeStatus;
use crate::core::time::{Timestamp, millis};
use crate::core::why::{Attempt, Letter, Reason, Why, Work, Workers};
use crate::ui::time::rfc3339;
use serde_json::{Map, Value, json};

/// The whole answer.
pub fn why_json(answer: &Answer) -> Value {
    let Answer { run, partition, now, reasons, unseen } = answer;
    json!({
        "workflow_id": run.workflow_id.as_str(),
        "run_id": run.run_id.as_str(),
        "partition": partition,
        "status": run.status.as_str(),
        "at": rfc3339(*now),
        "reason": reasons.first().map(|reason| reason.why.word()),
        "message": answer.headline(),
        "reasons": reasons.iter().map(|reason| reason_json(reason, *partition, *now)).collect::<Vec<_>>(),
        "unseen": unseen,
    })
}

/// A reason: its word, its node, its sentence, and its parts.
pub fn reason_json(reason: &Reason, partition: u32, now: Timestamp) -> Value {
    let mut all = Map::new();
    all.insert("reason".to_owned(), reason.why.word().into());
    all.insert("node_id".to_owned(), reason.node.as_ref().map(|id| id.as_str()).into());
    all.insert("message".to_owned(), clause(reason, partition, now).into());
    if let Value::Object(parts) = parts(&reason.why, partition) {
        all.extend(parts);
    }
    Value::Object(all)
}

fn parts(why: &Why, partition: u32) -> Value {
    match why {
        Why::Completed { at } | Why::RunCancelled { at } | Why::RunDeadline { at } => json!({ "at": rfc3339(*at) }),
        Why::RunFailed { at, failure, attempt, letter, .. } => joined([
            json!({ "at": rfc3339(*at), "error": failure_json(failure), "dead_letter": letter_json(letter.as_ref()) }),
            attempt.as_ref().map_or(Value::Null, attempt_json),
        ]),
        Why::NoOwner(owner) => {
            json!({ "partition": partition, "group": owner.group, "engines": owner.engines })
        }
        Why::SetAside { definition, .. } => json!({
            "definition": definition.name.as_str(), "version": definition.version, "hash": definition.hash.to_string(),
        }),
        Why::Failing { failure, open, letter } => {
            let open: Vec<_> = open.iter().map(|id| id.as_str()).collect();
            json!({ "error": failure_json(failure), "open": open, "dead_letter": letter_json(letter.as_ref()) })
        }
        Why::Undoing { failure, letter } => {
            json!({ "error": failure_json(failure), "dead_letter": letter_json(letter.as_ref()) })
        }
        Why::NodeFailed { attempt, failure, letter, failure_node, undoes } => joined([
            attempt_json(attempt),
            json!({ "error": failure_json(failure), "dead_letter": letter_json(letter.as_ref()) }),
            failure_node.as_ref().map_or(Value::Null, |id| json!({ "failure_node": id.as_str() })),
            undoes.as_ref().map_or(Value::Null, |id| json!({ "undoes": id.as_str() })),
        ]),
        Why::Handled { failure, .. } => json!({ "error": failure.as_ref().map(failure_json) }),
        Why::ProjectorBehind(behind) => {
            json!({ "partition": partition, "records": behind.records, "age_ms": millis(behind.age) })
        }
        Why::Paused | Why::AwaitingSignal | Why::NodeCancelled => Value::Null,
        Why::Work(work) => parts_at_work(work, partition),
    }
}

/// Of a node that something is awaited for.
fn parts_at_work(work: &Work, partition: u32) -> Value {
    let last = |last: &Option<Failure>| last.as_ref().map(failure_json);
    match work {
        Work::NoWorker { attempt, workers, since } => {
            joined([attempt_json(attempt), workers_json(workers), json!({ "since": rfc3339(*since) })])
        }
        Work::WorkerGone { attempt, workers, since, until } => joined([
            attempt_json(attempt),
            workers_json(workers),
            json!({ "since": rfc3339(*since), "until": rfc3339(*until) }),
        ]),
        Work::Breaker { attempt, state, last: failure } => {
            joined([attempt_json(attempt), breaker_json(*state, partition), json!({ "error": last(failure) })])
        }
        Work::AwaitingRetry { attempt, due, last: failure } | Work::RetryDue { attempt, due, last: failure } => {
            joined([attempt_json(attempt), json!({ "due_at": rfc3339(*due), "error": last(failure) })])
        }
        Work::WorkersBusy { attempt, workers, before, since } => joined([
            attempt_json(attempt),
            workers_json(workers),
            json!({ "tasks_before": before, "since": rfc3339(*since) }),
        ]),
        Work::HandedOut { attempt, workers, since } => joined([
            attempt_json(attempt),
            workers.as_ref().map_or(Value::Null, workers_json),
            json!({ "since": rfc3339(*since) }),
        ]),
        Work::Running { attempt, since, until, heartbeat } => joined([
            attempt_json(attempt),
            json!({ "since": rfc3339(*since), "until": rfc3339(*until), "heartbeat": heartbeat }),
        ]),
        Work::Ready { agent } => json!({ "agent_name": agent.as_str() }),
        Work::OneAtATime { agent, threshold } => {
            json!({ "agent_name": agent.as_str(), "parallel_threshold": threshold })
        }
        Work::AwaitingInputs { missing } => {
            let each = |(id, status): &(NodeId, Option<NodeStatus>)| json!({ "node_id": id.as_str(), "status": status.map(|status| status.as_str()) });
            json!({ "waits_for": missing.iter().map(each).collect::<Vec<_>>() })
        }
    }
}

fn joined<const N: usize>(parts: [Value; N]) -> Value {
    let objects = parts.into_iter().filter_map(|part| if let Value::Object(part) = part { Some(part) } else { None });
    Value::Object(objects.flatten().collect())
}

fn attempt_json(attempt: &Attempt) -> Value {
    json!({ "agent_name": attempt.agent.as_str(), "attempt": attempt.number, "max_attempts": attempt.of })
}

fn workers_json(workers: &Workers) -> Value {
    json!({ "group": workers.group, "workers": workers.connected, "tasks": workers.tasks })
}

fn breaker_json(state: BreakerState, partition: u32) -> Value {
    json!({
        "partition": partition,
        "since": rfc3339(state.since),
        "until": state.until.map(rfc3339),
        "calls": state.calls,
        "failures": state.failures,
    })
}

fn letter_json(letter: Option<&Letter>) -> Option<Value> {
    letter.map(|letter| json!({ "id": letter.letter_id.as_str(), "state": letter.handled.unwrap_or("open") }))
}

fn failure_json(failure: &Failure) -> Value {
    json!({ "class": failure.class.as_str(), "code": failure.code, "message": failure.message })
}
