//! JSON documents as text: written field by field, so that values that are JSON already go in as they are.

use super::WireError;
use crate::core::id::IllegalId;
use crate::core::json::Json;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The version of every JSON record that this version writes, and the newest that it reads.
pub const FORMAT: u64 = 1;

/// A JSON object under construction.
pub(super) struct Object(Vec<u8>);

impl Object {
    /// An object; `payload` is about how many bytes its large fields take.
    pub(super) fn new(payload: usize) -> Self {
        let mut text = Vec::with_capacity(512 + payload);
        text.push(b'{');
        Self(text)
    }

    /// An object that begins with the format.
    pub(super) fn with_format(payload: usize) -> Self {
        Self::new(payload).number("format", FORMAT)
    }

    fn name(&mut self, name: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        write_text(&mut self.0, name);
        self.0.push(b':');
    }

    /// A text.
    pub(super) fn text(mut self, name: &str, text: &str) -> Self {
        self.name(name);
        write_text(&mut self.0, text);
        self
    }

    /// A text or `null`.
    pub(super) fn text_or_null(self, name: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self.literal(name, "null"),
        }
    }

    /// A number.
    pub(super) fn number(self, name: &str, number: u64) -> Self {
        self.literal(name, &number.to_string())
    }

    /// A JSON value.
    pub(super) fn json(self, name: &str, json: &Json) -> Self {
        self.literal(name, json.as_str())
    }

    /// A JSON value or `null`.
    pub(super) fn json_or_null(self, name: &str, json: Option<&Json>) -> Self {
        self.literal(name, json.map_or("null", Json::as_str))
    }

    /// An object.
    pub(super) fn object(mut self, name: &str, inner: Object) -> Self {
        self.name(name);
        self.0.extend_from_slice(&inner.0);
        self.0.push(b'}');
        self
    }

    /// An array of objects.
    pub(super) fn array(mut self, name: &str, elements: impl IntoIterator<Item = Object>) -> Self {
        self.name(name);
        self.0.push(b'[');
        for (i, element) in elements.into_iter().enumerate() {
            if i > 0 {
                self.0.push(b',');
            }
            self.0.extend_from_slice(&element.0);
            self.0.push(b'}');
        }
        self.0.push(b']');
        self
    }

    /// What is JSON already.
    pub(super) fn literal(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// The bytes of the object.
    pub(super) fn finish(mut self) -> Bytes {
        self.0.push(b'}');
        self.0.into()
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector takes every write, and a text is always JSON");
}

/// What every JSON record of ours has.
#[derive(Deserialize)]
pub(super) struct Format {
    /// None: 1.
    format: Option<u64>,
}

impl Format {
    /// The format that a document names, where it is a newer one than ours.
    pub(super) fn newer(bytes: &[u8]) -> Option<u64> {
        serde_json::from_slice::<Format>(bytes).ok()?.format.filter(|format| *format > FORMAT)
    }
}

/// Reads a JSON record whose `format` field `format` finds. A newer format explains whatever else is strange, so it
/// is looked for where the record cannot be read, too.
pub(super) fn read<'a, T: Deserialize<'a>>(
    what: &'static str,
    expected: &'static str,
    bytes: &'a [u8],
    format: impl FnOnce(&T) -> Option<u64>,
) -> Result<T, WireError> {
    let newer = |found: u64| WireError::Newer { what, found: found.to_string(), known: FORMAT.to_string() };
    match serde_json::from_slice(bytes) {
        Ok(record) => match format(&record) {
            Some(found) if found > FORMAT => Err(newer(found)),
            _ => Ok(record),
        },
        Err(fault) => Err(match Format::newer(bytes) {
            Some(found) => newer(found),
            None => WireError::Malformed { expected, found: brief(&fault.to_string()) },
        }),
    }
}

/// A record of ours that has an illegal id.
pub(super) fn illegal(expected: &'static str, fault: &IllegalId) -> WireError {
    WireError::Malformed { expected, found: fault.to_string() }
}

/// Takes a part of a document as JSON text.
pub(super) fn take(expected: &'static str, raw: &RawValue) -> Result<Json, WireError> {
    Json::from_raw(raw).map_err(|fault| WireError::Malformed { expected, found: fault.to_string() })
}

/// For `deserialize_with`: a field that is there, also where it is `null`.
pub(super) fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(field: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

/// The first part of a message that may quote what came from outside.
pub(super) fn brief(text: &str) -> String {
    const MOST: usize = 300;
    if text.len() <= MOST {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MOST)])
}
