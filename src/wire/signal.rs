//! Signals: whatever concerns what is there already, as JSON.

use super::handling::checked;
use super::inbound::{self, malformed};
use super::json_text::{self, FORMAT, Format, Object};
use crate::core::id::WorkflowId;
use crate::core::letter::{LetterAction, LetterHandling};
use crate::core::rejection::{Refusal, RefusalReason};
use bytes::Bytes;
use serde::Deserialize;
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
}

/// The bytes of a signal:
/// `{"format":1,"type":"discard","letter_id":…,"by":…,"note":…,"workflow_id":…}`.
pub fn encode(signal: &Signal) -> Bytes {
    let Signal { workflow_id, kind: SignalKind::Discard(handling) } = signal;
    let mut object = Object::with_format(0)
        .text("type", handling.action.as_str())
        .text("letter_id", handling.letter_id.as_str())
        .text("by", &handling.by);
    if let Some(note) = &handling.note {
        object = object.text("note", note);
    }
    if let Some(workflow_id) = workflow_id {
        object = object.text("workflow_id", workflow_id.as_str());
    }
    object.finish()
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
        other => {
            let message = format!("expected a signal of the type discard, found {:?}", json_text::brief(other));
            return Err(Refusal::new(RefusalReason::Unsupported, message));
        }
    };
    Ok(Signal { workflow_id, kind })
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
