//! Signals: whatever concerns what is there already, as JSON.

use super::inbound::{self, illegal, malformed};
use super::json_text::{self, FORMAT, Format, Object};
use super::letter_handling::{check_by, checked};
use crate::core::id::{NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::letter::{LetterAction, LetterHandling};
use crate::core::rejection::{Refusal, RefusalReason};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The workflow that it concerns, by its key or its body.
    pub workflow_id: Option<WorkflowId>,
    /// What it asks for.
    pub kind: SignalKind,
}

/// The kinds of signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalKind {
    /// `discard`: a dead letter is put aside.
    Discard(LetterHandling),
    /// `supply`: a node of an unfinished run is given its output.
    Supply(Supply),
}

/// A node is given its output by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// The run; none: whichever is unfinished.
    pub run_id: Option<RunId>,
    /// The node.
    pub node_id: NodeId,
    /// The output.
    pub output: Json,
    /// Who.
    pub by: String,
}

/// The bytes of a signal: `{"format":1,"type":"discard","letter_id":…,"by":…,"note":…,"workflow_id":…}`,
/// `{"format":1,"type":"supply","run_id":…,"node_id":…,"output":…,"by":…,"workflow_id":…}`.
pub fn encode(signal: &Signal) -> Bytes {
    let mut object = match &signal.kind {
        SignalKind::Discard(LetterHandling { letter_id, action, by, note }) => {
            let object = Object::with_format(0).text("type", action.as_str());
            with(object.text("letter_id", letter_id.as_str()).text("by", by), "note", note.as_deref())
        }
        SignalKind::Supply(Supply { run_id, node_id, output, by }) => {
            let object = Object::with_format(output.len()).text("type", "supply");
            let object = with(object, "run_id", run_id.as_ref().map(RunId::as_str));
            object.text("node_id", node_id.as_str()).json("output", output).text("by", by)
        }
    };
    object = with(object, "workflow_id", signal.workflow_id.as_ref().map(WorkflowId::as_str));
    object.finish()
}

fn with(object: Object, name: &str, text: Option<&str>) -> Object {
    match text {
        Some(text) => object.text(name, text),
        None => object,
    }
}

/// What every signal has.
#[derive(Deserialize)]
struct Head<'a> {
    format: Option<u64>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    workflow_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct DiscardIn<'a> {
    #[serde(borrow)]
    letter_id: Cow<'a, str>,
    #[serde(borrow)]
    by: Cow<'a, str>,
    note: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct SupplyIn<'a> {
    run_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    node_id: Cow<'a, str>,
    #[serde(borrow)]
    output: &'a RawValue,
    #[serde(borrow)]
    by: Cow<'a, str>,
}

/// Reads a signal; checks size, format, ids and that key and body name the same workflow.
///
/// # Errors
/// Where it is none, or of a type that this version does not know. Fields that are not known are left alone.
pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>, max_bytes: usize) -> Result<Signal, Refusal> {
    read(key, value, max_bytes).map_err(|refusal| {
        let key = key.and_then(|key| std::str::from_utf8(key).ok());
        Refusal { workflow_id: key.and_then(|key| WorkflowId::new(key).ok()), ..refusal }
    })
}

fn read(key: Option<&[u8]>, value: Option<&[u8]>, max_bytes: usize) -> Result<Signal, Refusal> {
    let value = value.filter(|value| !value.is_empty()).ok_or_else(|| {
        Refusal::new(RefusalReason::NoValue, "expected a signal, found a record without value".to_owned())
    })?;
    if value.len() > max_bytes {
        let message = format!("expected at most {max_bytes} bytes, found {}", value.len());
        return Err(Refusal::new(RefusalReason::TooLarge, message));
    }
    let head: Head = part(value)?;
    if let Some(format) = head.format.filter(|format| *format > FORMAT) {
        return Err(newer(format));
    }
    let workflow_id = inbound::workflow_id(key, head.workflow_id.as_deref())?;
    let kind = match &*head.r#type {
        "discard" => {
            let DiscardIn { letter_id, by, note } = part(value)?;
            SignalKind::Discard(checked(&letter_id, LetterAction::Discard, &by, note.as_deref())?)
        }
        "supply" => SignalKind::Supply(supplied(&part(value)?)?),
        other => {
            let message =
                format!("expected a signal of the type discard or supply, found {:?}", json_text::brief(other));
            return Err(Refusal::new(RefusalReason::Unsupported, message));
        }
    };
    Ok(Signal { workflow_id, kind })
}

fn supplied(read: &SupplyIn) -> Result<Supply, Refusal> {
    check_by(&read.by)?;
    Ok(Supply {
        run_id: read.run_id.as_deref().map(RunId::new).transpose().map_err(illegal)?,
        node_id: NodeId::new(&read.node_id).map_err(illegal)?,
        output: inbound::from_raw("output", read.output)?,
        by: read.by.to_string(),
    })
}

/// Reads some fields of the object.
fn part<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(value).map_err(|fault| match Format::newer(value) {
        Some(format) => newer(format),
        None => malformed(format!("expected a signal, found: {}", json_text::brief(&fault.to_string()))),
    })
}

/// A newer format explains whatever else is strange.
fn newer(format: u64) -> Refusal {
    let message = format!("the signal has format {format}, this version reads up to {FORMAT}");
    Refusal::new(RefusalReason::Unsupported, message)
}
