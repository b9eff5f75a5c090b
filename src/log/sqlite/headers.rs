//! Headers as one blob: for each, the length of its name (u32, little-endian), the name, the length of its value,
//! the value. No headers are NULL.

use crate::log::Header;
use bytes::Bytes;

/// The blob of these headers.
pub(super) fn encode(headers: &[Header]) -> Option<Vec<u8>> {
    if headers.is_empty() {
        return None;
    }
    let mut blob = Vec::with_capacity(size(headers));
    for (name, value) in headers {
        for part in [name.as_bytes(), value] {
            blob.extend_from_slice(&(part.len() as u32).to_le_bytes());
            blob.extend_from_slice(part);
        }
    }
    Some(blob)
}

/// How many bytes [`encode`] makes of them.
pub(super) fn size(headers: &[Header]) -> usize {
    headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum()
}

/// The headers of a blob; `None` where the blob is not one that [`encode`] makes.
pub(super) fn decode(blob: Option<Vec<u8>>) -> Option<Vec<Header>> {
    let mut rest = Bytes::from(blob.unwrap_or_default());
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let name = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        headers.push((name.into(), take(&mut rest)?));
    }
    Some(headers)
}

fn take(rest: &mut Bytes) -> Option<Bytes> {
    let length = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
    rest.get(4..4 + length)?;
    let _ = rest.split_to(4);
    Some(rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_empty_and_repeated_ones() {
        let headers = vec![
            ("ce_id".into(), Bytes::from_static(b"1")),
            ("".into(), Bytes::new()),
            ("ce_id".into(), Bytes::from_static(&[0, 255])),
        ];
        let blob = encode(&headers);
        assert_eq!(blob.as_ref().map(Vec::len), Some(size(&headers)));
        assert_eq!(decode(blob), Some(headers));
        assert_eq!(decode(encode(&[])), Some(vec![]));
    }

    #[test]
    fn a_blob_that_was_cut_off_is_no_headers() {
        let blob = encode(&[("traceparent".into(), Bytes::from_static(b"00-ab"))]).expect("not empty");
        for length in 1..blob.len() {
            assert_eq!(decode(Some(blob[..length].to_vec())), None, "{length} bytes");
        }
    }
}
