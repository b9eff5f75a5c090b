//! The record that hands a refused request in again.

use super::repair::check;
use super::work::Bench;
use crate::core::id::LetterId;
use crate::core::letter::LetterHandling;
use crate::core::partition::partition_of;
use crate::log::{NewRecord, Topic};
use crate::store::letter::FoundLetter;
use crate::store::query::Query;
use crate::wire::dead_letter_read::{self, RefusedRecord};
use crate::wire::{headers, letter_handling, request};
use anyhow::{Context, Result};
use bytes::Bytes;

/// The record that hands a refused request in again as it was; the inner error says why that cannot be, or would change
/// nothing.
///
/// # Errors
/// As [`refused_request`].
pub fn again(found: &FoundLetter, bench: &Bench, handling: &LetterHandling) -> Result<Result<NewRecord, String>> {
    Ok(refused_request(found, bench.query)?.and_then(|refused| {
        check(bench.catalogue, refused.key.as_deref(), refused.value.as_deref())?;
        Ok(record(refused, handling, bench.partitions))
    }))
}

/// The refused request of a letter; the inner error says why the letter cannot be handed in again.
///
/// # Errors
/// Where the store does not answer, or holds what is no letter.
pub fn refused_request(found: &FoundLetter, query: &dyn Query) -> Result<Result<RefusedRecord, String>> {
    let id = &found.letter.letter_id;
    let document = query.letter_document(id)?.with_context(|| format!("the store has lost letter {id}"))?;
    let record = dead_letter_read::decode(document.as_bytes()).with_context(|| format!("letter {id}"))?;
    let topic = &record.origin.topic;
    if *topic != Topic::Requests.to_string() {
        let why = match topic.as_str() {
            "results" => "its attempt has failed, and another result would change nothing",
            _ => "only a request can be handed in again",
        };
        return Ok(Err(format!("it is a refused record of {topic}, which can only be discarded: {why}")));
    }
    if record.truncated {
        let bytes = record.value_bytes;
        return Ok(Err(format!(
            "its value of {bytes} bytes is not kept whole in the letter; publish it again from where it came from"
        )));
    }
    if record.headers_left_out {
        tracing::warn!(%id, "it had more headers than a letter holds; those are missing now");
    }
    Ok(Ok(record))
}

/// The record that hands a request in: under its key, with its headers, and with word of the letter.
///
/// One that had no key, and names no workflow, gets one of the letter: handed in twice, it still runs once.
pub fn record(record: RefusedRecord, handling: &LetterHandling, partitions: u32) -> NewRecord {
    let key = record.key.or_else(|| Some(key_of(record.value.as_deref(), &handling.letter_id)));
    let mut headers = record.headers;
    headers.push((headers::LETTER.into(), letter_handling::encode(handling, &[])));
    NewRecord {
        topic: Topic::Requests,
        partition: key.as_ref().map(|key| partition_of(key, partitions)),
        key,
        value: record.value,
        headers,
    }
}

fn key_of(value: Option<&[u8]>, letter_id: &LetterId) -> Bytes {
    let named = request::decode(None, value, usize::MAX).map_or_else(|refusal| refusal.workflow_id, |r| r.workflow_id);
    named.map_or_else(|| Bytes::from(format!("letter-{letter_id}")), |id| Bytes::from(id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::command::Origin;
    use crate::core::letter::LetterAction;
    use crate::core::time::Timestamp;

    fn handed_in(key: Option<&'static str>, value: &'static str) -> NewRecord {
        let refused = RefusedRecord {
            origin: Origin { topic: "requests".into(), partition: 0, offset: 1, time: Timestamp(0) },
            key: key.map(Bytes::from),
            value: Some(Bytes::from(value)),
            value_bytes: value.len() as u64,
            truncated: false,
            headers: vec![("a".into(), Bytes::from("1"))],
            headers_left_out: false,
        };
        let letter_id = LetterId::of_input(0, 1);
        record(refused, &LetterHandling { letter_id, action: LetterAction::Redrive, by: "a".into(), note: None }, 4)
    }

    #[test]
    fn a_request_goes_where_its_workflow_lives() {
        let key = |record: &NewRecord| String::from_utf8_lossy(record.key.as_ref().unwrap()).into_owned();
        assert_eq!(key(&handed_in(Some("k"), "{}")), "k");
        assert_eq!(key(&handed_in(None, r#"{"definition":"a","input":1,"workflow_id":"w"}"#)), "w");
        let nameless = handed_in(None, r#"{"definition":"a","input":1}"#);
        assert_eq!(key(&nameless), format!("letter-{}", LetterId::of_input(0, 1)));
        assert_eq!(nameless.partition, Some(partition_of(nameless.key.as_ref().unwrap(), 4)));
        let names: Vec<_> = nameless.headers.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["a", headers::LETTER]);
    }
}
