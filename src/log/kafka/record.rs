//! From what librdkafka lends to a [`Record`] of our own.

use super::super::{Header, Record, Topic};
use super::raw::Message;
use crate::core::time::Timestamp;
use bytes::{Bytes, BytesMut};

/// Copies a record. The value has memory of its own; key and header values share one block, so that a small key that
/// is kept does not keep a large value.
pub(super) fn copy(topic: Topic, message: &Message<'_>) -> Record {
    let (key, headers) = small_parts(message);
    Record {
        topic,
        partition: u32::try_from(message.partition()).unwrap_or(0),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        time: Timestamp::from_millis(message.millis()),
        key,
        value: message.value().map(Bytes::copy_from_slice),
        headers,
    }
}

fn small_parts(message: &Message<'_>) -> (Option<Bytes>, Vec<Header>) {
    let mut block = BytesMut::new();
    let mut cuts = Vec::new();
    let key = message.key();
    message.headers(|name, value| {
        if cuts.is_empty() {
            block.extend_from_slice(key.unwrap_or_default());
        }
        block.extend_from_slice(value);
        cuts.push((name.to_string_lossy().into_owned(), value.len()));
    });
    if cuts.is_empty() {
        return (key.map(Bytes::copy_from_slice), Vec::new());
    }
    let mut block = block.freeze();
    let own_key = block.split_to(key.map_or(0, <[u8]>::len));
    let headers = cuts.into_iter().map(|(name, len)| (name.into(), block.split_to(len))).collect();
    (key.map(|_| own_key), headers)
}
