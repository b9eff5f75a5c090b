//! What someone does with a dead letter, as it goes along with a request that is handed in again: a header of JSON.

use super::inbound::{illegal, malformed};
use super::json_text::{self, Object};
use crate::core::id::LetterId;
use crate::core::letter::{LetterAction, LetterHandling};
use crate::core::rejection::Refusal;
use bytes::Bytes;
use serde::Deserialize;
use std::borrow::Cow;

/// How long the name of whoever handles a letter may be, in bytes: a person or a program.
pub const MAX_BY_BYTES: usize = 256;
/// How long a note may be, in bytes: some paragraphs.
pub const MAX_NOTE_BYTES: usize = 4_096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandlingIn<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    by: Cow<'a, str>,
    note: Option<Cow<'a, str>>,
}

/// The value of the header `orchestrator_letter`: `{"id":…,"action":…,"by":…,"note":…}`.
pub fn encode(handling: &LetterHandling) -> Bytes {
    let LetterHandling { letter_id, action, by, note } = handling;
    let header = Object::new(0).text("id", letter_id.as_str()).text("action", action.as_str()).text("by", by);
    match note {
        Some(note) => header.text("note", note).finish(),
        None => header.finish(),
    }
}

/// Reads the header of a request.
///
/// # Errors
/// Where it is not of the form, or names what is not done by a request: the refusal says what was expected.
pub fn decode(header: &[u8]) -> Result<LetterHandling, Refusal> {
    let read: HandlingIn = serde_json::from_slice(header).map_err(|fault| {
        let found = json_text::brief(&fault.to_string());
        malformed(format!(
            "expected the header `orchestrator_letter` to be {{\"id\", \"action\", \"by\", \"note\"?}}, found: {found}"
        ))
    })?;
    // What else can be done with a letter needs no request.
    let by_request = [LetterAction::Redrive, LetterAction::Edit];
    let action = by_request.into_iter().find(|action| action.as_str() == read.action).ok_or_else(|| {
        let found = json_text::brief(&read.action);
        malformed(format!(
            "expected the `action` of a request's `orchestrator_letter` to be redrive or edit, found {found:?}"
        ))
    })?;
    checked(&read.id, action, &read.by, read.note.as_deref())
}

/// Checks what came from outside.
pub(super) fn checked(id: &str, action: LetterAction, by: &str, note: Option<&str>) -> Result<LetterHandling, Refusal> {
    let letter_id = LetterId::new(id).map_err(illegal)?;
    if by.is_empty() || by.len() > MAX_BY_BYTES || by.chars().any(char::is_control) {
        let message = format!(
            "expected `by` to be 1 to {MAX_BY_BYTES} bytes without control characters, found {} bytes",
            by.len()
        );
        return Err(malformed(message));
    }
    if let Some(note) = note.filter(|note| note.len() > MAX_NOTE_BYTES) {
        return Err(malformed(format!("expected a `note` of at most {MAX_NOTE_BYTES} bytes, found {}", note.len())));
    }
    Ok(LetterHandling { letter_id, action, by: by.to_owned(), note: note.map(str::to_owned) })
}
