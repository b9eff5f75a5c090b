//! What is done with dead letters, and letters read back.

use crate::samples;
use bytes::Bytes;
use orchestrator::core::id::LetterId;
use orchestrator::core::letter::{LetterAction, LetterHandling};
use orchestrator::core::rejection::RefusalReason;
use orchestrator::wire::dead_letter_read::{self, RefusedRecord};
use orchestrator::wire::letter_handling::{MAX_BY_BYTES, MAX_LETTERS, MAX_NOTE_BYTES};
use orchestrator::wire::{dead_letter, headers, letter_handling, request, signal};
use serde_json::json;

fn read_back(
    key: Option<&'static [u8]>,
    value: Option<&'static [u8]>,
    headers: &[(&'static str, &'static [u8])],
) -> RefusedRecord {
    let bytes = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).into(), bytes(value))).collect();
    let kept = dead_letter::keep(key.map(bytes).as_ref(), value.map(bytes).as_ref(), &headers);
    let letter = dead_letter::encode_input(&samples::letter_id(), &samples::refused(), &kept);
    dead_letter_read::decode(&letter).unwrap()
}

#[test]
fn a_refused_record_comes_back_from_its_letter_byte_for_byte() {
    let headers: [(&str, &[u8]); 4] = [("a", b"1"), ("a", b"\xff"), ("b", b""), (headers::ORIGIN, b"requests/0/1/2")];
    let record = read_back(Some(b"\xff\0"), Some("{\"n\": 12345678901234567890123} ☕\0".as_bytes()), &headers);
    assert_eq!(record.key.as_deref(), Some(&b"\xff\0"[..]));
    assert_eq!(record.value.as_deref(), Some("{\"n\": 12345678901234567890123} ☕\0".as_bytes()));
    let kept: Vec<(&str, &[u8])> = record.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    // Where it had come from is no more true where it goes now.
    assert_eq!(kept, headers[..3]);
    assert_eq!((record.truncated, record.headers_left_out, record.origin), (false, false, samples::refused().origin));
    let nothing = read_back(None, None, &[]);
    assert_eq!((nothing.key, nothing.value, nothing.headers.len()), (None, None, 0));
}

#[test]
fn a_letter_that_is_not_whole_says_so() {
    let large = Bytes::from(vec![b'x'; dead_letter::WHOLE_BYTES + 1]);
    let kept = dead_letter::keep(None, Some(&large), &[]);
    let letter = dead_letter::encode_input(&samples::letter_id(), &samples::refused(), &kept);
    let record = dead_letter_read::decode(&letter).unwrap();
    assert!(record.truncated);
    assert_eq!(record.value_bytes, large.len() as u64);
    let node = dead_letter::encode_node(&samples::id("w"), &samples::dead_node());
    assert!(dead_letter_read::decode(&node).is_err());
}

#[test]
fn what_is_done_with_a_letter_reads_back_as_written() {
    let said = samples::handling();
    assert_eq!(letter_handling::decode(&letter_handling::encode(&said, &[])), Ok(vec![said.clone()]));
    let other = LetterHandling { letter_id: LetterId::of_input(0, 2), action: LetterAction::Skip, ..said.clone() };
    let both = letter_handling::encode(&said, &[(other.letter_id.clone(), other.action)]);
    assert_eq!(letter_handling::decode(&both), Ok(vec![said, other]));
    let discard = samples::discard();
    let key = discard.workflow_id.as_ref().map(|id| id.as_str().as_bytes());
    assert_eq!(signal::decode(key, Some(&signal::encode(&discard)), usize::MAX), Ok(discard.clone()));
    // The key alone names the workflow, too.
    let bare = signal::Signal { workflow_id: None, ..discard.clone() };
    assert_eq!(signal::decode(key, Some(&signal::encode(&bare)), usize::MAX), Ok(discard));
    assert_eq!(signal::decode(None, Some(&signal::encode(&bare)), usize::MAX), Ok(bare));
}

#[test]
fn what_is_supplied_and_what_takes_up_a_run_read_back_as_written() {
    let supply = samples::supply();
    let key = supply.workflow_id.as_ref().map(|id| id.as_str().as_bytes());
    assert_eq!(signal::decode(key, Some(&signal::encode(&supply)), usize::MAX), Ok(supply));
    let resuming = samples::resuming();
    assert_eq!(request::decode(None, Some(&request::encode(&resuming)), usize::MAX), Ok(resuming));
    for bad in [
        json!({ "type": "supply", "node_id": "a", "output": 1 }),
        json!({ "type": "supply", "node_id": "a", "by": "ada" }),
        json!({ "type": "supply", "node_id": "a", "output": 1, "by": "" }),
    ] {
        let refused = signal::decode(Some(b"w"), Some(bad.to_string().as_bytes()), usize::MAX).unwrap_err();
        assert_eq!(refused.reason, RefusalReason::Malformed, "{bad}");
    }
}

/// A request that takes up a run, with another member in the place of one.
fn taking_up(member: &str, value: serde_json::Value) -> Vec<u8> {
    let run_id = samples::dispatch_id().run_id;
    let mut resume = json!({ "kind": "redrive", "run_id": run_id.as_str(), "by": "ada" });
    resume[member] = value;
    json!({ "definition": "d", "input": 1, "resume": resume }).to_string().into_bytes()
}

#[test]
fn what_is_said_of_a_run_that_is_taken_up_is_checked() {
    let carried = |status: &str, output: serde_json::Value| {
        taking_up("carried", json!([{ "node_id": "a", "status": status, "output": output }]))
    };
    for good in [
        taking_up("by", json!("x".repeat(MAX_BY_BYTES))),
        taking_up("by", json!(null)),
        carried("skipped", json!(null)),
        carried("recovered", json!(1)),
    ] {
        assert!(request::decode(Some(b"w"), Some(&good), usize::MAX).is_ok(), "{}", String::from_utf8_lossy(&good));
    }
    for (bad, part) in [
        (taking_up("by", json!("x".repeat(MAX_BY_BYTES + 1))), "`by`"),
        (taking_up("by", json!("")), "`by`"),
        (taking_up("by", json!("a\u{1b}[2J")), "`by`"),
        (carried("failed", json!(1)), "`status`"),
        (carried("skipped", json!(1)), "null"),
    ] {
        let refused = request::decode(Some(b"w"), Some(&bad), usize::MAX).unwrap_err();
        assert_eq!(refused.reason, RefusalReason::Malformed, "{refused:?}");
        assert!(refused.message.contains(part), "{refused:?}");
    }
}

#[test]
fn a_run_is_taken_up_of_a_workflow_that_is_named() {
    let nameless = taking_up("by", json!("ada"));
    let refused = request::decode(None, Some(&nameless), usize::MAX).unwrap_err();
    assert_eq!(refused.reason, RefusalReason::Malformed);
    assert!(refused.message.contains("`workflow_id`"), "{refused:?}");
    assert!(request::decode(Some(b"w"), Some(&nameless), usize::MAX).is_ok(), "the key names it");
    let resuming = samples::resuming();
    assert!(request::decode(None, Some(&request::encode(&resuming)), usize::MAX).is_ok(), "the body names it");
}

#[test]
fn what_is_said_of_a_letter_is_bounded_and_checked() {
    let id = samples::letter_id();
    let said =
        |by: &str, note: &str| json!({ "id": id.as_str(), "action": "edit", "by": by, "note": note }).to_string();
    assert!(letter_handling::decode(said(&"x".repeat(MAX_BY_BYTES), &"x".repeat(MAX_NOTE_BYTES)).as_bytes()).is_ok());
    let many = |others: usize| {
        let other = json!({ "id": id.as_str(), "action": "skip" });
        json!({ "id": id.as_str(), "action": "edit", "by": "a", "others": vec![other; others] }).to_string()
    };
    assert_eq!(letter_handling::decode(many(MAX_LETTERS - 1).as_bytes()).map(|all| all.len()), Ok(MAX_LETTERS));
    for bad in [
        said(&"x".repeat(MAX_BY_BYTES + 1), ""),
        said("a", &"x".repeat(MAX_NOTE_BYTES + 1)),
        said("a\u{1b}[2J", ""),
        json!({ "id": id.as_str(), "action": "discard", "by": "a" }).to_string(),
        json!({ "id": id.as_str(), "action": "edit", "by": "a", "others": [{ "id": id.as_str() }] }).to_string(),
        many(MAX_LETTERS),
        json!({ "id": id.as_str(), "action": "edit", "by": "a", "more": 1 }).to_string(),
    ] {
        assert_eq!(letter_handling::decode(bad.as_bytes()).unwrap_err().reason, RefusalReason::Malformed, "{bad}");
    }
    let discard = signal::encode(&samples::discard());
    let refused = |key: Option<&[u8]>, max| signal::decode(key, Some(&discard), max).unwrap_err();
    assert_eq!(refused(None, 10).reason, RefusalReason::TooLarge);
    let mismatch = refused(Some(b"other"), usize::MAX);
    assert_eq!(mismatch.reason, RefusalReason::KeyMismatch);
    assert_eq!(mismatch.workflow_id.unwrap().as_str(), "other");
}
