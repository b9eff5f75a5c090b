//! What became of an attempt, as a record that the engine takes.

use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use crate::core::json::{Json, MAX_DEPTH, check_depth};
use crate::local::LocalReport;
use crate::log::{NewRecord, Topic};
use crate::wire::headers::TRACEPARENT;
use crate::wire::report::{self, Report, ReportOutcome};
use crate::wire::task::Task;
use bytes::Bytes;
use serde_json::{Value, json};

/// Longest code of a failure, in bytes: it is a word, and a column of tables.
const MAX_CODE_BYTES: usize = 100;
/// Longest message of a failure, in bytes: a sentence; what is longer belongs into the details.
const MAX_MESSAGE_BYTES: usize = 8 << 10;
/// Largest details of a failure, in bytes of JSON: they stand in every event, row and dead letter of it.
const MAX_DETAILS_BYTES: usize = 64 << 10;

/// How much of a failure's message is left where all of it is too large, in bytes.
const SHORT_MESSAGE_BYTES: usize = 200;

/// Turns what an agent returned into what is reported, but for the size of the whole report ([`too_large`]).
pub(super) fn outcome(result: Result<Value, ReportedFailure>) -> ReportOutcome {
    match result {
        Err(failure) => ReportOutcome::Failed(trimmed(failure)),
        Ok(value) => {
            let output = Json::from_value(&value);
            if check_depth(output.as_str().as_bytes()).is_err() {
                failed("output_too_deep", format!("the output nests deeper than {MAX_DEPTH} levels"))
            } else {
                ReportOutcome::Completed(output)
            }
        }
    }
}

/// What is reported instead of a report that has more bytes than the engine takes. What counts there is the whole
/// record's value: an output with the ids and names around it.
pub(super) fn too_large(outcome: ReportOutcome, found: usize, allowed: usize) -> ReportOutcome {
    match outcome {
        ReportOutcome::Completed(output) => {
            let (output, around) = (output.len(), found - output.len());
            let message = format!(
                "the output is {output} bytes of JSON; with the {around} bytes around it, {allowed} are allowed"
            );
            failed("output_too_large", message)
        }
        ReportOutcome::Failed(mut failure) => {
            failure.message.truncate(failure.message.floor_char_boundary(SHORT_MESSAGE_BYTES));
            failure.details = None;
            ReportOutcome::Failed(failure)
        }
        small @ (ReportOutcome::Started | ReportOutcome::Heartbeat) => small,
    }
}

/// What is reported of an attempt while a newer one of its node has been seen: it is not run. Where the journal has lost what
/// it said of the newer one, the engine makes that anew, and is told its report.
pub(crate) fn superseded(task: &Task, newest: u32) -> Bytes {
    let message = format!("the worker has seen attempt {newest} of the node already, and does not run an older one");
    let failure = Failure::new(FailureClass::Retryable, "superseded", message);
    let (dispatch_id, workflow_id) = (task.dispatch_id.clone(), task.workflow_id.clone());
    let outcome = ReportOutcome::Failed(failure.into());
    report::encode(&Report { dispatch_id, workflow_id, outcome, usage: None })
}

/// The record that is sent instead of a report that the log refuses; none: nobody waits for it.
pub(super) fn instead(record: &NewRecord, fault: &str) -> Option<NewRecord> {
    let report = report::decode(record.key.as_deref(), record.value.as_deref(), usize::MAX).ok()?;
    if matches!(report.outcome, ReportOutcome::Started | ReportOutcome::Heartbeat) {
        return None;
    }
    let outcome = failed("report_refused", format!("the report of the attempt is not taken: {fault}"));
    Some(NewRecord { value: Some(report::encode(&Report { outcome, ..report })), ..record.clone() })
}

fn failed(code: &str, message: String) -> ReportOutcome {
    ReportOutcome::Failed(Failure::new(FailureClass::NonRetryable, code, message).into())
}

fn trimmed(mut failure: ReportedFailure) -> ReportedFailure {
    failure.code.truncate(failure.code.floor_char_boundary(MAX_CODE_BYTES));
    if failure.message.len() > MAX_MESSAGE_BYTES {
        failure.message.truncate(failure.message.floor_char_boundary(MAX_MESSAGE_BYTES));
        failure.message.push('…');
    }
    if let Some(details) = &failure.details {
        let large = details.len() > MAX_DETAILS_BYTES;
        if large || check_depth(details.as_str().as_bytes()).is_err() {
            let left_out = json!({ "left_out_bytes": details.len(), "allowed_bytes": MAX_DETAILS_BYTES });
            failure.details = Some(Json::from_value(&left_out));
        }
    }
    failure
}

/// The record of a report.
pub(super) fn record(report: LocalReport) -> NewRecord {
    NewRecord {
        topic: Topic::Results,
        partition: Some(report.partition),
        key: Some(Bytes::copy_from_slice(report.workflow_id.as_str().as_bytes())),
        value: report.value,
        headers: report.traceparent.map(|value| (TRACEPARENT.into(), value)).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_is_too_deep_is_a_failure() {
        let deep = (0..=MAX_DEPTH).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let ReportOutcome::Failed(failure) = outcome(Ok(deep)) else { panic!("it was taken") };
        assert_eq!(failure.code, "output_too_deep");
    }

    #[test]
    fn a_failure_of_any_size_fits_into_a_report() {
        let failure = ReportedFailure {
            details: Some(Json::from_value(&Value::String("x".repeat(1 << 20)))),
            ..ReportedFailure::new("ä".repeat(MAX_CODE_BYTES), "ä".repeat(1 << 20))
        };
        let ReportOutcome::Failed(failure) = outcome(Err(failure)) else { panic!("a failure completes") };
        assert!(failure.code.len() <= MAX_CODE_BYTES && failure.message.len() < MAX_MESSAGE_BYTES + 4);
        assert!(failure.details.as_ref().is_some_and(|details| details.as_str().contains("left_out_bytes")));
        let ReportOutcome::Failed(short) = too_large(ReportOutcome::Failed(failure), 9_000, 1_000) else {
            panic!("a failure completes")
        };
        assert!(short.message.len() <= SHORT_MESSAGE_BYTES && short.details.is_none());
    }
}
