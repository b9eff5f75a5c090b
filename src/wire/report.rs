//! Reports: the records of `results`, by which workers say what became of an attempt, as JSON.

use super::inbound::{self, Kind};
use super::json_text::{self, Object};
use crate::core::failure::{FailureClass, ReportedFailure};
use crate::core::id::{DispatchId, WorkflowId};
use crate::core::json::Json;
use crate::core::rejection::{Refusal, RefusalReason};
use crate::core::usage::Usage;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::Duration;

pub use super::report_whose::{Whose, whose_result};

/// What a worker says of an attempt.
///
/// `{"format":1,"type":"completed","dispatch_id":"run/node/attempt","workflow_id":"…","output":…}`, or `"type":"started"`,
/// or `"type":"heartbeat"` (for nodes that say `heartbeat: true`), or `"type":"failed"` with `"class"` (left out: the definition's rules and the default table say it by the code), `"code"`
/// (default `agent_failed`), `"message"`, `"details"`, `"retry_after"` (seconds).
/// Either end may say `"usage": {"cost":0.0021,"input_tokens":850,"output_tokens":120}`, each of which may be left out.
/// `workflow_id` may be left out where the record's key is the workflow id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which attempt.
    pub dispatch_id: DispatchId,
    /// Which workflow.
    pub workflow_id: WorkflowId,
    /// What became of it.
    pub outcome: ReportOutcome,
    /// What it has used, once it has ended.
    pub usage: Option<Usage>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// A worker works on it.
    Started,
    /// The worker still works on it.
    Heartbeat,
    /// It ended with an output.
    Completed(Json),
    /// It ended with a failure.
    Failed(ReportedFailure),
}

/// The code of a failure for which a worker gives none.
pub const DEFAULT_CODE: &str = "agent_failed";
/// The message of a failure for which a worker gives none.
pub const DEFAULT_MESSAGE: &str = "the agent failed and did not say why";

/// Longest code, in bytes; what is longer is cut.
const MAX_CODE_BYTES: usize = 100;
/// Longest message, in bytes; what is longer is cut.
const MAX_MESSAGE_BYTES: usize = 16 << 10;
/// Largest details, in bytes: they stand in the failure of the node and of its run, beside the node's input.
const MAX_DETAILS_BYTES: usize = 256 << 10;

pub(super) const KIND: Kind = Kind { what: "report", schema: "Report" };

/// The bytes of a report, as JSON.
pub fn encode(report: &Report) -> Bytes {
    let payload = if let ReportOutcome::Completed(output) = &report.outcome { output.len() } else { 0 };
    let kind = match report.outcome {
        ReportOutcome::Started => "started",
        ReportOutcome::Heartbeat => "heartbeat",
        ReportOutcome::Completed(_) => "completed",
        ReportOutcome::Failed(_) => "failed",
    };
    let text = Object::with_format(payload)
        .text("type", kind)
        .text("dispatch_id", &report.dispatch_id.to_string())
        .text("workflow_id", report.workflow_id.as_str());
    let text = match &report.outcome {
        ReportOutcome::Started | ReportOutcome::Heartbeat => text,
        ReportOutcome::Completed(output) => text.json("output", output),
        ReportOutcome::Failed(failure) => {
            let text = failure.class.into_iter().fold(text, |text, class| text.text("class", class.as_str()));
            let text = text
                .text("code", &failure.code)
                .text("message", &failure.message)
                .json_or_null("details", failure.details.as_ref());
            let seconds = |after: Duration| after.as_secs_f64().to_string();
            failure.retry_after.into_iter().fold(text, |text, after| text.literal("retry_after", &seconds(after)))
        }
    };
    report.usage.iter().fold(text, |text, usage| text.literal("usage", &json_of(usage))).finish()
}

#[derive(Deserialize)]
struct InJson<'a> {
    format: Option<u64>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    dispatch_id: Cow<'a, str>,
    workflow_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "json_text::present")]
    output: Option<&'a RawValue>,
    class: Option<Cow<'a, str>>,
    code: Option<String>,
    message: Option<String>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    retry_after: Option<f64>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct InAvro<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    dispatch_id: Cow<'a, str>,
    workflow_id: Option<Cow<'a, str>>,
    output: Option<Cow<'a, str>>,
    class: Option<Cow<'a, str>>,
    code: Option<String>,
    message: Option<String>,
    details: Option<Cow<'a, str>>,
    #[serde(default)]
    retry_after: Option<f64>,
    #[serde(default)]
    usage: Option<Usage>,
}

/// What either form says.
struct Said<'a> {
    kind: &'a str,
    dispatch_id: &'a str,
    workflow_id: Option<&'a str>,
    output: Option<Json>,
    class: Option<&'a str>,
    code: Option<String>,
    message: Option<String>,
    details: Option<Json>,
    retry_after: Option<f64>,
    usage: Option<Usage>,
}

/// Reads a report. Checks size, depth, ids and that key and body name the same workflow. JSON, or Avro
/// (`schemas/Report.v3.avsc`, or an earlier version) with either framing, told apart by the first bytes. Fields that are not known here are
/// left alone: a worker may say more than the engine asks.
pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>, max_bytes: usize) -> Result<Report, Refusal> {
    KIND.body(value, max_bytes)
        .and_then(|body| {
            KIND.read(
                body,
                |json: InJson| {
                    KIND.known_format(json.format)?;
                    let said = Said {
                        kind: &json.kind,
                        dispatch_id: &json.dispatch_id,
                        workflow_id: json.workflow_id.as_deref(),
                        output: json.output.map(|raw| inbound::from_raw("output", raw)).transpose()?,
                        class: json.class.as_deref(),
                        code: json.code,
                        message: json.message,
                        details: json.details.map(|raw| inbound::from_raw("details", raw)).transpose()?,
                        retry_after: json.retry_after,
                        usage: json.usage,
                    };
                    said.into_report(key)
                },
                |avro: InAvro| {
                    let said = Said {
                        kind: &avro.kind,
                        dispatch_id: &avro.dispatch_id,
                        workflow_id: avro.workflow_id.as_deref(),
                        output: avro.output.map(|text| inbound::from_text("output", &text)).transpose()?,
                        class: avro.class.as_deref(),
                        code: avro.code,
                        message: avro.message,
                        details: avro.details.map(|text| inbound::from_text("details", &text)).transpose()?,
                        retry_after: avro.retry_after,
                        usage: avro.usage,
                    };
                    said.into_report(key)
                },
            )
        })
        .map_err(|refusal| KIND.name_workflow(refusal, key, value, max_bytes))
}

impl Said<'_> {
    fn into_report(self, key: Option<&[u8]>) -> Result<Report, Refusal> {
        let workflow_id = inbound::workflow_id(key, self.workflow_id)?.ok_or_else(|| {
            inbound::malformed(
                "expected the workflow_id as the record's key or in the report, found neither".to_owned(),
            )
        })?;
        let dispatch_id = self.dispatch_id.parse().map_err(inbound::illegal)?;
        let outcome = match self.kind {
            "started" => ReportOutcome::Started,
            "heartbeat" => ReportOutcome::Heartbeat,
            "completed" => ReportOutcome::Completed(self.output.ok_or_else(|| {
                inbound::malformed("expected an `output` in a report of the type completed, found none".to_owned())
            })?),
            "failed" => ReportOutcome::Failed(ReportedFailure {
                class: self.class.map(failure_class).transpose()?,
                code: cut(self.code.unwrap_or_else(|| DEFAULT_CODE.to_owned()), MAX_CODE_BYTES),
                message: cut(self.message.unwrap_or_else(|| DEFAULT_MESSAGE.to_owned()), MAX_MESSAGE_BYTES),
                details: self.details.map(small_enough).transpose()?,
                retry_after: self.retry_after.map(retry_after).transpose()?,
            }),
            other => {
                let message = format!(
                    "expected the type started, heartbeat, completed or failed, found {:?}, which this version does not know",
                    json_text::brief(other)
                );
                return Err(Refusal::new(RefusalReason::Unsupported, message));
            }
        };
        let usage = self
            .usage
            .map(Usage::checked)
            .transpose()
            .map_err(|fault| inbound::malformed(format!("`usage`: {fault}")))?;
        Ok(Report { dispatch_id, workflow_id, outcome, usage })
    }
}

fn json_of(usage: &Usage) -> String {
    serde_json::to_string(usage).expect("numbers by fixed names are JSON")
}

fn retry_after(seconds: f64) -> Result<Duration, Refusal> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| inbound::malformed(format!("expected `retry_after` in seconds, found {seconds}")))
}

/// A text, and what is too much of it left out.
fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.push('…');
    }
    text
}

fn small_enough(details: Json) -> Result<Json, Refusal> {
    if details.len() <= MAX_DETAILS_BYTES {
        return Ok(details);
    }
    let message = format!("expected `details` of at most {MAX_DETAILS_BYTES} bytes, found {}", details.len());
    Err(Refusal::new(RefusalReason::TooLarge, message))
}

fn failure_class(word: &str) -> Result<FailureClass, Refusal> {
    FailureClass::deserialize(StrDeserializer::<serde::de::value::Error>::new(word))
        .map_err(|fault| inbound::malformed(format!("`class`: {}", json_text::brief(&fault.to_string()))))
}
