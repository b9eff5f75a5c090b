//! A projector that has loaded what was damaged goes on from the tables made anew, while it runs.

use super::tables::Other;
use super::{ASKED, answered};
use crate::support::{Installation, Leg, PARTITIONS, Process, until};
use orchestrator::log::Topic;
use orchestrator::projector::codec::Codec;
use orchestrator::projector::rebuild::{Rebuilt, Wanted, rebuild};
use orchestrator::projector::{Lags, run_all};
use orchestrator::store::rebuild::{Change, Which};
use orchestrator::store::{self, Store};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub const RUNS: usize = 6;

/// Tables that no engine recovers from: a projector of the test's own writes them.
pub fn tables(at: &Installation) -> (Arc<dyn Store>, Other, Process) {
    let (url, serving) = match at.leg() {
        Leg::Kafka => (at.store_url().to_owned(), at.start("serve", &["serve", "--roles", "engine,worker"])),
        Leg::Embedded => (format!("sqlite://{}/other.db", at.folder().display()), at.serve()),
    };
    let store = store::open(&url).unwrap();
    store.migrate().unwrap();
    (store, Other::of(at.leg(), &url), serving)
}

/// Projects while `meanwhile` does something.
pub fn projecting(at: &Installation, store: &dyn Store, meanwhile: impl FnOnce()) {
    let (stop, partitions) = (AtomicBool::new(false), (0..PARTITIONS).collect::<Vec<u32>>());
    let lags = Lags::new(&partitions);
    std::thread::scope(|scope| {
        let projector = scope.spawn(|| run_all(at.log(), store, &partitions, Codec::WIRE, &stop, &lags).unwrap());
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        stop.store(true, Ordering::Relaxed);
        projector.join().unwrap();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Waits until all that stands in the journal is in the tables.
pub fn all_projected(at: &Installation, store: &dyn Store) {
    until("the journal is in the tables", || {
        (0..PARTITIONS).all(|partition| is_projected(at, store, partition)).then_some(())
    });
}

fn is_projected(at: &Installation, store: &dyn Store, partition: u32) -> bool {
    let next = store.position(partition).unwrap().map_or(0, |position| position.next_offset);
    next >= at.log().ends(&Topic::Journal, partition).unwrap().high
}

pub fn made_anew(at: &Installation, store: &dyn Store) -> Rebuilt {
    let wanted = Wanted { which: Which::All, from_scratch: false };
    rebuild(at.log(), store, PARTITIONS, wanted, |_| ()).unwrap()
}

pub fn differing(rebuilt: &Rebuilt) -> u64 {
    rebuilt.changes.iter().map(Change::differing).sum()
}

/// Runs that wait to be supplied, in the tables.
pub fn all_wait(at: &Installation, store: &dyn Store, other: &mut Other) {
    for n in 0..RUNS {
        at.request(&id(n), "asked", &json!({ "n": n }));
    }
    projecting(at, store, || {
        let open = "SELECT COUNT(*) FROM orchestrator_workflow_states WHERE nodes_completed = 1 AND nodes_open = 1";
        until("all runs wait to be supplied", || (other.number(open) == RUNS as i64).then_some(()));
        all_projected(at, store);
    });
}

pub fn id(n: usize) -> String {
    format!("asked-{n}")
}

pub fn supply_all(at: &Installation, runs: std::ops::Range<usize>) {
    for n in runs {
        at.run(&["supply", &id(n), "ask", "--value", "42"]).expect(0);
    }
}

#[test]
fn a_projector_drops_what_it_has_loaded_of_damaged_tables_once_they_are_made_anew() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(ASKED);
        let (store, mut other, _serving) = tables(&at);
        all_wait(&at, &*store, &mut other);
        let zeros = if leg == Leg::Kafka { "'\\x00000000000000000000000000000000'" } else { "zeroblob(16)" };
        other.run(&format!(
            "UPDATE orchestrator_workflow_states SET chain = {zeros}, \
             state = replace(state, '\"max_agent_calls\":', '\"max_agent_calls\":1')"
        ));
        projecting(&at, &*store, || {
            // It goes on from what is damaged, and writes it again.
            supply_all(&at, 0..2);
            let done = "SELECT COUNT(*) FROM orchestrator_workflow_states WHERE status = 'completed'";
            until("two runs are done", || (other.number(done) == 2).then_some(()));
            assert!(differing(&made_anew(&at, &*store)) >= RUNS as u64);
            supply_all(&at, 2..RUNS);
            until("all runs are done", || (other.number(done) == RUNS as i64).then_some(()));
            all_projected(&at, &*store);
            let again = made_anew(&at, &*store);
            assert_eq!(differing(&again), 0, "{again:#?}");
        });
    }
}

#[test]
fn a_partition_that_damaged_tables_have_stopped_goes_on_once_they_are_made_anew() {
    let at = Installation::new(Leg::Embedded);
    at.apply(ASKED);
    let (store, mut other, _serving) = tables(&at);
    at.request(&id(0), "asked", &json!({}));
    let home = at.home(&id(0));
    projecting(&at, &*store, || {
        let open = "SELECT COUNT(*) FROM orchestrator_workflow_states WHERE nodes_completed = 1 AND nodes_open = 1";
        until("the run waits to be supplied", || (other.number(open) == 1).then_some(()));
    });
    other.run("DELETE FROM orchestrator_workflow_states");
    projecting(&at, &*store, || {
        supply_all(&at, 0..1);
        // Its history does not go on from what is there: the partition is not projected any further.
        answered(&mut at.stream(Topic::Responses), 1);
        assert!(!is_projected(&at, &*store, home));
        assert!(differing(&made_anew(&at, &*store)) > 0);
        all_projected(&at, &*store);
        let done = "SELECT COUNT(*) FROM orchestrator_workflow_states WHERE status = 'completed'";
        assert_eq!(other.number(done), 1);
    });
}
