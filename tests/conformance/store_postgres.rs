//! What only a database can do: go away, come back, hold tables of another version.

use super::fixture::{batch_of, sql, with_database};
use super::histories::History;
use orchestrator::core::json::Json;
use orchestrator::store::query::Filter;
use orchestrator::store::{STATE_FORMAT, Store, StoreError, open};
use sqlx::{Connection, SqliteConnection};
use std::sync::Arc;

const OTHERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
const NEWER: &str = "UPDATE orchestrator_projector_positions SET format = 99";

fn history() -> History {
    History::started(1, "w", &Json::null())
}

fn is_newer<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Newer { found: 99 }) => {}
        other => panic!("expected state format 99 to be refused (this version has {STATE_FORMAT}), found {other:?}"),
    }
}

fn a_newer_format_is_left_alone(store: &Arc<dyn Store>, make_newer: impl FnOnce()) {
    let batch = batch_of(0, &[history()]);
    store.commit(&batch).unwrap();
    make_newer();
    is_newer(store.position(0));
    is_newer(store.snapshot(0, orchestrator::core::time::Timestamp(0), 1));
    let next = orchestrator::store::Position { next_offset: 99, ..batch.next.clone() };
    is_newer(store.commit(&orchestrator::store::row::ProjectionBatch {
        expected: Some(batch.next.clone()),
        next,
        ..batch
    }));
}

#[test]
fn postgres_leaves_a_newer_format_alone() {
    with_database(|url| {
        let store = open(url).unwrap();
        store.migrate().unwrap();
        a_newer_format_is_left_alone(&store, || sql(url, NEWER));
    });
}

#[test]
fn sqlite_leaves_a_newer_format_alone() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/store.db", folder.path().display());
    let store = open(&url).unwrap();
    store.migrate().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    a_newer_format_is_left_alone(&store, || {
        runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(NEWER).execute(&mut connection).await.unwrap();
        });
    });
}

#[test]
fn broken_connections_are_made_anew() {
    with_database(|url| {
        let store = open(url).unwrap();
        store.migrate().unwrap();
        let batch = batch_of(0, &[history()]);
        sql(url, OTHERS);
        // The first try may still be given a broken connection; it must say so, and the next one must work.
        let first = store.commit(&batch);
        assert!(matches!(first, Ok(()) | Err(StoreError::Unreachable { .. })), "{first:?}");
        if first.is_err() {
            store.commit(&batch).unwrap();
        }
        sql(url, OTHERS);
        assert_eq!(store.position(0).unwrap(), Some(batch.next));
    });
}

#[test]
fn a_database_that_is_not_there_is_unreachable_and_keeps_its_password_to_itself() {
    // Nobody listens on port 1.
    let store = open("postgres://me:secret@127.0.0.1:1/x").unwrap();
    for fault in [store.migrate().unwrap_err(), store.commit(&batch_of(0, &[history()])).unwrap_err()] {
        assert!(matches!(fault, StoreError::Unreachable { .. }), "{fault}");
        assert!(fault.to_string().contains("postgres://me:***@127.0.0.1:1/x"), "{fault}");
        assert!(!fault.to_string().contains("secret"), "{fault}");
    }
}

#[test]
fn missing_tables_are_named_with_the_command_that_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    let look = |url: &str| {
        let fault = open(url).unwrap().query().runs(&Filter { limit: 1, ..Filter::default() }).unwrap_err();
        assert!(matches!(&fault, StoreError::NoTables { .. }), "{fault}");
        assert!(fault.to_string().contains("`orchestrator init`"), "{fault}");
    };
    look(&format!("sqlite://{}/store.db", folder.path().display()));
    with_database(look);
}
