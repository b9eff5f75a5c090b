//! What someone does with dead letters, as it goes along with the request that does it: a header of JSON.

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
/// How many letters a request may work off: those of one run. Each has an event, which may hold the longest note, in the
/// step that starts the run; together they stay under 1 MB of it.
pub const MAX_LETTERS: usize = 200;

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
    #[serde(borrow, default)]
    others: Vec<OtherIn<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherIn<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
}

/// The value of the header `orchestrator_letter`: `{"id":…,"action":…,"by":…,"note":…,"others":[{"id":…,"action":…}]}`.
/// `others` are letters that the same person works off with the same request, for the same reason.
pub fn encode(handling: &LetterHandling, others: &[(LetterId, LetterAction)]) -> Bytes {
    let LetterHandling { letter_id, action, by, note } = handling;
    let mut header = Object::new(0).text("id", letter_id.as_str()).text("action", action.as_str()).text("by", by);
    if let Some(note) = note {
        header = header.text("note", note);
    }
    if !others.is_empty() {
        let other = |(id, action): &(LetterId, LetterAction)| {
            Object::new(0).text("id", id.as_str()).text("action", action.as_str())
        };
        header = header.array("others", others.iter().map(other));
    }
    header.finish()
}

/// Reads the header of a request: what is done with each letter, at least one.
///
/// # Errors
/// Where it is not of the form, or names what is not done by a request: the refusal says what was expected.
pub fn decode(header: &[u8]) -> Result<Vec<LetterHandling>, Refusal> {
    let read: HandlingIn = serde_json::from_slice(header).map_err(|fault| {
        let found = json_text::brief(&fault.to_string());
        malformed(format!(
            "expected the header `orchestrator_letter` to be {{\"id\", \"action\", \"by\", \"note\"?, \"others\"?}}, found: {found}"
        ))
    })?;
    if read.others.len() >= MAX_LETTERS {
        let found = read.others.len() + 1;
        return Err(malformed(format!(
            "expected at most {MAX_LETTERS} letters in the header `orchestrator_letter`, found {found}"
        )));
    }
    let first = checked(&read.id, action_of(&read.action)?, &read.by, read.note.as_deref())?;
    let mut all = vec![first.clone()];
    for OtherIn { id, action } in &read.others {
        let letter_id = LetterId::new(id).map_err(illegal)?;
        all.push(LetterHandling { letter_id, action: action_of(action)?, ..first.clone() });
    }
    Ok(all)
}

/// What is done by a request; to discard a letter needs none.
fn action_of(word: &str) -> Result<LetterAction, Refusal> {
    let by_request = [LetterAction::Redrive, LetterAction::Edit, LetterAction::Skip, LetterAction::Supply];
    by_request.into_iter().find(|action| action.as_str() == word).ok_or_else(|| {
        let found = json_text::brief(word);
        malformed(format!(
            "expected the `action` of a request's `orchestrator_letter` to be redrive, edit, skip or supply, found {found:?}"
        ))
    })
}

/// Checks what came from outside.
pub(super) fn checked(id: &str, action: LetterAction, by: &str, note: Option<&str>) -> Result<LetterHandling, Refusal> {
    let letter_id = LetterId::new(id).map_err(illegal)?;
    check_by(by)?;
    if let Some(note) = note.filter(|note| note.len() > MAX_NOTE_BYTES) {
        return Err(malformed(format!("expected a `note` of at most {MAX_NOTE_BYTES} bytes, found {}", note.len())));
    }
    Ok(LetterHandling { letter_id, action, by: by.to_owned(), note: note.map(str::to_owned) })
}

/// Checks the name of whoever asks for something.
///
/// # Errors
/// Where it is no name: the refusal says what was expected.
pub fn check_by(by: &str) -> Result<(), Refusal> {
    if by.is_empty() || by.len() > MAX_BY_BYTES || by.chars().any(char::is_control) {
        let message = format!(
            "expected `by` to be 1 to {MAX_BY_BYTES} bytes without control characters, found {} bytes",
            by.len()
        );
        return Err(malformed(message));
    }
    Ok(())
}
