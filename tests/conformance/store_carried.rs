//! Outputs that a run takes over from another one are written once, and come back with it.

use super::fixture::{sql, step, with_database};
use super::histories::{History, chain, chain_over, completed, decoded, scheduled};
use orchestrator::core::event::{Event, NodeStarted, Recorded};
use orchestrator::core::id::{AgentName, NodeId};
use orchestrator::core::json::Json;
use orchestrator::core::lineage::Carried;
use orchestrator::core::status::NodeStatus;
use orchestrator::core::time::Timestamp;
use orchestrator::projector::folding::Folding;
use orchestrator::store::{Store, StoredRun, open};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::Path;
use std::sync::Arc;

/// How many nodes a run has taken over, and about how many bytes their outputs have.
const NODES: usize = 10;
const BYTES: usize = 1 << 20;
/// How many of its nodes run after that: three batches each.
const STEPS: usize = 10;

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn taken_over(node_id: &str, status: NodeStatus, output: Json) -> Carried {
    Carried { node_id: node(node_id), agent_name: AgentName::new("shop").unwrap(), status, output }
}

/// A forked run: what it took over, and some nodes that it runs itself.
fn forked(carried: Vec<Carried>) -> History {
    let mut history = History::started(1, "forked", &Json::null());
    let Event::WorkflowStarted(started) = &mut history.events[0].event else { panic!("the first event") };
    started.carried = carried;
    let mut again = None;
    orchestrator::core::apply::fold(&mut again, &history.events[0]).unwrap();
    history.run = again.unwrap();
    for number in 0..STEPS {
        let node_id = node(&format!("own-{number}"));
        history.then(10, scheduled(node_id.clone(), 1, 1, &Json::null()));
        history.then(5, Event::NodeStarted(NodeStarted { node_id: node_id.clone(), attempt: 1, local: false }));
        history.then(7, completed(node_id, 1, &Json::parse("1").unwrap()));
    }
    history
}

fn of_a_megabyte() -> History {
    let output = |n: usize| {
        let text: String = (0..BYTES / NODES / 16).map(|i| format!("{:016x}", (i * 31 + n) * 2_654_435_761)).collect();
        Json::from_value(&serde_json::json!({ "text": text }))
    };
    forked((0..NODES).map(|n| taken_over(&format!("old-{n}"), NodeStatus::Completed, output(n))).collect())
}

/// Projects each event in a batch of its own; says when the first is in.
fn project(store: &dyn Store, events: &[Recorded], mut first_is_in: impl FnMut()) {
    let mut folding = Folding::new(0, None, chain);
    for (number, event) in events.iter().enumerate() {
        let number = number as u64;
        folding.step(number, &step(number + 1), &decoded(std::slice::from_ref(event))).unwrap();
        let batch = folding.take_batch().unwrap();
        store.commit(&batch).unwrap();
        folding.committed(batch);
        if number == 0 {
            first_is_in();
        }
    }
}

pub fn outputs_that_were_taken_over_come_back_with_their_run(store: Arc<dyn Store>) {
    let spelled = Json::parse(r#"{"total": 1.50, "total": 2, "nothing": "\u0000"}"#).unwrap();
    let history = forked(vec![
        taken_over("spelled", NodeStatus::Completed, spelled),
        taken_over("left-out", NodeStatus::Skipped, Json::null()),
        taken_over("stand-in", NodeStatus::Recovered, Json::parse("7").unwrap()),
    ]);
    project(&*store, &history.events, || ());
    let run = history.run.clone();
    let one = store.query().run(&run.workflow_id, Some(&run.run_id)).unwrap();
    assert_eq!(one, Some((0, run.clone())));
    let found = store.snapshot(0, Timestamp(0), 10).unwrap().unwrap();
    assert_eq!(found.runs, [StoredRun { run, chain: chain_over(&history.events) }]);
    let row = store.query().stored(&history.run.workflow_id, None).unwrap().unwrap();
    assert_eq!(row.taken_over, ["left-out", "spelled", "stand-in"].map(node).into());
}

/// What tables of before had in the state of a run.
const SPELLED: &str = r#"{"total":1.50,"total":2,"nothing":"\u0000","half":"\\u0000 \ud83d\ude00"}"#;

/// Makes the tables what they were before outputs had a table of their own.
fn as_before() -> String {
    format!(
        "DROP TABLE orchestrator_carried_outputs; DELETE FROM orchestrator_migrations WHERE description = 'carried outputs'; \
         UPDATE orchestrator_workflow_states SET state = replace(replace(state, '\"spelled\":{{', \
         '\"spelled\":{{\"output\":{SPELLED},'), '\"left-out\":{{', '\"left-out\":{{\"output\":null,')"
    )
}

fn are_moved(store: &dyn Store, history: &History, make_old: impl FnOnce()) {
    project(store, &history.events, || ());
    make_old();
    store.migrate().unwrap();
    let found = store.snapshot(0, Timestamp(0), 10).unwrap().unwrap();
    assert_eq!(found.runs[0].run, history.run);
}

fn of_before() -> History {
    forked(vec![
        taken_over("spelled", NodeStatus::Completed, Json::parse(SPELLED).unwrap()),
        taken_over("left-out", NodeStatus::Skipped, Json::null()),
    ])
}

#[test]
fn postgres_moves_outputs_that_stood_in_states() {
    with_database(|url| {
        let store = open(url).unwrap();
        store.migrate().unwrap();
        are_moved(&*store, &of_before(), || sql(url, &as_before()));
    });
}

#[test]
fn sqlite_moves_outputs_that_stood_in_states() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/store.db", folder.path().display());
    let store = open(&url).unwrap();
    store.migrate().unwrap();
    are_moved(&*store, &of_before(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(as_before())).execute(&mut other).await.unwrap();
        });
    });
}

fn written(wal: &Path) -> u64 {
    std::fs::metadata(wal).map_or(0, |wal| wal.len())
}

#[test]
fn sqlite_writes_outputs_that_were_taken_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&format!("sqlite://{}", path.display())).unwrap();
    store.migrate().unwrap();
    // Keeps the file of what was written from being begun again.
    let reader = open(&format!("sqlite://{}", path.display())).unwrap();
    reader.position(0).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut other = runtime.block_on(sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display()))).unwrap();
    let view = sqlx::raw_sql("BEGIN; SELECT * FROM orchestrator_projector_positions");
    runtime.block_on(view.execute(&mut other)).unwrap();
    let (wal, mut first) = (folder.path().join("store.db-wal"), 0);
    let begun = written(&wal);
    project(&*store, &of_a_megabyte().events, || first = written(&wal));
    let (first, rest) = (first - begun, written(&wal) - first);
    println!("SQLite: {first} bytes with the first event, {rest} with the {} after it", 3 * STEPS);
    assert!(first > BYTES as u64 && rest < 2 * BYTES as u64, "{first} and then {rest}");
}

#[test]
fn postgres_writes_outputs_that_were_taken_over_once() {
    with_database(|url| {
        let store = open(url).unwrap();
        store.migrate().unwrap();
        let lsn = || number(url, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint");
        let (begun, mut first) = (lsn(), 0);
        project(&*store, &of_a_megabyte().events, || first = lsn());
        let (first, rest) = (first - begun, lsn() - first);
        // Others write meanwhile, so that these are for people.
        println!("Postgres: {first} bytes with the first event, {rest} with the {} after it", 3 * STEPS);
        let state = number(url, "SELECT MAX(length(state))::bigint FROM orchestrator_workflow_states");
        let once = number(url, "SELECT COUNT(DISTINCT xmin::text)::bigint FROM orchestrator_carried_outputs");
        assert!(state < 16 << 10, "the state that is written with each batch has {state} bytes");
        assert_eq!(once, 1, "transactions that wrote what was taken over");
    });
}

fn number(url: &str, question: &'static str) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap()
    })
}
