//! What a dead letter holds, to be handed in again.

use super::dead_letter::HEADERS_LEFT_OUT;
use super::headers;
use super::json_text;
use super::{WireError, answer};
use crate::core::command::Origin;
use crate::core::json::Json;
use crate::log::Header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A refused record as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Where it stood first.
    pub origin: Origin,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; of a larger one than a letter holds the beginning.
    pub value: Option<Bytes>,
    /// How large the value was, in bytes.
    pub value_bytes: u64,
    /// Whether `value` is not all of it.
    pub truncated: bool,
    /// Its headers, but those that said where it had come from and which letter it was of.
    pub headers: Vec<Header>,
    /// Whether there were more headers than a letter holds.
    pub headers_left_out: bool,
}

#[derive(Deserialize)]
struct RecordIn {
    format: Option<u64>,
    origin: answer::OriginIn,
    key: Option<String>,
    key_encoding: Option<String>,
    value: Option<String>,
    value_encoding: Option<String>,
    value_bytes: u64,
    truncated: bool,
    headers: Map<String, Value>,
}

const EXPECTED: &str = "the dead letter of an input";

#[derive(Deserialize)]
struct NodeIn<'a> {
    format: Option<u64>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// The input of an exhausted node; none where it could not be made.
///
/// # Errors
/// Where it is no letter, or of a newer format.
pub fn input_of_node(letter: &[u8]) -> Result<Option<Json>, WireError> {
    const EXPECTED: &str = "the dead letter of a node";
    let node: NodeIn = json_text::read("the dead letter", EXPECTED, letter, |node: &NodeIn| node.format)?;
    node.input.map(|raw| json_text::take(EXPECTED, raw)).transpose()
}

/// Reads the letter of a refused input.
///
/// # Errors
/// Where it is none, or of a newer format.
pub fn decode(letter: &[u8]) -> Result<RefusedRecord, WireError> {
    let read = json_text::read("the dead letter", EXPECTED, letter, |letter: &RecordIn| letter.format)?;
    let mut kept = Vec::new();
    let mut headers_left_out = false;
    for (name, value) in read.headers {
        headers_left_out |= name == HEADERS_LEFT_OUT;
        if [headers::ORIGIN, headers::LETTER, HEADERS_LEFT_OUT].contains(&name.as_str()) {
            continue;
        }
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        for value in values {
            kept.push((name.clone().into(), header(&value)?));
        }
    }
    Ok(RefusedRecord {
        origin: answer::origin(read.origin)?,
        key: bytes(read.key, read.key_encoding.as_deref())?,
        value: bytes(read.value, read.value_encoding.as_deref())?,
        value_bytes: read.value_bytes,
        truncated: read.truncated,
        headers: kept,
        headers_left_out,
    })
}

fn bytes(text: Option<String>, encoding: Option<&str>) -> Result<Option<Bytes>, WireError> {
    let Some(text) = text else { return Ok(None) };
    match encoding {
        Some("utf8") => Ok(Some(Bytes::from(text))),
        Some("base64") => from_base64(&text).map(Some),
        other => Err(malformed(format!("the encoding {other:?}"))),
    }
}

fn header(value: &Value) -> Result<Bytes, WireError> {
    match (value.as_str(), value["base64"].as_str()) {
        (Some(text), _) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        (None, Some(text)) => from_base64(text),
        (None, None) => Err(malformed("a header that is neither a text nor {\"base64\": …}".to_owned())),
    }
}

fn from_base64(text: &str) -> Result<Bytes, WireError> {
    STANDARD.decode(text).map(Bytes::from).map_err(|fault| malformed(format!("no base64: {fault}")))
}

fn malformed(found: String) -> WireError {
    WireError::Malformed { expected: EXPECTED, found }
}
