//! A fresh store for each case.

use super::histories::{History, chain, decoded};
use orchestrator::core::time::Timestamp;
use orchestrator::journal::record::{Owner, Step};
use orchestrator::projector::folding::Folding;
use orchestrator::store::memory::MemoryStore;
use orchestrator::store::row::ProjectionBatch;
use orchestrator::store::{Store, open};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Arc;

/// Where the tests find a Postgres in which they may create databases.
pub const POSTGRES: &str = "ORCHESTRATOR_TEST_POSTGRES";
/// Says that there are no services, and that the cases that need one are to be left out.
pub const WITHOUT_SERVICES: &str = "ORCHESTRATOR_TEST_WITHOUT_SERVICES";

pub fn with_memory(case: fn(Arc<dyn Store>)) {
    case(Arc::new(MemoryStore::new()));
}

pub fn with_sqlite(case: fn(Arc<dyn Store>)) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&format!("sqlite://{}/a/b/store.db", folder.path().display())).unwrap();
    store.migrate().unwrap();
    case(store);
}

pub fn with_postgres(case: fn(Arc<dyn Store>)) {
    with_database(|url| {
        let store = open(url).unwrap();
        store.migrate().unwrap();
        case(store);
    });
}

/// Runs a test with the address of a database of its own, and drops that at the end.
pub fn with_database(test: impl FnOnce(&str)) {
    let Some(server) = postgres() else { return };
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let (base, _) = server.rsplit_once('/').expect("the address names a database");
    sql(&server, &format!("CREATE DATABASE {name}"));
    struct Drop<'a>(&'a str, &'a str);
    impl std::ops::Drop for Drop<'_> {
        fn drop(&mut self) {
            sql(self.0, &format!("DROP DATABASE {} WITH (FORCE)", self.1));
        }
    }
    let _drop = Drop(&server, &name);
    test(&format!("{base}/{name}"));
}

fn postgres() -> Option<String> {
    match (std::env::var(POSTGRES), std::env::var(WITHOUT_SERVICES)) {
        (Ok(url), _) => Some(url),
        (Err(_), Ok(flag)) if flag == "1" => {
            eprintln!("LEFT OUT: needs a Postgres; {WITHOUT_SERVICES}=1 says that there is none");
            None
        }
        (Err(_), _) => panic!(
            "this case needs a Postgres. `scripts/test` brings one up and sets {POSTGRES} \
             (postgres://user:password@host:port/database, with the right to create databases); \
             {WITHOUT_SERVICES}=1 leaves such cases out"
        ),
    }
}

/// Runs a statement in a database, beside the store.
pub fn sql(url: &str, statement: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    });
}

/// The batch that projects histories, one step each, into a partition that has none yet.
pub fn batch_of(partition: u32, histories: &[History]) -> ProjectionBatch {
    let mut folding = Folding::new(partition, None, chain);
    for (number, history) in histories.iter().enumerate() {
        let number = number as u64 + 1;
        folding.step(number * 10, &step(number), &decoded(&history.events)).unwrap();
    }
    folding.take_batch().expect("there was a step")
}

/// A step without transitions: the events are handed over beside it.
pub fn step(number: u64) -> Step {
    Step {
        term: 1,
        owner: Owner([7; 16]),
        number,
        time: Timestamp(number as i64),
        positions: vec![],
        effects_through: None,
        transitions: vec![],
    }
}
