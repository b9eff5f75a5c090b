//! Confluent's framing: `00`, the schema's id in a registry (4 bytes, big-endian), the body. The bytes behind the frame
//! are those behind single-object framing.

use super::schema::{FRAME_BYTES, Schema};
use bytes::Bytes;

/// The first byte of Confluent's framing.
pub const CONFLUENT: u8 = 0;
/// Its length: the first byte and the id.
pub const CONFLUENT_FRAME_BYTES: usize = 5;

/// The id and the body, where a value has Confluent's framing.
pub fn confluent(value: &[u8]) -> Option<(u32, &[u8])> {
    let (frame, body) = value.split_first_chunk::<CONFLUENT_FRAME_BYTES>()?;
    let [CONFLUENT, id @ ..] = *frame else { return None };
    Some((u32::from_be_bytes(id), body))
}

/// A value in single-object framing, in Confluent's.
pub fn to_confluent(id: u32, single_object: &[u8]) -> Bytes {
    let body = single_object.get(FRAME_BYTES..).unwrap_or_default();
    let mut bytes = Vec::with_capacity(CONFLUENT_FRAME_BYTES + body.len());
    bytes.push(CONFLUENT);
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes.into()
}

/// A body in single-object framing.
pub fn to_single_object(schema: &Schema, body: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(FRAME_BYTES + body.len());
    bytes.extend_from_slice(&schema.frame());
    bytes.extend_from_slice(body);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::schema;

    #[test]
    fn a_value_comes_back_as_it_was() {
        let started = schema::by_name("NodeStarted").unwrap();
        let single = to_single_object(started, b"beans");
        let framed = to_confluent(0x0102_0304, &single);
        assert_eq!(*framed, *b"\0\x01\x02\x03\x04beans");
        let (id, body) = confluent(&framed).unwrap();
        assert_eq!((id, to_single_object(started, body)), (0x0102_0304, single));
    }

    #[test]
    fn other_values_are_not_taken_for_it() {
        for value in [&b""[..], b"\0\0\0\x01", b"\xC3\x01aaaaaaaa", b"{\"a\":1}"] {
            assert_eq!(confluent(value), None, "{value:?}");
        }
        assert_eq!(to_confluent(1, b"short").len(), CONFLUENT_FRAME_BYTES);
    }
}
