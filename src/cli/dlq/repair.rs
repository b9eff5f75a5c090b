//! Repairing a request or the input of a node: as a whole, member by member, or by hand.

use crate::cli::exit::{Exit, fail};
use crate::cli::submit::check as contract;
use crate::core::catalogue::Catalogue;
use crate::core::json::Json;
use crate::wire::request;
use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::Value;
use std::process::Command;

/// One change.
#[derive(Clone, Debug)]
pub enum Repair {
    /// Another one in its place.
    Whole(Json),
    /// Another member.
    Member {
        /// Where: a JSON pointer (RFC 6901).
        pointer: String,
        /// What.
        value: Value,
    },
}

impl Repair {
    /// Reads `POINTER=JSON`.
    ///
    /// # Errors
    /// Where it is not that.
    pub fn member(text: &str) -> Result<Self, String> {
        let (pointer, value) = text.split_once('=').ok_or("expected POINTER=JSON, e.g. /input/total=12")?;
        if !pointer.starts_with('/') {
            return Err(format!("expected a JSON pointer, which begins with /, found {pointer:?}"));
        }
        if pointer.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
            return Err(format!(
                "in a JSON pointer ~ stands as ~0 and / in a name as ~1 (RFC 6901), found {pointer:?}"
            ));
        }
        let value = serde_json::from_str(value).map_err(|fault| {
            format!("the value of {pointer} is not JSON ({fault}); a text stands in double quotes: '{pointer}=\"…\"'")
        })?;
        Ok(Self::Member { pointer: pointer.to_owned(), value })
    }

    /// The value with the change.
    ///
    /// # Errors
    /// Why it cannot be changed so.
    pub fn apply(&self, before: Option<&[u8]>) -> Result<Bytes, String> {
        let (pointer, value) = match self {
            Self::Whole(json) => return Ok(Bytes::copy_from_slice(json.as_str().as_bytes())),
            Self::Member { pointer, value } => (pointer, value),
        };
        let mut whole: Value = serde_json::from_slice(before.unwrap_or_default())
            .map_err(|fault| format!("its value is no JSON ({fault}); give a whole one with --value"))?;
        set(&mut whole, pointer, value)?;
        Ok(Bytes::from(whole.to_string()))
    }
}

/// Puts a value where the pointer says; what it is a member of must be there.
fn set(whole: &mut Value, pointer: &str, value: &Value) -> Result<(), String> {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    let name = name.replace("~1", "/").replace("~0", "~");
    match whole.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.insert(name, value.clone());
            Ok(())
        }
        Some(Value::Array(elements)) if name == "-" => {
            elements.push(value.clone());
            Ok(())
        }
        Some(Value::Array(elements)) => {
            let of = elements.len();
            let element = name.parse().ok().and_then(|index: usize| elements.get_mut(index));
            *element.ok_or_else(|| format!("{parent} has {of} elements, and no {name}"))? = value.clone();
            Ok(())
        }
        _ => Err(format!("there is no object and no array at {:?} of its value", parent)),
    }
}

/// The value as somebody leaves it in the editor.
///
/// # Errors
/// Where there is no editor, or it fails.
pub fn by_hand(before: Option<&[u8]>) -> Result<Bytes> {
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok().filter(|e| !e.is_empty()));
    let editor = editor.ok_or_else(|| fail(Exit::Usage, "set EDITOR, or say what to change with --set or --value"))?;
    let file = tempfile::Builder::new().prefix("letter-").suffix(".json").tempfile().context("a file to edit")?;
    let before = before.unwrap_or_default();
    let pretty = serde_json::from_slice::<Box<serde_json::value::RawValue>>(before).ok();
    std::fs::write(file.path(), pretty.as_ref().map_or(before, |raw| raw.get().as_bytes()))?;
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let status = Command::new(program).args(words).arg(file.path()).status();
    let status =
        status.map_err(|error| fail(Exit::Usage, format!("the editor {editor:?} can't be started: {error}")))?;
    if !status.success() {
        return Err(fail(Exit::Interrupted, format!("the editor ended with {status}; nothing was done")));
    }
    Ok(Bytes::from(std::fs::read(file.path()).context("the edited file can't be read")?))
}

/// What the engine would say of the request.
///
/// # Errors
/// The refusal, in words.
pub fn check(catalogue: &Catalogue, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), String> {
    let refused = |refusal: crate::core::rejection::Refusal| {
        format!("it would be refused again: {}: {}", refusal.reason.as_str(), refusal.message)
    };
    let request = request::decode(key, value, usize::MAX).map_err(refused)?;
    let resume = request.resume.as_ref();
    contract::check(catalogue, &request.definition, request.version, &request.input, resume)
        .map_err(|fault| refused(*fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(before: &str, change: &str) -> Result<String, String> {
        let bytes = Repair::member(change)?.apply(Some(before.as_bytes()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn members_are_put_where_a_pointer_says() {
        for (before, change, after) in [
            (r#"{"input":{"a":1}}"#, "/input/a=2", r#"{"input":{"a":2}}"#),
            (r#"{"input":{"a":1}}"#, "/input/b=\"x=y\"", r#"{"input":{"a":1,"b":"x=y"}}"#),
            (r#"{"input":[1,2]}"#, "/input/1={}", r#"{"input":[1,{}]}"#),
            (r#"{"input":[1]}"#, "/input/-=2", r#"{"input":[1,2]}"#),
            (r#"{"a/b":1}"#, "/a~1b=2", r#"{"a/b":2}"#),
        ] {
            assert_eq!(repaired(before, change), Ok(after.to_owned()), "{change}");
        }
    }

    #[test]
    fn what_cannot_be_changed_says_why() {
        for (before, change, part) in [
            ("{}", "/a/b=1", "no object"),
            ("[1]", "/7=1", "has 1 elements"),
            ("Ã", "/a=1", "no JSON"),
            ("{}", "a=1", "begins with /"),
            ("{}", "/a", "POINTER=JSON"),
            ("{}", "/a=b", "double quotes"),
        ] {
            let reason = repaired(before, change).unwrap_err();
            assert!(reason.contains(part), "{change}: {reason}");
        }
    }
}
