//! Answers and refusals: the records of `responses`, as JSON.

use super::WireError;
use super::json_text::{self, Object};
use crate::core::command::Origin;
use crate::core::definition::{DefinitionHash, DefinitionRef};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::{IllegalId, NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::rfc3339;
use crate::core::run::Outcome;
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A record of `responses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// `{"format":1,"kind":"answer","workflow_id":…,"run_id":…,"definition":{"name":…,"version":…,"hash":…},
    /// "status":"completed","answer":…,"started_at":"<RFC 3339>","ended_at":"…"}`, or `"status":"failed"` with
    /// `"error":{"node_id":…,"class":…,"code":…,"message":…,"details":…,"context":…}`.
    Answer {
        /// The workflow.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// What it executed.
        definition: DefinitionRef,
        /// How it ended.
        outcome: Outcome,
        /// The story of the failure of its node, if it failed by one.
        context: Option<Json>,
        /// When it started.
        started_at: Timestamp,
        /// When it ended.
        ended_at: Timestamp,
    },
    /// `{"format":1,"kind":"refused","workflow_id":…,"run_id":…,"reason":"unknown_definition","message":…,
    /// "details":…,"origin":{"topic":…,"partition":…,"offset":…,"time":"<RFC 3339>"}}`; a duplicate start is refused
    /// with the reason `duplicate` and the `run_id` of the first run.
    Refused {
        /// The workflow, as far as it could be read.
        workflow_id: Option<WorkflowId>,
        /// For a duplicate: the first run.
        run_id: Option<RunId>,
        /// A short stable word.
        reason: String,
        /// A sentence for people.
        message: String,
        /// More, as JSON.
        details: Option<Json>,
        /// Where the request stands.
        origin: Origin,
    },
}

/// The bytes of a response.
pub fn encode(response: &Response) -> Bytes {
    match response {
        Response::Answer { workflow_id, run_id, definition, outcome, context, started_at, ended_at } => {
            let definition = Object::new(0)
                .text("name", definition.name.as_str())
                .number("version", definition.version.into())
                .text("hash", &definition.hash.0);
            let answer = Object::with_format(if let Outcome::Answer(answer) = outcome { answer.len() } else { 0 })
                .text("kind", "answer")
                .text("workflow_id", workflow_id.as_str())
                .text("run_id", run_id.as_str())
                .object("definition", definition);
            let answer = match outcome {
                Outcome::Answer(value) => answer.text("status", "completed").json("answer", value),
                Outcome::Failure(node_id, failure) => {
                    let error = error(node_id.as_ref(), failure).json_or_null("context", context.as_ref());
                    answer.text("status", "failed").object("error", error)
                }
            };
            answer
                .text("started_at", &rfc3339::write(*started_at))
                .text("ended_at", &rfc3339::write(*ended_at))
                .finish()
        }
        Response::Refused { workflow_id, run_id, reason, message, details, origin } => Object::with_format(0)
            .text("kind", "refused")
            .text_or_null("workflow_id", workflow_id.as_ref().map(WorkflowId::as_str))
            .text_or_null("run_id", run_id.as_ref().map(RunId::as_str))
            .text("reason", reason)
            .text("message", message)
            .json_or_null("details", details.as_ref())
            .object("origin", write_origin(origin))
            .finish(),
    }
}

fn error(node_id: Option<&NodeId>, failure: &Failure) -> Object {
    Object::new(0)
        .text_or_null("node_id", node_id.map(NodeId::as_str))
        .text("class", failure.class.as_str())
        .text("code", &failure.code)
        .text("message", &failure.message)
        .json_or_null("details", failure.details.as_ref())
}

/// An origin as responses and dead letters show it.
pub(super) fn write_origin(origin: &Origin) -> Object {
    Object::new(0)
        .text("topic", &origin.topic)
        .number("partition", origin.partition.into())
        .number("offset", origin.offset)
        .text("time", &rfc3339::write(origin.time))
}

#[derive(Deserialize)]
struct KindIn {
    format: Option<u64>,
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Answer,
    Refused,
}

#[derive(Deserialize)]
struct AnswerIn<'a> {
    workflow_id: String,
    run_id: String,
    definition: DefinitionIn,
    status: String,
    #[serde(borrow, default, deserialize_with = "json_text::present")]
    answer: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<ErrorIn<'a>>,
    started_at: String,
    ended_at: String,
}

#[derive(Deserialize)]
struct DefinitionIn {
    name: String,
    version: u32,
    hash: String,
}

#[derive(Deserialize)]
struct ErrorIn<'a> {
    node_id: Option<String>,
    class: FailureClass,
    code: String,
    message: String,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RefusedIn<'a> {
    workflow_id: Option<String>,
    run_id: Option<String>,
    reason: String,
    message: String,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    origin: OriginIn,
}

#[derive(Deserialize)]
pub(super) struct OriginIn {
    topic: String,
    partition: u32,
    offset: u64,
    time: String,
}

const EXPECTED: &str = "a response";

/// Reads a response. Fields that are not known here are left alone: a newer engine may add some.
pub fn decode(bytes: &[u8]) -> Result<Response, WireError> {
    match json_text::read("the response", EXPECTED, bytes, |read: &KindIn| read.format)?.kind {
        Kind::Answer => read_answer(json_text::read("the response", EXPECTED, bytes, |_| None)?),
        Kind::Refused => read_refused(json_text::read("the response", EXPECTED, bytes, |_| None)?),
    }
}

fn read_answer(answer: AnswerIn) -> Result<Response, WireError> {
    let json = |raw: Option<&RawValue>| raw.map(|raw| json_text::take(EXPECTED, raw)).transpose();
    let context = json(answer.error.as_ref().and_then(|error| error.context))?;
    let outcome = match (answer.status.as_str(), answer.answer, answer.error) {
        ("completed", Some(value), _) => Outcome::Answer(json_text::take(EXPECTED, value)?),
        ("failed", _, Some(error)) => Outcome::Failure(
            error.node_id.map(|id| id.parse()).transpose().map_err(illegal)?,
            Failure { class: error.class, code: error.code, message: error.message, details: json(error.details)? },
        ),
        (status, ..) => {
            let found = format!("the status {status:?} without its answer or error");
            return Err(WireError::Malformed { expected: EXPECTED, found });
        }
    };
    Ok(Response::Answer {
        workflow_id: answer.workflow_id.parse().map_err(illegal)?,
        run_id: answer.run_id.parse().map_err(illegal)?,
        definition: DefinitionRef {
            name: answer.definition.name.parse().map_err(illegal)?,
            version: answer.definition.version,
            hash: DefinitionHash(answer.definition.hash.into()),
        },
        outcome,
        context,
        started_at: time(&answer.started_at)?,
        ended_at: time(&answer.ended_at)?,
    })
}

fn read_refused(refused: RefusedIn) -> Result<Response, WireError> {
    Ok(Response::Refused {
        workflow_id: refused.workflow_id.map(|id| id.parse()).transpose().map_err(illegal)?,
        run_id: refused.run_id.map(|id| id.parse()).transpose().map_err(illegal)?,
        reason: refused.reason,
        message: refused.message,
        details: refused.details.map(|raw| json_text::take(EXPECTED, raw)).transpose()?,
        origin: origin(refused.origin)?,
    })
}

/// An origin as [`write_origin`] writes it.
pub(super) fn origin(read: OriginIn) -> Result<Origin, WireError> {
    let OriginIn { topic, partition, offset, time: appended } = read;
    Ok(Origin { topic, partition, offset, time: time(&appended)? })
}

fn illegal(fault: IllegalId) -> WireError {
    WireError::Malformed { expected: EXPECTED, found: fault.to_string() }
}

fn time(text: &str) -> Result<Timestamp, WireError> {
    rfc3339::read(text).ok_or_else(|| WireError::Malformed {
        expected: EXPECTED,
        found: format!("{:?} where an RFC 3339 time belongs", json_text::brief(text)),
    })
}
