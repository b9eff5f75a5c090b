//! Exit codes: the one table, and how an error finds its code.

use crate::config::ConfigFaults;
use crate::demo::DemoError;
use crate::embedded::EmbeddedError;
use crate::embedded::hold::HoldError;
use crate::history::verify::VerifyError;
use crate::installation::InstallationError;
use crate::log::{AppendError, LogError};
use crate::projector::ProjectorError;
use crate::projector::rebuild::RebuildError;
use crate::registry::RegistryError;
use crate::store::StoreError;
use std::error::Error;
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
    /// The log, the store or the process does not answer.
    Unreachable = 5,
    /// There is no such workflow, run, definition or dead letter.
    NotFound = 6,
    /// Somebody stopped it before it was done: 128 and the number of SIGINT, as shells report it.
    Interrupted = 130,
}

/// The codes and what they mean, as `--help` and the documentation show them.
pub const TABLE: [(Exit, &str); 8] = [
    (Exit::Done, "done; with `submit --wait`: the run completed"),
    (Exit::Failed, "the run failed, or the command could not do what was asked"),
    (Exit::Usage, "the command line or a setting is not right"),
    (Exit::Refused, "refused: the request, the definition, or an installation that cannot be used as it is"),
    (Exit::TimedOut, "it took longer than --timeout"),
    (Exit::Unreachable, "the log, the store or the process does not answer"),
    (Exit::NotFound, "there is no such workflow, run, definition or dead letter"),
    (Exit::Interrupted, "stopped by Ctrl-C before it was done; `serve`, `dev` and `worker` end with 0 then"),
];

/// [`TABLE`] as a paragraph of `--help`.
pub fn help() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (exit, meaning) in TABLE {
        let _ = writeln!(text, "  {:<3}  {meaning}", exit as u8);
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
    error.chain().find_map(code).unwrap_or(Exit::Failed)
}

/// The exit code of one cause; none: the ones below it say.
fn code(cause: &(dyn Error + 'static)) -> Option<Exit> {
    if let Some(fail) = cause.downcast_ref::<Fail>() {
        return Some(fail.exit);
    }
    if cause.is::<ConfigFaults>() {
        return Some(Exit::Usage);
    }
    if let Some(HoldError::Held { .. }) = cause.downcast_ref() {
        return Some(Exit::Refused);
    }
    if let Some(
        RebuildError::LiveAhead { .. }
        | RebuildError::NoPosition(_)
        | RebuildError::EventsLost { .. }
        | RebuildError::NoStep { .. },
    ) = cause.downcast_ref()
    {
        return Some(Exit::Refused);
    }
    match cause.downcast_ref::<InstallationError>() {
        Some(
            InstallationError::Missing { .. } | InstallationError::Pinned { .. } | InstallationError::Topics { .. },
        ) => {
            return Some(Exit::Refused);
        }
        Some(InstallationError::Append { fault, .. }) => return Some(of_append(fault)),
        _ => {}
    }
    if let Some(error) = log_error(cause) {
        return match error {
            LogError::Unreachable { .. } => Some(Exit::Unreachable),
            LogError::UnknownTopic(_) => Some(Exit::Refused),
            LogError::Refused(_) => None,
        };
    }
    match cause.downcast_ref::<RegistryError>() {
        Some(RegistryError::Away { .. }) => return Some(Exit::Unreachable),
        Some(RegistryError::Refused { .. } | RegistryError::Other { .. }) => return Some(Exit::Refused),
        None => {}
    }
    match store_error(cause) {
        Some(StoreError::Unreachable { .. }) => Some(Exit::Unreachable),
        Some(StoreError::NoTables { .. } | StoreError::Busy(_)) => Some(Exit::Refused),
        _ => inner(cause).and_then(code),
    }
}

fn of_append(fault: &AppendError) -> Exit {
    match fault {
        AppendError::Refused(_) => Exit::Refused,
        AppendError::Full | AppendError::Unconfirmed(_) | AppendError::Fatal(_) => Exit::Unreachable,
    }
}

/// What an error wraps that speaks with its words alone, and so does not name it as its source.
fn inner<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match cause.downcast_ref::<DemoError>() {
        Some(DemoError::Embedded(error)) => return Some(error),
        Some(DemoError::Installation(error)) => return Some(error),
        Some(DemoError::Log(error)) => return Some(error),
        _ => {}
    }
    match cause.downcast_ref::<EmbeddedError>() {
        Some(EmbeddedError::Held(error)) => return Some(error),
        Some(EmbeddedError::Installation(error)) => return Some(error),
        Some(EmbeddedError::Log(error)) => return Some(error),
        Some(EmbeddedError::Store(error)) => return Some(error),
        _ => {}
    }
    match cause.downcast_ref::<RebuildError>() {
        Some(RebuildError::Store(error) | RebuildError::Projector(ProjectorError::Store { fault: error, .. })) => {
            return Some(error);
        }
        Some(RebuildError::Log(error) | RebuildError::Projector(ProjectorError::Log(error))) => return Some(error),
        _ => {}
    }
    match cause.downcast_ref::<VerifyError>() {
        Some(VerifyError::Log(error)) => return Some(error),
        Some(VerifyError::Store(error)) => return Some(error),
        _ => {}
    }
    match cause.downcast_ref::<InstallationError>() {
        Some(InstallationError::Log(error)) => Some(error),
        _ => None,
    }
}

fn log_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a LogError> {
    cause.downcast_ref()
}

fn store_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a StoreError> {
    cause.downcast_ref()
}

/// An error, what it was caused by, and what it wraps.
fn everything(error: &anyhow::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    error.chain().flat_map(|cause| std::iter::successors(Some(cause), |cause| inner(*cause)))
}

/// Whether nobody reads what we write any more (`orchestrator list | head`): no error to speak of.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Whether the store does not answer: what can do without it goes on.
pub fn is_store_away(error: &anyhow::Error) -> bool {
    everything(error).filter_map(store_error).any(|error| matches!(error, StoreError::Unreachable { .. }))
}

/// What to do about an error that has no advice of its own.
pub fn advice(error: &anyhow::Error) -> Option<&'static str> {
    everything(error).find_map(|cause| match (log_error(cause), store_error(cause)) {
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

    fn unreachable() -> LogError {
        LogError::Unreachable { at: "kafka://x:1".to_owned(), reason: "no answer".to_owned() }
    }

    #[test]
    fn an_error_keeps_its_code_under_whatever_is_said_about_it() {
        let error = Err::<(), _>(unreachable()).context("reading the definitions").unwrap_err();
        assert_eq!(of_error(&error), Exit::Unreachable);
        assert!(advice(&error).is_some());
        assert_eq!(of_error(&fail(Exit::TimedOut, "too late").context("waiting")), Exit::TimedOut);
        assert_eq!(of_error(&anyhow::anyhow!("whatever")), Exit::Failed);
    }

    #[test]
    fn an_error_keeps_its_code_within_another() {
        let wrapped = DemoError::from(EmbeddedError::from(InstallationError::from(unreachable())));
        let error = anyhow::Error::from(wrapped);
        assert_eq!((of_error(&error), advice(&error).is_some()), (Exit::Unreachable, true));
        let missing = InstallationError::Missing { place: "x".to_owned() };
        assert_eq!(of_error(&anyhow::Error::from(missing).context("listing")), Exit::Refused);
    }

    #[test]
    fn the_table_is_in_order_and_complete() {
        let codes: Vec<u8> = TABLE.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 130]);
    }
}
