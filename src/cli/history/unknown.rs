//! A workflow without a run: its request was refused, waits to be decided, or never came.

use crate::cli::exit::{Exit, fail};
use crate::cli::{Context, connect};
use crate::core::command::Origin;
use crate::core::id::{RunId, WorkflowId};
use crate::core::partition::partition_of;
use crate::installation::records::read_to_end;
use crate::log::{Log, LogError, Topic};
use crate::ui::run::refusal_words;
use crate::ui::time::{rfc3339, short};
use crate::wire::dead_letter::{self, RefusedInput};
use anyhow::{Error, Result};
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// What is known of a workflow that has no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its last request was refused.
    Refused(Box<RefusedInput>),
    /// A request stands in the log, and no engine has decided it.
    Waiting(Origin),
    /// Nothing.
    Nothing,
}

/// What is known of a workflow that has no run, or not the one asked for.
///
/// # Errors
/// Where the log does not answer.
pub fn look(context: &Context, id: &WorkflowId, run: Option<&RunId>) -> Result<Known> {
    if run.is_some() {
        return Ok(Known::Nothing);
    }
    let log = connect::open_log(context.settings())?;
    let missing = || LogError::UnknownTopic(Topic::Requests.to_string());
    let partitions = log.partitions(&Topic::Requests)?.ok_or_else(missing)?;
    let home = partition_of(id.as_str().as_bytes(), partitions);
    let refused = last_refusal(log.as_ref(), home, id)?;
    // What is below the projected position has been decided; without a store all that is kept may be open.
    let waiting = last_request(log.as_ref(), home, decided(context, home), id)?;
    Ok(match (refused, waiting) {
        // One that came after the refusal is another; the refused one itself stands in the log, too.
        (Some(refused), Some(waiting)) if waiting.time > refused.origin.time => Known::Waiting(waiting),
        (Some(refused), _) => Known::Refused(Box::new(refused)),
        (None, Some(waiting)) => Known::Waiting(waiting),
        (None, None) => Known::Nothing,
    })
}

/// Below which offset the requests of a partition are known to have been decided; 0 where the store does not say.
pub fn decided(context: &Context, partition: u32) -> u64 {
    let store = connect::open_store(context.settings()).and_then(|store| Ok(store.position(partition)?));
    let inputs = store.ok().flatten().map(|position| position.inputs).unwrap_or_default();
    inputs.iter().find(|input| input.topic == Topic::Requests.to_string()).map_or(0, |input| input.next)
}

fn last_refusal(log: &dyn Log, home: u32, id: &WorkflowId) -> Result<Option<RefusedInput>> {
    let mut last = None;
    read_to_end(log, &Topic::DeadLetters, home, 0, |record| {
        if record.key.as_deref() == Some(id.as_str().as_bytes())
            && let Some(value) = &record.value
        {
            match dead_letter::decode_input(value) {
                Ok(Some(refused)) if refused.origin.topic == Topic::Requests.to_string() => last = Some(refused),
                Ok(_) => {}
                Err(error) => tracing::warn!("dead-letters/{home}, offset {}: {error}", record.offset),
            }
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(last)
}

/// The last request for a workflow that stands in a partition, from an offset on.
///
/// # Errors
/// Where the log does not answer.
pub fn last_request(log: &dyn Log, home: u32, from: u64, id: &WorkflowId) -> Result<Option<Origin>> {
    let mut last = None;
    read_to_end(log, &Topic::Requests, home, from, |record| {
        if record.key.as_deref() == Some(id.as_str().as_bytes()) {
            let topic = record.topic.to_string();
            last = Some(Origin { topic, partition: record.partition, offset: record.offset, time: record.time });
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(last)
}

/// The error of a command that needs a run.
pub fn error(known: &Known, id: &WorkflowId, run: Option<&RunId>) -> Error {
    let id = id.as_str();
    match known {
        Known::Refused(refused) => {
            let words = refusal_words(&refused.reason, &refused.message, refused.details.as_ref());
            let at = place(&refused.origin);
            fail(Exit::Refused, format!("the request for workflow {id:?} was refused: {words} ({at})"))
        }
        Known::Waiting(origin) => fail(
            Exit::NotFound,
            format!(
                "workflow {id:?} has not started: its request waits to be decided ({}); does an engine run? `serve` \
                 and `dev` have one",
                place(origin)
            ),
        ),
        Known::Nothing => {
            let run = run.map_or_else(String::new, |run| format!(" with the run {run}"));
            fail(
                Exit::NotFound,
                format!("there is no workflow {id:?}{run}; `orchestrator list` shows those that there are"),
            )
        }
    }
}

/// The same for programs; none where nothing is known.
pub fn json(known: &Known, id: &WorkflowId) -> Option<Value> {
    let origin = |origin: &Origin| {
        json!({
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
            "time": rfc3339(origin.time),
        })
    };
    match known {
        Known::Refused(refused) => Some(json!({
            "workflow_id": id.as_str(),
            "run_id": null,
            "status": "refused",
            "reason": refused.reason,
            "message": refused.message,
            "details": refused.details.as_ref().map(crate::core::json::Json::value),
            "origin": origin(&refused.origin),
        })),
        Known::Waiting(at) => Some(json!({
            "workflow_id": id.as_str(),
            "run_id": null,
            "status": "waiting",
            "origin": origin(at),
        })),
        Known::Nothing => None,
    }
}

/// Where a record stands, for people.
pub fn place(origin: &Origin) -> String {
    let Origin { topic, partition, offset, time } = origin;
    format!("{topic}/{partition}, offset {offset}, published {} UTC", short(*time))
}
