//! JSON as text: carried, stored and compared as bytes, parsed only where a value is looked at.

use serde::de::{self, DeserializeSeed, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

/// How deeply arrays and objects may nest. Below serde_json's own limit of 128, so that a value which was
/// accepted can always be parsed again, also when it is wrapped in an envelope.
pub const MAX_DEPTH: usize = 100;

/// One JSON value as text that is known to be well-formed and at most [`MAX_DEPTH`] deep.
///
/// With serde it is a string that holds JSON (the form in Avro); inside a JSON document use [`Json::raw`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not taken as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON, with the parser's words.
    #[error("not JSON: {0}")]
    Malformed(String),
    /// Deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

impl Json {
    /// The JSON value `null`.
    pub fn null() -> Self {
        Self(Arc::from("null"))
    }

    /// Checks and takes a text.
    pub fn parse(text: &str) -> Result<Self, JsonFault> {
        check(text)?;
        Ok(Self(Arc::from(text.trim_ascii())))
    }

    /// Takes what a JSON parser has already accepted as raw text; depth, numbers and escapes are checked here.
    pub fn from_raw(raw: &RawValue) -> Result<Self, JsonFault> {
        check(raw.get())?;
        Ok(Self(Arc::from(raw.get())))
    }

    /// The text of a value. Object members come out in sorted order.
    pub fn from_value(value: &Value) -> Self {
        Self(Arc::from(value.to_string()))
    }

    /// An object of values that are already text. Keys come out in the order given.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a Json)>) -> Self {
        let mut text = String::from("{");
        for (i, (key, value)) in members.into_iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            text.push_str(&Value::from(key).to_string());
            text.push(':');
            text.push_str(value.as_str());
        }
        text.push('}');
        Self(Arc::from(text))
    }

    /// Takes a text that was put together from the texts of other values; the depth is checked here, the
    /// rest is the caller's word.
    pub(crate) fn assembled(text: String) -> Result<Self, JsonFault> {
        check_depth(text.as_bytes())?;
        Ok(Self(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Length of the text in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a JSON text is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The parsed value.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or(Value::Null)
    }

    /// The text as a part of a larger JSON document that serde_json writes.
    pub fn raw(&self) -> &RawValue {
        serde_json::from_str(&self.0).unwrap_or(RawValue::NULL)
    }
}

/// Refuses what [`Json::value`] could not read, and nesting beyond [`MAX_DEPTH`], in one pass that builds nothing.
/// A raw value is only scanned: a lone surrogate (`"\ud800"`) or a number that no double holds (`1e999`) would pass.
fn check(text: &str) -> Result<(), JsonFault> {
    let too_deep = Cell::new(false);
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = Checked { left: MAX_DEPTH, too_deep: &too_deep }.deserialize(&mut parser).and_then(|()| parser.end());
    match read {
        Err(_) if too_deep.get() => Err(JsonFault::TooDeep),
        read => read.map_err(|e| JsonFault::Malformed(e.to_string())),
    }
}

/// Looks at every part of a value and keeps nothing.
#[derive(Clone, Copy)]
struct Checked<'a> {
    /// How many levels may follow.
    left: usize,
    too_deep: &'a Cell<bool>,
}

impl Checked<'_> {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => {
                self.too_deep.set(true);
                Err(E::custom("too deep"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Checked<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while elements.next_element_seed(inner)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while members.next_entry_seed(inner, inner)?.is_some() {}
        Ok(())
    }
}

/// Refuses nesting beyond [`MAX_DEPTH`] with one pass over the bytes, without recursion.
pub fn check_depth(text: &[u8]) -> Result<(), JsonFault> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(JsonFault::TooDeep);
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Json;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a string that holds JSON")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
                // Only our own encoders write this form, from a checked `Json`.
                Ok(Json(Arc::from(text)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_strings_only() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Json::parse(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(Json::parse(&deep(MAX_DEPTH + 1)), Err(JsonFault::TooDeep));
        assert_eq!(Json::parse(&deep(100_000)), Err(JsonFault::TooDeep));
        assert!(Json::parse(&format!("\"\\\"{}\"", "[".repeat(1_000))).is_ok());
    }

    #[test]
    fn rubbish_is_refused() {
        for text in ["", "{", "nope", "1 2", "{\"a\":}", "\"\\ud800\"", "{\"\\udc00\":1}", "[1e999]"] {
            assert!(matches!(Json::parse(text), Err(JsonFault::Malformed(_))), "{text}");
            if let Ok(raw) = serde_json::from_str::<&RawValue>(text) {
                assert!(matches!(Json::from_raw(raw), Err(JsonFault::Malformed(_))), "{text}");
            }
        }
    }
}
