//! Faults of the engine's own code in one partition: pauses that grow, and runs that are left alone.
//!
//! A fault (a panic, a broken invariant) drops the partition's memory, like anything else that goes wrong. Most come
//! back with the same journal: the pause before the next taking grows, and a run that was being decided each time is
//! set aside, so that the others go on.

use super::settings::EngineSettings;
use crate::core::id::WorkflowId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A run is set aside after so many faults while it was being decided.
const ENOUGH: u32 = 3;
/// Doubling a pause more often than this makes it longer than any limit.
const MAX_DOUBLINGS: u32 = 16;

/// What a partition remembers of its faults.
#[derive(Debug, Default)]
pub struct Faults {
    /// How many there were with no peace in between.
    in_a_row: u32,
    /// The runs that were being decided, and how often.
    suspects: BTreeMap<WorkflowId, u32>,
}

impl Faults {
    /// A fault, after the partition was owned for this long; how long to rest.
    pub fn note(&mut self, run: Option<&WorkflowId>, owned_for: Duration, settings: &EngineSettings) -> Duration {
        if owned_for > settings.max_fault_pause {
            self.in_a_row = 0;
            self.suspects.retain(|_, times| *times >= ENOUGH);
        }
        if let Some(run) = run {
            *self.suspects.entry(run.clone()).or_default() += 1;
        }
        let doubled = settings.min_retry_pause * (1 << self.in_a_row.min(MAX_DOUBLINGS));
        self.in_a_row += 1;
        doubled.min(settings.max_fault_pause)
    }

    /// The runs to set aside.
    pub fn culprits(&self) -> BTreeSet<WorkflowId> {
        let culprits = self.suspects.iter().filter(|(_, times)| **times >= ENOUGH);
        culprits.map(|(run, _)| run.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_peace() {
        let settings = EngineSettings::default();
        let mut faults = Faults::default();
        let pauses: Vec<_> = (0..40).map(|_| faults.note(None, Duration::ZERO, &settings)).collect();
        assert_eq!(pauses[..3], [1, 2, 4].map(|times| settings.min_retry_pause * times));
        assert_eq!(pauses.last(), Some(&settings.max_fault_pause));
        let peace = settings.max_fault_pause * 2;
        assert_eq!(faults.note(None, peace, &settings), settings.min_retry_pause);
    }

    #[test]
    fn a_run_that_is_there_each_time_is_a_culprit_and_stays_one() {
        let settings = EngineSettings::default();
        let mut faults = Faults::default();
        let [guilty, bystander] = ["guilty", "bystander"].map(|id| WorkflowId::new(id).unwrap());
        faults.note(Some(&bystander), Duration::ZERO, &settings);
        for _ in 0..ENOUGH {
            assert!(faults.culprits().is_empty());
            faults.note(Some(&guilty), Duration::ZERO, &settings);
        }
        assert_eq!(faults.culprits(), BTreeSet::from([guilty.clone()]));
        for run in [None, Some(&bystander), Some(&bystander)] {
            faults.note(run, settings.max_fault_pause * 2, &settings);
        }
        assert_eq!(faults.culprits(), BTreeSet::from([guilty]));
    }
}
