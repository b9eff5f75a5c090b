//! Reports: the records of `results`, by which workers say what became of an attempt, as JSON.

use crate::core::failure::{Failure, FailureClass};
use crate::core::id::{DispatchId, IllegalId, WorkflowId};
use crate::core::json::Json;
use crate::core::rejection::{Refusal, RefusalReason};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a worker says of an attempt.
///
/// `{"format":1,"type":"completed","dispatch_id":"run/node/attempt","workflow_id":"…","output":…}`, or `"type":"started"`,
/// or `"type":"failed"` with `"class"` (default `retryable`), `"code"` (default `agent_failed`), `"message"`, `"details"`.
/// `workflow_id` may be left out where the record's key is the workflow id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which attempt.
    pub dispatch_id: DispatchId,
    /// Which workflow.
    pub workflow_id: WorkflowId,
    /// What became of it.
    pub outcome: ReportOutcome,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// A worker works on it.
    Started,
    /// It ended with an output.
    Completed(Json),
    /// It ended with a failure.
    Failed(Failure),
}

#[derive(Serialize)]
struct Out<'a> {
    format: u32,
    r#type: &'a str,
    dispatch_id: String,
    workflow_id: &'a WorkflowId,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<FailureClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct In<'a> {
    r#type: String,
    dispatch_id: String,
    workflow_id: Option<WorkflowId>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    class: Option<FailureClass>,
    code: Option<String>,
    message: Option<String>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

/// The bytes of a report.
pub fn encode(report: &Report) -> Bytes {
    let mut out = Out {
        format: 1,
        r#type: "started",
        dispatch_id: report.dispatch_id.to_string(),
        workflow_id: &report.workflow_id,
        output: None,
        class: None,
        code: None,
        message: None,
        details: None,
    };
    match &report.outcome {
        ReportOutcome::Started => {}
        ReportOutcome::Completed(output) => {
            out.r#type = "completed";
            out.output = Some(output.raw());
        }
        ReportOutcome::Failed(failure) => {
            out.r#type = "failed";
            out.class = Some(failure.class);
            out.code = Some(&failure.code);
            out.message = Some(&failure.message);
            out.details = failure.details.as_ref().map(Json::raw);
        }
    }
    Bytes::from(serde_json::to_vec(&out).unwrap_or_default())
}

/// Reads a report. Checks size, depth, ids and that key and body name the same workflow. JSON, or Avro
/// (`schemas/Report.v1.avsc`) with either framing, told apart by the first bytes.
pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>, _max_bytes: usize) -> Result<Report, Refusal> {
    let malformed = |found: String| Refusal::new(RefusalReason::Malformed, found);
    let value = value.ok_or_else(|| Refusal::new(RefusalReason::NoValue, "no value"))?;
    let body: In = serde_json::from_slice(value).map_err(|fault| malformed(fault.to_string()))?;
    let workflow_id = match (body.workflow_id, key) {
        (Some(id), _) => id,
        (None, Some(key)) => String::from_utf8_lossy(key).parse().map_err(|f: IllegalId| malformed(f.to_string()))?,
        (None, None) => return Err(malformed("no workflow_id".to_owned())),
    };
    let outcome = match body.r#type.as_str() {
        "started" => ReportOutcome::Started,
        "completed" => {
            let output = body.output.map(Json::from_raw).unwrap_or(Ok(Json::null()));
            ReportOutcome::Completed(output.map_err(|fault| malformed(fault.to_string()))?)
        }
        "failed" => ReportOutcome::Failed(Failure {
            class: body.class.unwrap_or(FailureClass::Retryable),
            code: body.code.unwrap_or_else(|| "agent_failed".to_owned()),
            message: body.message.unwrap_or_default(),
            details: body.details.map(Json::from_raw).transpose().map_err(|fault| malformed(fault.to_string()))?,
        }),
        other => return Err(malformed(format!("type {other:?}"))),
    };
    let dispatch_id = body.dispatch_id.parse().map_err(|fault: IllegalId| malformed(fault.to_string()))?;
    Ok(Report { dispatch_id, workflow_id, outcome })
}
