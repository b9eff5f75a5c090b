//! Faults of the driver, in the store's words.

use crate::store::StoreError;
use sqlx::migrate::MigrateError;

/// What can go wrong within one operation: the driver's faults, or a finding of ours.
#[derive(Debug)]
pub enum Fault {
    /// The driver's.
    Driver(sqlx::Error),
    /// Ours.
    Store(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<MigrateError> for Fault {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::Driver(error),
            MigrateError::VersionMissing(version) => Self::Store(StoreError::Refused(format!(
                "its tables have migration {version}, which this version does not know; a newer orchestrator is needed"
            ))),
            other => Self::Store(StoreError::Refused(other.to_string())),
        }
    }
}

impl Fault {
    /// The store's error; `at` is where the store is, without secrets.
    pub fn at(self, at: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Driver(error) if heals(&error) => {
                StoreError::Unreachable { at: at.to_owned(), reason: reason(&error) }
            }
            Self::Driver(error) if has_no_tables(&error) => StoreError::NoTables { at: at.to_owned() },
            Self::Driver(error) if is_damaged(&error) => StoreError::Refused(damaged(at, &error)),
            Self::Driver(error) => StoreError::Refused(format!("{at}: {}", reason(&error))),
        }
    }
}

/// Whether the same operation may succeed later without anyone changing anything.
fn heals(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code_heals(&code)),
        _ => false,
    }
}

/// Postgres (five characters, appendix A of its manual): connection exceptions (08), serialization and deadlocks
/// (40), too many connections (53300), an administrator's or a crash's shutdown and starting up (57P0x).
/// SQLite (result codes, low byte): busy (5), locked (6), interrupted (9), I/O error (10).
fn code_heals(code: &str) -> bool {
    match code.len() {
        5 => {
            code.starts_with("08")
                || code.starts_with("40")
                || code == "53300"
                || code.starts_with("57P0")
                || code == "57014"
        }
        _ => code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 9 | 10)),
    }
}

fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "no connection came up in time".to_owned(),
        // The driver would add the line of Postgres' own source code.
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => format!("{} (code {code})", error.message()),
            None => error.message().to_owned(),
        },
        other => other.to_string(),
    }
}

/// 42P01 of Postgres: undefined_table. SQLite has no code of its own for it.
fn has_no_tables(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    error.code().is_some_and(|code| code == "42P01") || error.message().starts_with("no such table")
}

/// SQLite (result codes, low byte): the file is malformed (11), or no database (26). Postgres has codes of five
/// characters.
fn is_damaged(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.filter(|code| code.len() < 5).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// What to do: nothing is lost with the file.
fn damaged(at: &str, error: &sqlx::Error) -> String {
    let file = at.trim_start_matches("sqlite://");
    let error = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    format!(
        "{at} is damaged or no SQLite database ({error}); stop the engine, delete {file} (with {file}-wal and \
         {file}-shm), and start again: it is folded anew from the log (log.db of a data folder)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_heals_is_told_from_what_does_not() {
        for code in ["08006", "40001", "53300", "57P01", "57P03", "5", "6", "261", "3338"] {
            assert!(code_heals(code), "{code}");
        }
        for code in ["28P01", "42P01", "23505", "22021", "1", "13", "19", "2067"] {
            assert!(!code_heals(code), "{code}");
        }
    }
}
