//! What became of an attempt, as a record that the engine takes.

use crate::core::failure::{Failure, FailureClass};
use crate::core::id::WorkflowId;
use crate::core::json::{Json, MAX_DEPTH, check_depth};
use crate::log::{NewRecord, Topic};
use crate::wire::headers::TRACEPARENT;
use crate::wire::report::ReportOutcome;
use bytes::Bytes;
use serde_json::{Value, json};

/// Longest code of a failure, in bytes: it is a word, and a column of tables.
const MAX_CODE_BYTES: usize = 100;
/// Longest message of a failure, in bytes: a sentence; what is longer belongs into the details.
const MAX_MESSAGE_BYTES: usize = 8 << 10;
/// Largest details of a failure, in bytes of JSON: they stand in every event, row and dead letter of it.
const MAX_DETAILS_BYTES: usize = 64 << 10;

/// Turns what an agent returned into what is reported, within the limits that the engine holds reports to: one over
/// them would be refused there, and the node would wait for its timeout.
pub(super) fn outcome(result: Result<Value, Failure>, max_output_bytes: usize) -> ReportOutcome {
    let fail =
        |code: &str, message: String| ReportOutcome::Failed(Failure::new(FailureClass::NonRetryable, code, message));
    match result {
        Err(failure) => ReportOutcome::Failed(trimmed(failure)),
        Ok(value) => {
            let output = Json::from_value(&value);
            if output.len() > max_output_bytes {
                let found = output.len();
                fail("output_too_large", format!("the output is {found} bytes of JSON; allowed are {max_output_bytes}"))
            } else if check_depth(output.as_str().as_bytes()).is_err() {
                fail("output_too_deep", format!("the output nests deeper than {MAX_DEPTH} levels"))
            } else {
                ReportOutcome::Completed(output)
            }
        }
    }
}

fn trimmed(mut failure: Failure) -> Failure {
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
pub(super) fn record(
    report: Bytes,
    workflow_id: &WorkflowId,
    partition: u32,
    traceparent: Option<&Bytes>,
) -> NewRecord {
    NewRecord {
        topic: Topic::Results,
        partition: Some(partition),
        key: Some(Bytes::copy_from_slice(workflow_id.as_str().as_bytes())),
        value: Some(report),
        headers: traceparent.map(|value| (TRACEPARENT.into(), value.clone())).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_over_the_limit_is_a_failure() {
        let large = |size: usize| outcome(Ok(Value::String("x".repeat(size))), 100);
        assert!(matches!(large(98), ReportOutcome::Completed(_)));
        let ReportOutcome::Failed(failure) = large(99) else { panic!("101 bytes were taken") };
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::NonRetryable, "output_too_large"));
    }

    #[test]
    fn an_output_that_is_too_deep_is_a_failure() {
        let deep = (0..=MAX_DEPTH).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let ReportOutcome::Failed(failure) = outcome(Ok(deep), 10_000) else { panic!("it was taken") };
        assert_eq!(failure.code, "output_too_deep");
    }

    #[test]
    fn a_failure_of_any_size_fits_into_a_report() {
        let failure = Failure {
            class: FailureClass::Retryable,
            code: "ä".repeat(MAX_CODE_BYTES),
            message: "ä".repeat(1 << 20),
            details: Some(Json::from_value(&Value::String("x".repeat(1 << 20)))),
        };
        let ReportOutcome::Failed(failure) = outcome(Err(failure), 100) else { panic!("a failure completes") };
        assert!(failure.code.len() <= MAX_CODE_BYTES && failure.message.len() < MAX_MESSAGE_BYTES + 4);
        assert!(failure.details.is_some_and(|details| details.as_str().contains("left_out_bytes")));
    }
}
