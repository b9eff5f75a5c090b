//! Requests that are refused: dead letter, answer, event and row, and the partition goes on.

use super::{CHAIN, Watched};
use crate::support::{Installation, Leg};
use bytes::Bytes;
use orchestrator::log::{NewRecord, Topic};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A request as it should not be.
struct Bad {
    what: &'static str,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    reason: &'static str,
    /// A part of the message.
    says: &'static str,
    /// The workflow that the refusal names.
    names: Option<&'static str>,
}

fn keyed(what: &'static str, value: impl Into<Vec<u8>>, reason: &'static str, says: &'static str) -> Bad {
    Bad { what, key: Some(b"w".to_vec()), value: Some(value.into()), reason, says, names: Some("w") }
}

fn with_key(what: &'static str, key: impl Into<Vec<u8>>, reason: &'static str, says: &'static str) -> Bad {
    Bad { key: Some(key.into()), names: None, ..keyed(what, good(&json!({})), reason, says) }
}

/// A request that is right in every respect but those given.
fn good(more: &Value) -> Vec<u8> {
    let mut request = json!({ "definition": "chain", "input": { "text": "hello" } });
    for (name, value) in more.as_object().expect("an object") {
        request[name] = value.clone();
    }
    request.to_string().into_bytes()
}

fn large(bytes: usize) -> Vec<u8> {
    good(&json!({ "input": { "text": "x".repeat(bytes) } }))
}

fn deep(open: &str, close: &str, levels: usize) -> Vec<u8> {
    format!("{{\"definition\":\"chain\",\"input\":{}1{}}}", open.repeat(levels), close.repeat(levels)).into_bytes()
}

fn framed(frame: &str, body: &[u8]) -> Vec<u8> {
    let byte = |i: usize| u8::from_str_radix(&frame[i..i + 2], 16).expect("hexadecimal digits");
    (0..frame.len()).step_by(2).map(byte).chain(body.iter().copied()).collect()
}

fn table() -> Vec<Bad> {
    vec![
        keyed("text", "hello", "malformed", "JSON object"),
        keyed("a list", "[1, 2]", "malformed", "JSON object"),
        keyed("half an object", "{\"definition\":\"chain\"", "malformed", ""),
        keyed("white space", " \n", "malformed", ""),
        keyed("no input", "{\"definition\":\"chain\"}", "malformed", "input"),
        keyed("a typing error", good(&json!({ "inptu": 1 })), "malformed", "inptu"),
        keyed("an input twice", "{\"definition\":\"chain\",\"input\":1,\"input\":2}", "malformed", "input"),
        keyed("invalid UTF-8", b"{\"definition\":\"chain\",\"input\":\"\xff\xfe\"}", "malformed", "UTF-8"),
        keyed("half a surrogate", "{\"definition\":\"chain\",\"input\":\"\\ud800\"}", "malformed", "input"),
        keyed("arrays 100,000 deep", deep("[", "]", 100_000), "too_deep", "100"),
        keyed("objects 100,000 deep", deep("{\"a\":", "}", 100_000), "too_deep", "100"),
        keyed("arrays 100,000 deep, never closed", deep("[", "", 100_000), "malformed", ""),
        keyed("5 MB", large(5 << 20), "too_large", "1048576"),
        keyed("2 MB", large(2 << 20), "too_large", "1048576"),
        keyed("an empty value", "", "no_value", ""),
        Bad { value: None, ..keyed("no value", "", "no_value", "") },
        Bad { value: None, key: None, names: None, ..keyed("nothing at all", "", "no_value", "") },
        Bad { key: None, names: None, ..keyed("text without key", "hello", "malformed", "") },
        keyed("an unknown definition", good(&json!({ "definition": "nope" })), "unknown_definition", "nope"),
        keyed("an unknown version", good(&json!({ "version": 7 })), "unknown_definition", "7"),
        keyed("version 0", good(&json!({ "version": 0 })), "malformed", "version"),
        keyed("an illegal name", good(&json!({ "definition": "a b" })), "illegal_id", "definition"),
        keyed("an input against the contract", good(&json!({ "input": { "text": 7 } })), "contract", "/text"),
        keyed("an input without what is required", good(&json!({ "input": {} })), "contract", "text"),
        keyed("a newer format", good(&json!({ "format": 2 })), "unsupported", "2"),
        keyed("another id in the body", good(&json!({ "workflow_id": "other" })), "key_mismatch", "other"),
        keyed("an illegal conversation", good(&json!({ "conversation_id": "" })), "illegal_id", "conversation_id"),
        with_key("an empty key", "", "illegal_id", "workflow_id"),
        with_key("a key of 257 bytes", "k".repeat(257), "illegal_id", "257"),
        with_key("a key of 300,000 bytes", "k".repeat(300_000), "illegal_id", "300000"),
        with_key("a key with a line feed", "a\nb", "illegal_id", "U+000A"),
        with_key("a key with a zero", "a\0b", "illegal_id", "U+0000"),
        with_key("a key that is no UTF-8", b"\xc3\x28", "illegal_id", "UTF-8"),
        keyed("an Avro of an unknown schema", framed("c3010011223344556677", b"1"), "unsupported", "0011223344556677"),
        keyed("half an Avro frame", framed("c30100", b""), "malformed", "framing"),
        keyed("half an Avro request", framed("c3011e234eb253687518", b"\x0achai"), "malformed", "Request"),
        keyed(
            "an Avro string of 8 EB",
            framed("c3011e234eb253687518", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "malformed",
            "Request",
        ),
        keyed("an Avro report as a request", framed("c301e0ae9344e69cc9d8", b""), "malformed", "Report"),
        keyed("Confluent's framing and nothing in it", framed("0000000001", b""), "malformed", "Request"),
        keyed(
            "bytes after an Avro request",
            framed("0000000001", &[&avro("{\"text\":\"x\"}")[..], b"!"].concat()),
            "malformed",
            "1 bytes",
        ),
        keyed("an Avro request whose input is no JSON", framed("0000000001", &avro("{")), "malformed", "input"),
    ]
}

/// `{definition: chain, version: null, input, workflow_id: null, conversation_id: null}` by `Request.v1.avsc`.
fn avro(input: &str) -> Vec<u8> {
    let length = u8::try_from(input.len() * 2).expect("a short input");
    [b"\x0achain\x00", &[length][..], input.as_bytes(), b"\x00\x00"].concat()
}

#[test]
fn every_bad_request_is_refused_and_answered_and_buried() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        let table = table();
        let places: Vec<_> = table.iter().map(|bad| watched.at.publish(record(bad, &watched.at))).collect();
        for (bad, place) in table.iter().zip(places) {
            is_refused(&mut watched, bad, place);
        }
        for partition in 0..4 {
            watched.goes_on(partition);
        }
        watched.at.judge(4);
    }
}

fn record(bad: &Bad, at: &Installation) -> NewRecord {
    NewRecord {
        topic: Topic::Requests,
        partition: Some(bad.names.map_or(2, |id| at.home(id))),
        key: bad.key.clone().map(Bytes::from),
        value: bad.value.clone().map(Bytes::from),
        headers: vec![("who".into(), Bytes::from_static(b"\xff")), ("how".into(), Bytes::new())],
    }
}

fn is_refused(watched: &mut Watched, bad: &Bad, place: (u32, u64)) {
    let refusal = watched.refusal(bad.what, place);
    assert_eq!(refusal["reason"], bad.reason, "{}: {refusal}", bad.what);
    assert_eq!(refusal["workflow_id"].as_str(), bad.names, "{}: {refusal}", bad.what);
    let message = refusal["message"].as_str().expect("a message");
    assert!(message.contains(bad.says) && message.len() < 1_000, "{}: {message}", bad.what);

    let letter = watched.dead_letter(bad.what, "requests", place, bad.reason);
    let value = bad.value.as_deref().unwrap_or_default();
    assert_eq!(letter["value_bytes"], value.len(), "{}", bad.what);
    let kept = bytes_of(&letter, "value");
    if value.len() > 4 << 20 {
        assert_eq!((&letter["truncated"], kept.as_slice()), (&Value::Bool(true), &value[..64 << 10]), "{}", bad.what);
    } else {
        assert!(kept == value && letter["truncated"] == false, "{}: the dead letter does not hold it whole", bad.what);
    }
    if bad.value.is_some() && !value.is_empty() {
        let hash = hex::encode(Sha256::digest(value));
        assert_eq!(letter["value_sha256"], hash, "{}", bad.what);
    }
    assert_eq!(letter["headers"]["who"]["base64"], "/w==", "{}", bad.what);
}

/// A field of a dead letter, as it was.
fn bytes_of(letter: &Value, field: &str) -> Vec<u8> {
    use base64::Engine;
    let text = letter[field].as_str().unwrap_or_default();
    match letter[format!("{field}_encoding")].as_str() {
        Some("base64") => base64::engine::general_purpose::STANDARD.decode(text).expect("base64"),
        _ => text.as_bytes().to_vec(),
    }
}

#[test]
fn avro_requests_run_in_both_framings() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        for (id, frame) in [("single object", "c3011e234eb253687518"), ("Confluent", "0000000007")] {
            watched.at.publish(NewRecord {
                topic: Topic::Requests,
                partition: Some(watched.at.home(id)),
                key: Some(Bytes::from(id)),
                value: Some(framed(frame, &avro("{\"text\":\"Avro\"}")).into()),
                headers: vec![],
            });
            assert_eq!(watched.answer(id)["answer"], json!({ "first": { "text": "Avro" } }));
        }
        watched.at.judge(2);
    }
}

#[test]
fn a_wait_on_a_refused_or_repeated_request_ends() {
    for leg in Leg::all() {
        let watched = Watched::serving(Installation::new(leg), &[CHAIN], &[]);
        let submit = |line: &[&str]| {
            let line: Vec<_> = ["submit"].iter().chain(line).chain(&["--wait", "--timeout", "60"]).copied().collect();
            watched.at.run(&line)
        };
        let first = submit(&["chain", "--id", "same", "--input", "{\"text\":\"a\"}"]).expect(0);
        // The same value, spelled otherwise.
        let again =
            submit(&["chain", "--id", "same", "--input", " {\"text\" : \"\\u0061\"}", "--output", "json"]).expect(0);
        assert_eq!((again.json()["kind"].as_str(), &again.json()["answer"]), (Some("answer"), &first.json()));
        for (line, reason) in [
            (&["chain", "--id", "same", "--input", "{\"text\":\"b\"}"][..], "id_conflict"),
            (&["chain", "--input", "{}"], "contract"),
            (&["nope", "--input", "{}"], "unknown_definition"),
        ] {
            let end = submit(line).expect(3);
            assert!(end.stderr.contains(reason), "{end:?}");
        }
        let large = watched.at.folder().join("large.json");
        std::fs::write(&large, json!({ "text": "x".repeat(5 << 20) }).to_string()).expect("a file");
        let end = submit(&["chain", "--input", &format!("@{}", large.display())]).expect(3);
        assert!(end.stderr.contains("too_large"), "{end:?}");
    }
}
