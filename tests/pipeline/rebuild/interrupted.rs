//! Rebuilds that are stopped at a certain point, and what the next one makes of what they have left.

use super::ASKED;
use super::held::{all_projected, all_wait, differing, projecting, supply_all, tables};
use crate::support::{Installation, Leg, PARTITIONS, until};
use orchestrator::projector::rebuild::{RebuildError, Rebuilt, Stage, Wanted, rebuild};
use orchestrator::store::rebuild::{TABLES, Which};
use orchestrator::store::{Store, StoreError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is still to be made, of a rebuild in Postgres.
const NOTES: &str = "orchestrator_rebuild_public.orchestrator_rebuild_last";
const ALL: Wanted = Wanted { which: Which::All, from_scratch: false };

/// A rebuild, as soon as the lock of the one before is gone with its session.
fn rebuilt(
    at: &Installation,
    store: &dyn Store,
    wanted: Wanted,
    mut say: impl FnMut(Stage),
) -> Result<Rebuilt, RebuildError> {
    until("no other rebuild is under way", || {
        let done = rebuild(at.log(), store, PARTITIONS, wanted, &mut say);
        let is_alone = !matches!(&done, Err(RebuildError::Store(StoreError::Busy(words))) if words.contains("another"));
        is_alone.then_some(done)
    })
}

/// Those of the legs whose shadow is loaded without keys.
fn postgres() -> Option<Installation> {
    let at = Leg::all().into_iter().find(|leg| *leg == Leg::Kafka).map(Installation::new)?;
    at.apply(ASKED);
    Some(at)
}

#[test]
fn one_that_was_stopped_while_it_made_its_keys_makes_the_others_before_it_loads_what_has_come_since() {
    let Some(at) = postgres() else { return };
    let (store, mut other, _serving) = tables(&at);
    all_wait(&at, &*store, &mut other);
    // Behind all keys and indexes, each of which is made for good, something fails.
    let stopped = rebuilt(&at, &*store, ALL, |stage| {
        if stage == Stage::Completing {
            other.run(&format!("INSERT INTO {NOTES} (statement) VALUES ('SELECT nothing()')"));
        }
    });
    assert!(matches!(&stopped, Err(RebuildError::Store(StoreError::Refused(_)))), "{stopped:?}");
    other.run(&format!("DELETE FROM {NOTES}"));
    projecting(&at, &*store, || {
        supply_all(&at, 0..1);
        all_projected(&at, &*store);
    });
    let mut stages = Vec::new();
    let again = rebuilt(&at, &*store, ALL, |stage| stages.push(stage)).unwrap();
    assert!(matches!(stages[0], Stage::Begun { goes_on: true, .. }), "{stages:?}");
    assert_eq!((differing(&again), again.same_place), (0, true), "{again:#?}");
    assert_eq!(differing(&rebuilt(&at, &*store, ALL, |_| ()).unwrap()), 0);
}

/// A rebuild of all tables that ends as it is about to put them in their place.
fn stopped_at_the_end(at: &Installation, store: &dyn Store) {
    let until_the_end = |stage| assert_ne!(stage, Stage::Swapping, "this is where it is to be stopped");
    let stopped = || rebuilt(at, store, ALL, until_the_end).map(drop);
    assert!(catch_unwind(AssertUnwindSafe(stopped)).is_err());
}

#[test]
fn one_table_from_scratch_is_made_without_what_was_left_and_fits_the_others() {
    let logs = TABLES.into_iter().find(|table| table.name == "orchestrator_operation_logs").unwrap();
    let wanted = Wanted { which: Which::One(logs), from_scratch: true };
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(ASKED);
        let (store, mut other, _serving) = tables(&at);
        all_wait(&at, &*store, &mut other);
        stopped_at_the_end(&at, &*store);
        other.run("DELETE FROM orchestrator_operation_logs");
        let mut stages = Vec::new();
        let done = rebuilt(&at, &*store, wanted, |stage| stages.push(stage)).unwrap();
        assert!(matches!(stages[0], Stage::Begun { goes_on: false, records: 1.. }), "{stages:?}");
        assert!(done.changes.len() == 1 && done.changes[0].added > 0 && done.same_place, "{done:#?}");

        // Where it cannot be, what was left stays.
        stopped_at_the_end(&at, &*store);
        other.run("DELETE FROM orchestrator_projector_positions WHERE partition = 0");
        let refused = rebuilt(&at, &*store, wanted, |_| ());
        assert!(matches!(refused, Err(RebuildError::NoPosition(0))), "{refused:?}");
        let mut stages = Vec::new();
        let whole = rebuilt(&at, &*store, ALL, |stage| stages.push(stage)).unwrap();
        assert!(matches!(stages[0], Stage::Begun { goes_on: true, .. }), "{stages:?}");
        assert_eq!(differing(&whole), 0, "{whole:#?}");
    }
}

#[test]
fn what_comes_while_the_tables_are_in_use_is_read_before_the_live_positions_are_held_again() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(ASKED);
        let (store, mut other, _serving) = tables(&at);
        all_wait(&at, &*store, &mut other);
        let (mut stages, mut is_waited_for) = (Vec::new(), false);
        other.holds("orchestrator_operation_logs");
        let done = rebuilt(&at, &*store, ALL, |stage| {
            if matches!(stage, Stage::Waiting(_)) && !std::mem::replace(&mut is_waited_for, true) {
                other.lets_go();
                projecting(&at, &*store, || {
                    supply_all(&at, 0..1);
                    all_projected(&at, &*store);
                });
            }
            stages.push(stage);
        });
        assert!(done.unwrap().same_place);
        let waiting = stages.iter().position(|stage| matches!(stage, Stage::Waiting(_))).expect("they are in use");
        assert!(matches!(stages[waiting + 1], Stage::CatchingUp(_)), "{stages:?}");
    }
}

#[test]
fn tables_that_have_changed_places_are_said_to_be_there_whatever_fails_after_that() {
    let Some(at) = postgres() else { return };
    let (store, mut other, _serving) = tables(&at);
    all_wait(&at, &*store, &mut other);
    // Rows with another number of columns cannot be compared.
    other.run(
        "ALTER TABLE orchestrator_agent_results ADD COLUMN mine integer; \
         UPDATE orchestrator_workflow_states SET answer = '7'",
    );
    let done = rebuilt(&at, &*store, ALL, |_| ());
    assert!(matches!(&done, Err(RebuildError::NotCompared(StoreError::Refused(_)))), "{done:?}");
    assert!(done.unwrap_err().to_string().contains("are in their places"));
    assert_eq!(differing(&rebuilt(&at, &*store, ALL, |_| ()).unwrap()), 0);
    let schemas = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'orchestrator%'";
    assert_eq!(other.texts(schemas), Vec::<String>::new(), "nothing is left behind");
}

#[test]
fn a_schema_that_no_rebuild_has_made_is_left_alone() {
    let Some(at) = postgres() else { return };
    let (store, mut other, _serving) = tables(&at);
    for schema in ["orchestrator_rebuild_public", "orchestrator_replaced_public"] {
        for makes_it_anew in [false, true] {
            if makes_it_anew && schema.contains("replaced") {
                stopped_at_the_end(&at, &*store);
            }
            other.run(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.mine (a text)"));
            let refused = rebuilt(&at, &*store, Wanted { from_scratch: makes_it_anew, ..ALL }, |_| ());
            let Err(RebuildError::Store(StoreError::Refused(words))) = &refused else { panic!("{refused:?}") };
            assert!(words.contains(schema), "{words}");
            other.run(&format!("DROP TABLE {schema}.mine; DROP SCHEMA {schema}"));
        }
    }
    assert_eq!(differing(&rebuilt(&at, &*store, ALL, |_| ()).unwrap()), 0);
}
