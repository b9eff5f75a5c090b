//! The log in a SQLite file, and what only a file can show.

use super::Subject;
use super::kit::{create, numbered, offer, read_all, texts, values, write};
use orchestrator::log::sqlite::SqliteLog;
use orchestrator::log::{Log, LogError, Purpose, Topic};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// Every handle as if it were in a process of its own.
pub struct BetweenProcesses(TempDir);

impl Subject for BetweenProcesses {
    fn fresh() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn open(&self) -> Arc<dyn Log> {
        Arc::new(SqliteLog::open_apart(&self.0.path().join("log.db"), "orchestrator").expect("opened"))
    }
}

/// All handles in one process.
pub struct WithinAProcess(TempDir);

impl Subject for WithinAProcess {
    fn fresh() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn open(&self) -> Arc<dyn Log> {
        Arc::new(SqliteLog::open(&self.0.path().join("log.db"), "orchestrator").expect("opened"))
    }
}

#[test]
fn namespaces_in_one_file_do_not_know_each_other() {
    let subject = WithinAProcess::fresh();
    let log = subject.open();
    let other = SqliteLog::open(&subject.0.path().join("log.db"), "other").expect("opened");
    create(&*log, &Topic::Requests, 2);
    assert_eq!(other.partitions(&Topic::Requests).expect("an answer"), None);
    create(&other, &Topic::Requests, 3);
    write(&subject, &*log, &numbered(&Topic::Requests, 0, 0..5));
    assert_eq!(other.ends(&Topic::Requests, 0).expect("the ends").high, 0);
}

const CHILD: &str = "ORCHESTRATOR_TEST_LOG";

/// Runs only in the process that `acknowledged_records_survive_sigkill` starts: appends and says what was
/// acknowledged until it is killed.
#[test]
fn child_that_appends() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let subject = WithinAProcess::fresh();
    let log = SqliteLog::open(&path, "orchestrator").expect("opened");
    create(&log, &Topic::Journal, 1);
    let mut appender = log.appender(Purpose::Journal).expect("an appender");
    let (mut number, mut acks) = (0, Vec::new());
    loop {
        for record in numbered(&Topic::Journal, 0, number..number + 3) {
            offer(&subject, &mut *appender, &record, number, &mut acks).expect("taken");
            number += 1;
        }
        appender.poll(&mut acks);
        for ack in acks.drain(..) {
            println!("\nacknowledged {}", ack.result.expect("confirmed").1);
        }
    }
}

#[test]
fn acknowledged_records_survive_sigkill() {
    let subject = BetweenProcesses::fresh();
    let path = subject.0.path().join("log.db");
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "log::sqlite::child_that_appends", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let acknowledged =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
        let last: u64 = acknowledged.take(40 + round * 7).last().expect("something was acknowledged");
        child.kill().expect("killed");
        child.wait().expect("it has ended");
        let log = subject.open();
        let read = read_all(&subject, &*log, &Topic::Journal, 0);
        assert!(read.len() as u64 > last, "{} records, {last} was acknowledged", read.len());
        let offsets: Vec<u64> = read.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, (0..read.len() as u64).collect::<Vec<_>>());
        write(&subject, &*log, &numbered(&Topic::Journal, 0, 0..2));
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_with_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("log.db");
    std::fs::write(&path, "this is no database, whatever its name says".repeat(100)).expect("written");
    let Err(LogError::Refused(reason)) = SqliteLog::open(&path, "orchestrator") else { panic!("it was opened") };
    assert!(reason.contains("log.db") && reason.contains("move it away"), "{reason}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("written");
    let error = SqliteLog::open(&folder.path().join("file/log.db"), "orchestrator").err().expect("it was opened");
    assert!(matches!(&error, LogError::Unreachable { at, .. } if at.ends_with("file/log.db")), "{error}");
}

#[test]
#[cfg(unix)]
fn only_the_owner_may_look_into_what_is_made() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a/b/log.db");
    let subject = WithinAProcess::fresh();
    let log = SqliteLog::open(&path, "orchestrator").expect("opened");
    create(&log, &Topic::Requests, 1);
    write(&subject, &log, &numbered(&Topic::Requests, 0, 0..3));
    let mode =
        |path: &str| std::fs::metadata(folder.path().join(path)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(["a", "a/b"].map(mode), [0o700, 0o700]);
    assert_eq!(["a/b/log.db", "a/b/log.db-wal", "a/b/log.db-shm"].map(mode), [0o600; 3]);
    assert_eq!(values(&read_all(&subject, &log, &Topic::Requests, 0)), texts(0..3));
}
