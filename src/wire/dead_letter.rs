//! Dead letters, as JSON.

use super::json_text::Object;
use super::{WireError, answer, json_text};
use crate::core::command::Origin;
use crate::core::effect::DeadNode;
use crate::core::event::InputRefused;
use crate::core::failure::Failure;
use crate::core::fingerprint;
use crate::core::id::{AgentName, LetterId, WorkflowId};
use crate::core::json::Json;
use crate::journal::record::InputRecord;
use crate::log::Header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Up to this size a dead letter holds a refused value whole; of a larger one its first [`HEAD_BYTES`].
pub const WHOLE_BYTES: usize = 4 << 20;
/// How much of a value over [`WHOLE_BYTES`] is kept.
pub const HEAD_BYTES: usize = 64 << 10;

/// How much of the headers (names and values) is kept. With it a dead letter stays under the 8 MB of its topic, and a
/// step that holds one under the 8 MB of the journal.
pub const HEADERS_BYTES: usize = 256 << 10;
/// The header that says how many headers did not fit into [`HEADERS_BYTES`].
pub const HEADERS_LEFT_OUT: &str = "orchestrator_headers_left_out";

/// A refused input: `{"format":1,"id":…,"kind":"input","reason":…,"message":…,"details":…,"origin":{…},"fingerprint":…,
/// "workflow_id":…,"key":"<text or base64>","key_encoding":"utf8|base64","value":…,"value_encoding":"utf8|base64",
/// "value_bytes":…,"value_sha256":…,"truncated":false,"headers":{…}}`.
///
/// What is no UTF-8 is base64, and so is a large text whose JSON form would be longer than that. In `headers`, such a
/// value is `{"base64":"…"}`, and a name that comes more than once has the array of its values.
pub fn encode_input(id: &LetterId, refused: &InputRefused, input: &InputRecord) -> Bytes {
    let value = input.value.as_deref();
    let letter = Object::with_format(value.map_or(0, |value| value.len() + value.len() / 2))
        .text("id", id.as_str())
        .text("kind", "input")
        .text("reason", &refused.reason)
        .text("message", &refused.message)
        .json_or_null("details", refused.details.as_ref())
        .object("origin", answer::write_origin(&refused.origin))
        .text("fingerprint", &fingerprint_of_input(refused))
        .text_or_null("workflow_id", refused.workflow_id.as_ref().map(WorkflowId::as_str));
    let letter = put(letter, "key", "key_encoding", input.key.as_deref());
    put(letter, "value", "value_encoding", value)
        .number("value_bytes", input.value_bytes)
        .text_or_null("value_sha256", value.map(|_| input.value_sha256.as_str()))
        .literal("truncated", if is_cut(input) { "true" } else { "false" })
        .literal("headers", &headers(&input.headers).to_string())
        .finish()
}

/// The fingerprint of a refused input.
pub fn fingerprint_of_input(refused: &InputRefused) -> String {
    fingerprint::of("input", &refused.origin.topic, &refused.reason, "", &refused.message)
}

/// A refused input, as its dead letter tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedInput {
    /// A short stable word.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// More, as JSON.
    pub details: Option<Json>,
    /// Where the input stands.
    pub origin: Origin,
}

#[derive(Deserialize)]
struct LetterIn<'a> {
    format: Option<u64>,
    kind: String,
    reason: Option<String>,
    message: String,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    origin: Option<answer::OriginIn>,
}

/// Reads what a dead letter says of a refused input; none where it is of a node.
///
/// # Errors
/// Where it is no dead letter, or of a newer format.
pub fn decode_input(bytes: &[u8]) -> Result<Option<RefusedInput>, WireError> {
    const EXPECTED: &str = "a dead letter";
    let letter: LetterIn = json_text::read("the dead letter", EXPECTED, bytes, |letter: &LetterIn| letter.format)?;
    let (Some(reason), Some(origin), "input") = (letter.reason, letter.origin, letter.kind.as_str()) else {
        return Ok(None);
    };
    let details = letter.details.map(|raw| json_text::take(EXPECTED, raw)).transpose()?;
    Ok(Some(RefusedInput { reason, message: letter.message, details, origin: answer::origin(origin)? }))
}

fn is_cut(input: &InputRecord) -> bool {
    input.value.as_ref().is_some_and(|value| (value.len() as u64) < input.value_bytes)
}

fn put(letter: Object, name: &str, encoding: &str, bytes: Option<&[u8]>) -> Object {
    match bytes.map(readable) {
        None => letter.literal(name, "null").literal(encoding, "null"),
        Some(Readable::Text(text)) => letter.text(name, text).text(encoding, "utf8"),
        Some(Readable::Base64(text)) => letter.text(name, &text).text(encoding, "base64"),
    }
}

enum Readable<'a> {
    Text(&'a str),
    Base64(String),
}

/// Text where it is UTF-8 and, as JSON, short or no longer than base64 would be (a control character takes 6 bytes).
fn readable(bytes: &[u8]) -> Readable<'_> {
    const SHORT: usize = 1 << 20;
    let as_json = || {
        bytes.iter().map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            0..0x20 => 6,
            _ => 1,
        })
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if as_json().sum::<usize>() <= SHORT.max(bytes.len() / 3 * 4) => Readable::Text(text),
        _ => Readable::Base64(STANDARD.encode(bytes)),
    }
}

fn headers(headers: &[Header]) -> Value {
    let mut object = Map::new();
    for (name, value) in headers {
        let value = match readable(value) {
            Readable::Text(text) => Value::from(text),
            Readable::Base64(text) => serde_json::json!({ "base64": text }),
        };
        match object.get_mut(name.as_ref()) {
            None => drop(object.insert(name.to_string(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::from(vec![first.take(), value]),
        }
    }
    object.into()
}

/// An exhausted node: `{"format":1,"id":…,"kind":"node","workflow_id":…,"dispatch_id":…,"run_id":…,"node_id":…,"attempt":…,
/// "agent_name":…,"input":…,"class":…,"code":…,"message":…,"details":…,"fingerprint":…}`.
/// Without `input` where the input itself could not be made.
pub fn encode_node(workflow_id: &WorkflowId, node: &DeadNode) -> Bytes {
    let DeadNode { letter_id, dispatch_id, agent_name, input, failure } = node;
    let letter = Object::with_format(input.as_ref().map_or(0, |input| input.len()))
        .text("id", letter_id.as_str())
        .text("kind", "node")
        .text("workflow_id", workflow_id.as_str())
        .text("dispatch_id", &dispatch_id.to_string())
        .text("run_id", dispatch_id.run_id.as_str())
        .text("node_id", dispatch_id.node_id.as_str())
        .number("attempt", dispatch_id.attempt.into())
        .text("agent_name", agent_name.as_str());
    let letter = match input {
        Some(input) => letter.json("input", input),
        None => letter,
    };
    letter
        .text("class", failure.class.as_str())
        .text("code", &failure.code)
        .text("message", &failure.message)
        .json_or_null("details", failure.details.as_ref())
        .text("fingerprint", &fingerprint_of_node(agent_name, failure))
        .finish()
}

/// The fingerprint of a node's failure.
pub fn fingerprint_of_node(agent_name: &AgentName, failure: &Failure) -> String {
    fingerprint::of("node", agent_name.as_str(), failure.class.as_str(), &failure.code, &failure.message)
}

/// Keeps what an effect will need of an input record: a value of up to [`WHOLE_BYTES`] whole, of a larger one the
/// first [`HEAD_BYTES`] with length and hash of the whole; a key up to [`HEAD_BYTES`]; headers up to
/// [`HEADERS_BYTES`], and a header [`HEADERS_LEFT_OUT`] with the number of those that did not fit.
pub fn keep(key: Option<&Bytes>, value: Option<&Bytes>, headers: &[Header]) -> InputRecord {
    let value_sha256 = value.map(|value| hex::encode(Sha256::digest(value))).unwrap_or_default();
    InputRecord {
        key: key.map(|key| up_to(key, HEAD_BYTES, HEAD_BYTES)),
        value: value.map(|value| up_to(value, WHOLE_BYTES, HEAD_BYTES)),
        value_bytes: value.map_or(0, |value| value.len() as u64),
        value_sha256,
        headers: keep_headers(headers),
    }
}

/// The bytes, or a copy of their head, so that the whole can be freed. A text is not cut within a character.
fn up_to(bytes: &Bytes, whole: usize, head: usize) -> Bytes {
    if bytes.len() <= whole {
        return bytes.clone();
    }
    let cut = match std::str::from_utf8(bytes) {
        Ok(text) => text.floor_char_boundary(head),
        Err(_) => head,
    };
    Bytes::copy_from_slice(&bytes[..cut])
}

fn keep_headers(headers: &[Header]) -> Vec<Header> {
    let mut room = HEADERS_BYTES;
    let mut kept = Vec::with_capacity(headers.len().min(64));
    for (name, value) in headers {
        // 8 bytes for what stands around a header in Avro and JSON.
        if let Some(left) = room.checked_sub(name.len() + value.len() + 8) {
            room = left;
            kept.push((name.clone(), value.clone()));
        }
    }
    if kept.len() < headers.len() {
        kept.push((HEADERS_LEFT_OUT.into(), (headers.len() - kept.len()).to_string().into()));
    }
    kept
}
