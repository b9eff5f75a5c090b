//! Which effects are done: `effects_through` moves only over steps all of whose effects are acknowledged.

use crate::journal::record::EffectsThrough;
use crate::planted::{Bug, is_planted};
use std::collections::VecDeque;

/// The effects under way, by step.
#[derive(Clone, Debug, Default)]
pub struct EffectsTracker {
    steps: VecDeque<Tracked>,
    through: Option<EffectsThrough>,
    /// A step that was not a mark has been passed since the last record that said so.
    worth_a_mark: bool,
    under_way: usize,
}

#[derive(Clone, Copy, Debug)]
struct Tracked {
    at: EffectsThrough,
    outstanding: usize,
    is_mark: bool,
}

impl EffectsTracker {
    /// Nothing under way; all effects up to `through` are done.
    pub fn new(through: Option<EffectsThrough>) -> Self {
        Self { through, ..Self::default() }
    }

    /// A step counts, and so many effects of it have been set off.
    pub fn set_off(&mut self, at: EffectsThrough, effects: usize, is_mark: bool) {
        self.under_way += effects;
        self.steps.push_back(Tracked { at, outstanding: effects, is_mark });
        self.advance();
    }

    /// One effect of a step is done.
    pub fn done(&mut self, step: u64) {
        if let Ok(i) = self.steps.binary_search_by_key(&step, |tracked| tracked.at.step) {
            self.steps[i].outstanding -= 1;
            self.under_way -= 1;
            self.advance();
        }
    }

    /// Up to where all effects are done.
    pub fn through(&self) -> Option<EffectsThrough> {
        self.through
    }

    /// How many effects are under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether a record should say how far it has come.
    pub fn worth_a_mark(&self) -> bool {
        self.worth_a_mark && self.steps.is_empty()
    }

    /// A record says so.
    pub fn recorded(&mut self) {
        self.worth_a_mark = false;
    }

    fn advance(&mut self) {
        let may_be_open = usize::from(is_planted(Bug::MovesEffectsThroughEarly));
        while let Some(first) = self.steps.front().filter(|step| step.outstanding <= may_be_open) {
            self.through = Some(first.at);
            self.worth_a_mark |= !first.is_mark;
            self.steps.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64) -> EffectsThrough {
        EffectsThrough { step, offset: step * 10 }
    }

    #[test]
    fn it_moves_only_over_acknowledged_effects() {
        let mut tracker = EffectsTracker::default();
        tracker.set_off(at(1), 2, false);
        tracker.set_off(at(2), 1, false);
        tracker.done(2);
        tracker.done(1);
        assert_eq!(tracker.through(), None);
        tracker.done(1);
        assert_eq!((tracker.through(), tracker.under_way()), (Some(at(2)), 0));
    }

    #[test]
    fn a_mark_is_not_worth_a_mark() {
        let mut tracker = EffectsTracker::default();
        tracker.set_off(at(1), 0, false);
        assert!(tracker.worth_a_mark());
        tracker.recorded();
        tracker.set_off(at(2), 0, true);
        assert!(!tracker.worth_a_mark());
        assert_eq!(tracker.through(), Some(at(2)));
    }
}
