//! One connection to the file, driven without an async runtime, and what its errors mean.
//!
//! sqlx runs each SQLite connection on a thread of its own; its futures need only to be woken. So they are driven
//! by parking the calling thread, which also works on a thread that already drives an async runtime.

use crate::log::LogError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a statement waits for another process's write transaction. Ours take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Rows that sqlx reads ahead of us. A record may have 8 MB, so few.
const ROW_BUFFER: usize = 16;
/// The write-ahead file is cut back to this size, so that one burst does not keep the disk for ever.
const JOURNAL_SIZE_LIMIT: &str = "67108864";

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::park();
    }
}

/// The machine's clock, in microseconds since 1970.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// What a failed statement means for whoever asked.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// Whether trying again may help.
    pub(super) may_heal: bool,
    /// What happened and what to do.
    pub(super) reason: String,
}

impl Fault {
    /// As the log's error.
    pub(super) fn at(self, at: &str) -> LogError {
        if self.may_heal {
            LogError::Unreachable { at: at.to_owned(), reason: self.reason }
        } else {
            LogError::Refused(format!("{at}: {}", self.reason))
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<i32>().ok());
        // The primary result code: https://www.sqlite.org/rescode.html
        let (may_heal, meaning) = match code.map(|c| c & 0xff) {
            Some(5 | 6) => (true, "another process holds the file locked"),
            Some(13) => (true, "the disk is full; free some space"),
            Some(10) => (true, "reading or writing the file failed; check the disk"),
            Some(3 | 8 | 14 | 23) => (false, "the file cannot be opened for writing; check its permissions and folder"),
            Some(11 | 26) => {
                (false, "the file is damaged or no SQLite database; restore a copy, or move it away to begin anew")
            }
            Some(_) => (false, "SQLite refuses"),
            None => (true, "the connection to the file failed"),
        };
        Fault { may_heal, reason: format!("{meaning} ({error})") }
    }
}

/// A connection. One thread uses it at a time.
pub(super) struct Connection(SqliteConnection);

impl Connection {
    /// Opens the file, which has to be there.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .row_buffer_size(ROW_BUFFER)
            .statement_cache_capacity(128)
            .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT)
            .disable_statement_logging();
        // Switching a new file to WAL takes a lock that SQLite does not wait for: whoever loses tries again.
        let deadline = Instant::now() + BUSY_TIMEOUT;
        loop {
            match block_on(SqliteConnection::connect_with(&options)).map_err(Fault::from) {
                Ok(connection) => return Ok(Self(connection)),
                Err(fault) if !fault.may_heal || Instant::now() > deadline => return Err(fault),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Runs statements outside of a transaction.
    pub(super) fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        Ok(block_on(work(&mut self.0))?)
    }

    /// Runs statements in one write transaction, which is rolled back on an error.
    pub(super) fn write<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        let connection = &mut self.0;
        block_on(async {
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
            let result = match work(&mut *connection).await {
                Ok(value) => sqlx::query("COMMIT").execute(&mut *connection).await.map(|_| value),
                Err(error) => Err(error),
            };
            if result.is_err() {
                // SQLite may have rolled back by itself (disk full): then this fails, and that is fine.
                let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
            }
            Ok(result?)
        })
    }
}
