//! Rebuilds that are stopped at a certain point, and what the next one makes of what they have left.

use super::ASKED;
use super::held::{all_projected, all_wait, differing, made_anew, projecting, supply_all, tables};
use crate::support::{Installation, Leg, PARTITIONS};
use orchestrator::projector::rebuild::{RebuildError, Stage, Wanted, rebuild};
use orchestrator::store::StoreError;
use orchestrator::store::rebuild::Which;

/// What is still to be made, of a rebuild in Postgres.
const NOTES: &str = "orchestrator_rebuild_public.orchestrator_rebuild_last";
const ALL: Wanted = Wanted { which: Which::All, from_scratch: false };

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
    let stopped = rebuild(at.log(), &*store, PARTITIONS, ALL, |stage| {
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
    let again = rebuild(at.log(), &*store, PARTITIONS, ALL, |stage| stages.push(stage)).unwrap();
    assert!(matches!(stages[0], Stage::Begun { goes_on: true, .. }), "{stages:?}");
    assert_eq!((differing(&again), again.same_place), (0, true), "{again:#?}");
    assert_eq!(differing(&made_anew(&at, &*store)), 0);
}
