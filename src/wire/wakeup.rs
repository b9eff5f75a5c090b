//! Wake-ups: the records of `delay.<tier>`, by which an attempt that waits is remembered, as JSON.

use super::WireError;
use super::json_text::{self, Object};
use crate::core::id::{DispatchId, WorkflowId};
use crate::core::rfc3339;
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde::Deserialize;
use std::borrow::Cow;

/// An attempt that waits: `{"format":1,"dispatch_id":"…","workflow_id":"…","due_at":"2026-01-31T12:00:00Z"}`. The
/// record is due when its tier has passed since it was appended; `due_at` is then not far, or reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// The attempt.
    pub dispatch_id: DispatchId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// When the attempt is due.
    pub due_at: Timestamp,
}

/// The bytes of a wake-up.
pub fn encode(wakeup: &Wakeup) -> Bytes {
    Object::with_format(0)
        .text("dispatch_id", &wakeup.dispatch_id.to_string())
        .text("workflow_id", wakeup.workflow_id.as_str())
        .text("due_at", &rfc3339::write(wakeup.due_at))
        .finish()
}

#[derive(Deserialize)]
struct WakeupIn<'a> {
    format: Option<u64>,
    #[serde(borrow)]
    dispatch_id: Cow<'a, str>,
    #[serde(borrow)]
    workflow_id: Cow<'a, str>,
    #[serde(borrow)]
    due_at: Cow<'a, str>,
}

/// Reads a wake-up.
///
/// # Errors
/// Where it is none.
pub fn decode(bytes: &[u8]) -> Result<Wakeup, WireError> {
    const EXPECTED: &str = "a wake-up";
    let read = json_text::read("the wake-up", EXPECTED, bytes, |read: &WakeupIn| read.format)?;
    let illegal = |fault| json_text::illegal(EXPECTED, &fault);
    let no_time = || WireError::Malformed { expected: EXPECTED, found: "due_at is not an RFC 3339 time".to_owned() };
    Ok(Wakeup {
        dispatch_id: read.dispatch_id.parse().map_err(illegal)?,
        workflow_id: read.workflow_id.parse().map_err(illegal)?,
        due_at: rfc3339::read(&read.due_at).ok_or_else(no_time)?,
    })
}
