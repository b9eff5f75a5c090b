//! The projection at every step: whatever the tables say of a run at any moment, the journal said at some step.

use super::invariant::{Breaks, Fault, Invariant};
use super::journal::Told;
use crate::store::memory::MemoryStore;
use std::collections::BTreeMap;

/// What of each partition's tables was looked at last: where they stood.
pub(super) type Seen = BTreeMap<u32, u64>;

/// Holds the tables against the fold up to where they stand, whenever they have moved.
pub(super) fn projection_is_the_fold(
    store: &MemoryStore,
    told: &Told,
    seen: &mut Seen,
    looked: &mut u64,
) -> Result<(), Fault> {
    let Some(next_offset) = store.next_offset(told.partition) else { return Ok(()) };
    if seen.insert(told.partition, next_offset) == Some(next_offset) {
        return Ok(());
    }
    let Some((position, runs)) = store.look(told.partition) else { return Ok(()) };
    let holds = |holds, what: &dyn Fn() -> String| Invariant::ProjectionIsTheFold.holds(holds, what);
    *looked += 1;
    for stored in &runs {
        let states = told.states.get(&stored.run_id);
        let expected = states.and_then(|states| states.get((stored.sequence as usize).checked_sub(1)?));
        holds(expected == Some(stored), &|| {
            let (run, sequence) = (&stored.run_id, stored.sequence);
            format!("run {run} at event {sequence}: expected {expected:?}, found {stored:?}")
        })?;
    }
    let at = told.standings.range(..position.next_offset).next_back().map(|(_, standing)| *standing);
    let Some((sequence, chain, through)) = at else { return Ok(()) };
    let found = (position.partition_sequence, position.partition_chain, position.effects_through);
    let is_it = found == (sequence, chain, through);
    is_it
        .then_some(())
        .ok_or_else(|| format!("the tables stand at {found:?}, the journal at {at:?}"))
        .breaks(Invariant::ProjectionIsTheFold)
}
