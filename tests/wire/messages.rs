//! What stands around the bodies: headers, ids that derive from origins, hashes, dead letters.

use crate::samples;
use bytes::Bytes;
use orchestrator::core::command::Origin;
use orchestrator::core::event::Event;
use orchestrator::core::partition::partition_of;
use orchestrator::core::rfc3339;
use orchestrator::core::time::Timestamp;
use orchestrator::log::Header;
use orchestrator::wire::event::Published;
use orchestrator::wire::{chain, dead_letter, definition, event, headers, request, schema};
use serde_json::{Value, json};

fn text(headers: &[Header]) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_ref(), std::str::from_utf8(value).unwrap())).collect()
}

#[test]
fn the_headers_of_an_event() {
    let completed = samples::run_events()[4].clone();
    let (of_run, body) = (Published::Run(completed.clone()), event::encode(&completed));
    let headers = headers::event_headers("orchestrator", &of_run, &body, 99, &[0xAB; 16], Some("00-trace"));
    assert_eq!(
        text(&headers),
        [
            ("ce_specversion", "1.0"),
            ("ce_id", "0123456789abcdef0123456789abcdef/5"),
            ("ce_type", "orchestrator.NodeCompleted.v2"),
            ("ce_source", "orchestrator"),
            ("ce_subject", "order 7 / ☕"),
            ("ce_time", "2026-02-03T04:05:06.005007Z"),
            ("ce_sequence", "00000000000000000005"),
            ("content-type", "application/avro"),
            ("orchestrator_journal_offset", "99"),
            ("orchestrator_chain", "abababababababababababababababab"),
            ("traceparent", "00-trace"),
        ]
    );
    let rejected = samples::partition_events()[1].clone();
    let (of_partition, body) = (Published::Partition(rejected.clone()), event::encode_partition(&rejected));
    let headers = headers::event_headers("shop", &of_partition, &body, 0, &chain::START, None);
    let headers = text(&headers);
    for expected in [
        ("ce_id", "partition-2/2"),
        ("ce_type", "orchestrator.InputRejected.v1"),
        ("ce_source", "shop"),
        ("ce_subject", "partition-2"),
        ("ce_sequence", "00000000000000000002"),
    ] {
        assert!(headers.contains(&expected), "{expected:?} in {headers:?}");
    }
    assert!(headers.iter().all(|(name, _)| *name != "traceparent"));
}

#[test]
fn the_chain_depends_on_every_byte_and_on_the_order() {
    // SHA-256 over 16 zero bytes and abc.
    assert_eq!(chain::next(&chain::START, b"abc"), sha256_of(&[&[0; 16], &b"abc"[..]].concat()));
    let [ab, ba] = [[b"a", b"b"], [b"b", b"a"]].map(|[x, y]| chain::next(&chain::next(&chain::START, x), y));
    assert_ne!(ab, ba);
}

fn sha256_of(bytes: &[u8]) -> [u8; 16] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes)[..16].try_into().unwrap()
}

#[test]
fn a_derived_id_lives_in_the_partition_of_its_origin() {
    for partitions in [1, 2, 4, 12, 100] {
        for partition in 0..partitions {
            for offset in 0..20 {
                let origin = Origin { partition, offset, ..samples::origin() };
                let id = request::derived_workflow_id(&origin, partitions);
                assert_eq!(partition_of(id.as_str().as_bytes(), partitions), partition, "{id} of {origin:?}");
                assert_eq!(id, request::derived_workflow_id(&origin, partitions), "the same again");
                let next = Origin { offset: offset + 1, ..origin };
                assert_ne!(id, request::derived_workflow_id(&next, partitions));
            }
        }
    }
    // A partition that there is not: some id, at once.
    let nowhere = Origin { partition: 7, ..samples::origin() };
    assert!(request::derived_workflow_id(&nowhere, 4).as_str().ends_with("-0"));
    assert!(request::derived_workflow_id(&nowhere, 0).as_str().ends_with("-0"));
    let id = request::derived_workflow_id(&samples::origin(), 4);
    assert_eq!(id.as_str(), "wf-0e7d05b5a0c70396e09a-3", "a released derivation must not change");
}

#[test]
fn a_run_id_derives_from_where_and_when_its_request_was_appended() {
    let origin = samples::origin();
    assert_eq!(request::write_origin(&origin), "requests/2/4711/1770091505990");
    assert_eq!(request::run_id(&origin).as_str(), "2d611fb07368fefebf1a724d09fed966", "must not change");
    let others = [
        Origin { topic: "signals".into(), ..origin.clone() },
        Origin { partition: 3, ..origin.clone() },
        Origin { offset: 4712, ..origin.clone() },
        Origin { time: Timestamp::from_millis(1), ..origin.clone() },
    ];
    for other in others {
        assert_ne!(request::run_id(&other), request::run_id(&origin), "{other:?}");
    }
}

#[test]
fn an_origin_header_that_we_did_not_write_is_none() {
    for header in [
        "",
        "requests",
        "requests/2/4711",
        "requests/2/4711/5/6",
        "/2/4711/5",
        "requests/-2/4711/5",
        "requests/x/1/1",
        "requests/2/99999999999999999999/5",
        "requests/2/9223372036854775808/5",
        "requests/2147483648/1/5",
    ] {
        assert_eq!(request::read_origin(header.as_bytes()), None, "{header}");
    }
    assert_eq!(request::read_origin(b"\xff/1/1/1"), None);
    assert_eq!(request::read_origin(b"requests/2/4711/1770091505990"), Some(samples::origin()));
}

#[test]
fn a_payload_hash_knows_values_not_spellings() {
    let hash = |text: &str| request::payload_hash(&request::decode(None, Some(text.as_bytes()), 1 << 20).unwrap());
    let first = hash(r#"{"definition":"d","input":{"a":1,"b":"é"},"workflow_id":"w"}"#);
    assert_eq!(first, hash(r#"{"input": {"b": "\u00e9", "a": 1}, "definition": "d"}"#));
    for other in [
        r#"{"definition":"e","input":{"a":1,"b":"é"}}"#,
        r#"{"definition":"d","input":{"a":2,"b":"é"}}"#,
        r#"{"definition":"d","input":{"a":1,"b":"é"},"version":1}"#,
        r#"{"definition":"d","input":{"a":1,"b":"é"},"conversation_id":"c"}"#,
        r#"{"definition":"d","input":[{"a":1,"b":"é"}]}"#,
    ] {
        assert_ne!(first, hash(other), "{other}");
    }
}

fn letter(record: &orchestrator::journal::record::InputRecord) -> Value {
    serde_json::from_slice(&dead_letter::encode_input(&samples::letter_id(), &samples::refused(), record)).unwrap()
}

#[test]
fn a_dead_letter_holds_what_is_no_text_too() {
    let key = Bytes::from_static(b"\xff\0");
    let headers = [("a", "1"), ("b", "2"), ("a", "3")].map(|(name, value)| (name.into(), Bytes::from(value)));
    let headers = [&headers[..], &[("c".into(), Bytes::from_static(b"\xfe"))]].concat();
    let letter = letter(&dead_letter::keep(Some(&key), Some(&Bytes::from("☕\n")), &headers));
    assert_eq!((&letter["key"], &letter["key_encoding"]), (&json!("/wA="), &json!("base64")));
    assert_eq!((&letter["value"], &letter["value_encoding"]), (&json!("☕\n"), &json!("utf8")));
    assert_eq!(letter["headers"], json!({"a": ["1", "3"], "b": "2", "c": {"base64": "/g=="}}));
    assert_eq!((&letter["truncated"], &letter["value_bytes"]), (&json!(false), &json!(4)));
}

#[test]
fn a_dead_letter_tells_why_an_input_was_refused() {
    let refused = samples::refused();
    let read = dead_letter::decode_input(&dead_letter::encode_input(
        &samples::letter_id(),
        &refused,
        &samples::input_record(),
    ));
    let read = read.unwrap().expect("an input");
    assert_eq!((read.reason, read.message, read.details), (refused.reason, refused.message, refused.details));
    assert_eq!(read.origin, refused.origin);
    let node = dead_letter::encode_node(&samples::id("w"), &samples::dead_node());
    assert_eq!(dead_letter::decode_input(&node).unwrap(), None);
    for rubbish in [&b""[..], b"{", b"{\"kind\":\"input\"}", b"[1]", b"\xff"] {
        assert!(dead_letter::decode_input(rubbish).is_err(), "{rubbish:?}");
    }
    let newer = dead_letter::decode_input(b"{\"format\":2,\"kind\":\"soul\"}").unwrap_err().to_string();
    assert!(newer.contains("newer orchestrator"), "{newer}");
}

#[test]
fn a_dead_letter_without_key_and_value() {
    let letter = letter(&dead_letter::keep(None, None, &[]));
    for field in ["key", "key_encoding", "value", "value_encoding", "value_sha256"] {
        assert_eq!(letter[field], Value::Null, "{field}");
    }
    assert_eq!((&letter["value_bytes"], &letter["truncated"]), (&json!(0), &json!(false)));
}

#[test]
fn a_dead_letter_holds_a_huge_value_in_part() {
    let whole = Bytes::from(vec![b'x'; dead_letter::WHOLE_BYTES]);
    let kept = dead_letter::keep(None, Some(&whole), &[]);
    assert_eq!(kept.value.as_ref().map(Bytes::len), Some(dead_letter::WHOLE_BYTES));
    assert_eq!(letter(&kept)["truncated"], json!(false));

    // A text is cut between characters: ☕ has three bytes.
    let huge = Bytes::from("☕".repeat(dead_letter::WHOLE_BYTES / 3 + 1));
    let letter = letter(&dead_letter::keep(None, Some(&huge), &[]));
    assert_eq!((&letter["truncated"], &letter["value_encoding"]), (&json!(true), &json!("utf8")));
    assert_eq!(letter["value_bytes"], json!(huge.len()));
    assert_eq!(letter["value"].as_str().unwrap().len(), dead_letter::HEAD_BYTES / 3 * 3);
    use sha2::Digest;
    let hash = hex::encode(sha2::Sha256::digest(&huge));
    assert_eq!(letter["value_sha256"], json!(hash));
}

#[test]
fn the_worst_input_still_fits_into_a_record() {
    const RECORD: usize = 8 << 20;
    let value = Bytes::from(vec![1; dead_letter::WHOLE_BYTES]);
    let key = Bytes::from(vec![2; RECORD]);
    let header = |i: usize| (format!("{i}\u{3}").into(), Bytes::from(vec![3; 1_000]));
    let headers: Vec<_> = (0..5_000).map(header).collect();
    let kept = dead_letter::keep(Some(&key), Some(&value), &headers);
    let left_out = kept.headers.last().cloned().unwrap();
    assert_eq!(left_out.0, dead_letter::HEADERS_LEFT_OUT);
    assert_eq!(left_out.1, (5_001 - kept.headers.len()).to_string());
    let letter = dead_letter::encode_input(&samples::letter_id(), &samples::refused(), &kept);
    assert!(letter.len() < RECORD, "{} bytes", letter.len());
}

#[test]
fn the_same_fault_has_the_same_fingerprint() {
    let with = |message: &str, topic: &str| {
        let mut refused = samples::refused();
        refused.message = message.to_owned();
        refused.origin.topic = topic.to_owned();
        let letter = dead_letter::encode_input(&samples::letter_id(), &refused, &samples::input_record());
        serde_json::from_slice::<Value>(&letter).unwrap()["fingerprint"].clone()
    };
    let first = with("expected at most 10 bytes, found 20", "requests");
    assert_eq!(first.as_str().map(str::len), Some(16));
    assert_eq!(first, with("expected at most 10 bytes, found 31", "requests"));
    assert_ne!(first, with("expected at most 10 bytes, found 31", "results"));
    assert_ne!(first, with("expected UTF-8", "requests"));
}

#[test]
fn a_node_whose_input_could_not_be_made_has_none() {
    let mut node = samples::dead_node();
    node.input = None;
    let letter = dead_letter::encode_node(&samples::id("w"), &node);
    assert_eq!(serde_json::from_slice::<Value>(&letter).unwrap().get("input"), None);
}

#[test]
fn definition_records_that_contradict_themselves_are_refused() {
    let (key, value) = definition::encode(&samples::definitions()[0].1);
    let value = String::from_utf8(value.to_vec()).unwrap();
    for (key, value, part) in [
        (&b"other@5f"[..], value.clone(), "under the key other@5f"),
        (&key, value.replace("\"version\":3", "\"version\":0"), "version 0"),
        (&key, value.replace("\"version\":3", "\"version\":4000000000"), "version 4000000000"),
        (&key, value.replace("5f5f", "5F5F"), "hash"),
        (&key, value.replace("2026-02-03T", "yesterday "), "RFC 3339"),
        (&key, value.replace("recommend-coffee", "recommend coffee"), "name"),
        (&key, value.replace("\"format\":1", "\"format\":2"), "format 2"),
        (&key, String::new(), "EOF"),
        (definition::INSTALLATION_KEY, r#"{"format":1,"partitions":0}"#.into(), "0 partitions"),
    ] {
        let fault = definition::decode(key, value.as_bytes()).unwrap_err().to_string();
        assert!(fault.contains(part), "{fault:?} does not say {part:?}");
    }
}

#[test]
fn times_are_written_to_the_microsecond() {
    assert_eq!(rfc3339::write(Timestamp(0)), "1970-01-01T00:00:00.000000Z");
    assert_eq!(rfc3339::write(samples::at(0)), "2026-02-03T04:05:06.000007Z");
    assert_eq!(rfc3339::read("2026-02-03T05:05:06.000007+01:00"), Some(samples::at(0)));
    assert_eq!(rfc3339::read("tomorrow"), None);
    for edge in [i64::MIN, i64::MAX] {
        assert!(rfc3339::read(&rfc3339::write(Timestamp(edge))).is_some());
    }
}

#[test]
fn a_timeout_beyond_avro_s_long_is_written_as_the_longest() {
    let mut recorded = samples::run_events()[2].clone();
    let Event::NodeScheduled(scheduled) = &mut recorded.event else { panic!("the third sample") };
    scheduled.timeout_ms = u64::MAX;
    let Ok(Published::Run(read)) = event::decode(&event::encode(&recorded)) else { panic!("an event of a run") };
    let Event::NodeScheduled(scheduled) = read.event else { panic!("the same event") };
    assert_eq!(scheduled.timeout_ms, i64::MAX as u64);
}

#[test]
fn the_newest_schema_of_a_name() {
    assert_eq!(schema::by_name("NodeCompleted").map(|schema| schema.version), Some(2));
    assert!(schema::by_name("NodeExploded").is_none());
}

#[test]
fn every_event_has_one_name_however_many_versions_it_has() {
    let names: Vec<_> = event::names().collect();
    let once: std::collections::BTreeSet<_> = names.iter().copied().collect();
    assert_eq!((names.len(), once.contains("NodeFailed")), (once.len(), true), "{names:?}");
}
