//! What anyone may write: requests, reports, signals, their keys and headers.

use super::is_said;
use orchestrator::core::rejection::{Refusal, RefusalReason};
use orchestrator::wire::report::{Report, ReportOutcome};
use orchestrator::wire::{letter_handling, report, request, signal};

/// A record of `requests`.
pub fn request(data: &[u8]) {
    let read = |value: &[u8]| request::decode(None, Some(value), usize::MAX);
    if let Some(request) = read_or_refused(read(data)) {
        assert_eq!(read(&request::encode(&request)).as_ref(), Ok(&request), "what is written reads back");
        if let Some(id) = &request.workflow_id {
            let keyed = request::decode(Some(id.as_str().as_bytes()), Some(data), usize::MAX);
            assert_eq!(keyed.as_ref(), Ok(&request), "the key may say what the body says");
        }
    }
    limit_holds(data, |limit| request::decode(None, Some(data), limit).map(drop));
}

/// A record of `results`.
pub fn report(data: &[u8]) {
    let read = |value: &[u8]| report::decode(None, Some(value), usize::MAX);
    let whose = report::whose_result(None, Some(data));
    if let Some(report) = read_or_refused(read(data)) {
        assert_eq!(read(&report::encode(&report)).as_ref(), Ok(&report), "what is written reads back");
        let Report { dispatch_id, workflow_id, outcome, .. } = report;
        if matches!(outcome, ReportOutcome::Completed(_) | ReportOutcome::Failed(_)) {
            let whose = whose.expect("whose result it is can be told of every result");
            assert_eq!((whose.dispatch_id, whose.workflow_id), (dispatch_id, workflow_id));
        }
    }
    limit_holds(data, |limit| report::decode(None, Some(data), limit).map(drop));
}

/// A record of `signals`.
pub fn signal(data: &[u8]) {
    let read = |value: &[u8]| signal::decode(None, Some(value), usize::MAX);
    if let Some(signal) = read_or_refused(read(data)) {
        assert_eq!(read(&signal::encode(&signal)).as_ref(), Ok(&signal), "what is written reads back");
    }
    limit_holds(data, |limit| signal::decode(None, Some(data), limit).map(drop));
}

/// A record's key: the workflow's id, for all three.
pub fn key(data: &[u8]) {
    let legal = !data.is_empty()
        && data.len() <= 256
        && std::str::from_utf8(data).is_ok_and(|id| !id.chars().any(char::is_control));
    let request = request::decode(Some(data), Some(br#"{"definition":"d","input":null}"#), usize::MAX);
    let started = br#"{"type":"started","dispatch_id":"00000000000000000000000000000000/a/1"}"#;
    let report = report::decode(Some(data), Some(started), usize::MAX);
    let discard = br#"{"type":"discard","letter_id":"0000000000000000","by":"me"}"#;
    let signal = signal::decode(Some(data), Some(discard), usize::MAX);
    let ids = [
        request.map(|request| request.workflow_id),
        report.map(|report| Some(report.workflow_id)),
        signal.map(|signal| signal.workflow_id),
    ];
    for id in ids {
        match id {
            Ok(id) => assert_eq!(id.as_ref().map(|id| id.as_str().as_bytes()), Some(data).filter(|_| legal)),
            Err(refusal) => {
                assert!(!legal && refusal.reason == RefusalReason::IllegalId, "{refusal:?}");
                is_said(&refusal.message);
            }
        }
    }
}

/// The header `orchestrator_letter` of a request.
pub fn letter_handling(data: &[u8]) {
    if let Some(all) = read_or_refused(letter_handling::decode(data)) {
        let (first, others) = all.split_first().expect("at least one letter");
        let others: Vec<_> = others.iter().map(|other| (other.letter_id.clone(), other.action)).collect();
        let again = letter_handling::decode(&letter_handling::encode(first, &others));
        assert_eq!(again.as_ref(), Ok(&all), "what is written reads back");
    }
}

/// The header `orchestrator_origin` of a request.
pub fn origin(data: &[u8]) {
    if let Some(origin) = request::read_origin(data) {
        let written = request::write_origin(&origin);
        assert_eq!(written.as_bytes(), data, "an origin has one spelling, as ids are derived from it");
    }
}

fn read_or_refused<T>(read: Result<T, Refusal>) -> Option<T> {
    read.map_err(|refusal| is_said(&refusal.message)).ok()
}

/// Holds that nothing larger than the limit is looked at.
fn limit_holds(data: &[u8], read: impl Fn(usize) -> Result<(), Refusal>) {
    if let Some(limit) = data.len().checked_sub(1) {
        let reason = read(limit).expect_err("it is larger than the limit").reason;
        assert_eq!(reason, RefusalReason::TooLarge);
    }
}
