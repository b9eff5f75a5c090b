//! Exit codes: the one table, and how an error finds its code.

use crate::config::ConfigFaults;
use crate::log::LogError;
use crate::store::StoreError;
use std::fmt::Write;
use std::io;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked; with `submit --wait`: the run completed.
    Done = 0,
    /// The run failed, or the command could not do what was asked.
    Failed = 1,
    /// The command line or a setting is not right.
    Usage = 2,
    /// The request, the definition or the installation was refused.
    Refused = 3,
    /// It took longer than it was given.
    TimedOut = 4,
    /// The log or the store does not answer.
    Unreachable = 5,
}

/// The codes and what they mean, as `--help` and the documentation show them.
pub const TABLE: [(Exit, &str); 6] = [
    (Exit::Done, "done; with `submit --wait`: the run completed"),
    (Exit::Failed, "the run failed, or the command could not do what was asked"),
    (Exit::Usage, "the command line or a setting is not right"),
    (Exit::Refused, "refused: the request, the definition, or topics that `init` has not made"),
    (Exit::TimedOut, "it took longer than --timeout"),
    (Exit::Unreachable, "the log or the store does not answer"),
];

/// [`TABLE`] as a paragraph of `--help`.
pub fn help() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (exit, meaning) in TABLE {
        let _ = writeln!(text, "  {}  {meaning}", exit as u8);
    }
    text
}

/// An error that knows its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fail {
    /// The code.
    pub exit: Exit,
    /// What happened and what to do, in a sentence.
    pub message: String,
}

/// An error with an exit code of its own.
pub fn fail(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    Fail { exit, message: message.into() }.into()
}

/// The exit code of an error.
pub fn of_error(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(fail) = cause.downcast_ref::<Fail>() {
            return fail.exit;
        }
        if cause.is::<ConfigFaults>() {
            return Exit::Usage;
        }
        match cause.downcast_ref::<LogError>() {
            Some(LogError::Unreachable { .. }) => return Exit::Unreachable,
            Some(LogError::UnknownTopic(_)) => return Exit::Refused,
            Some(LogError::Refused(_)) | None => {}
        }
        if let Some(StoreError::Unreachable { .. }) = cause.downcast_ref::<StoreError>() {
            return Exit::Unreachable;
        }
    }
    Exit::Failed
}

/// Whether nobody reads what we write any more (`orchestrator list | head`): no error to speak of.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// What to do about an error that has no advice of its own.
pub fn advice(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| match (cause.downcast_ref::<LogError>(), cause.downcast_ref::<StoreError>()) {
        (Some(LogError::Unreachable { .. }), _) => Some(
            "check --log-url (`orchestrator config` shows where it comes from); `scripts/services up` starts a Kafka, \
             --data DIR needs none",
        ),
        (_, Some(StoreError::Unreachable { .. })) => Some(
            "check --store-url (`orchestrator config` shows where it comes from); `scripts/services up` starts a \
             Postgres, --data DIR needs none",
        ),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_keeps_its_code_under_whatever_is_said_about_it() {
        let unreachable = || LogError::Unreachable { at: "kafka://x:1".to_owned(), reason: "no answer".to_owned() };
        let error = Err::<(), _>(unreachable()).context("reading the definitions").unwrap_err();
        assert_eq!(of_error(&error), Exit::Unreachable);
        assert!(advice(&error).is_some());
        assert_eq!(of_error(&fail(Exit::TimedOut, "too late").context("waiting")), Exit::TimedOut);
        assert_eq!(of_error(&anyhow::anyhow!("whatever")), Exit::Failed);
    }

    #[test]
    fn the_table_is_in_order_and_complete() {
        let codes: Vec<u8> = TABLE.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5]);
    }
}
