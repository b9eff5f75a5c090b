//! A failed seed, made small: fewer kinds of trouble, fewer requests, partitions and engines, fewer actions, as long as the
//! same invariant is broken.

use super::trouble::Trouble;
use super::{Options, Violation, run, trace};
use std::fmt;

/// So many runs are tried at most: some seconds.
const MOST_TRIES: usize = 250;

/// The smallest run that was found.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// What it does.
    pub options: Options,
    /// What it breaks.
    pub violation: Violation,
    /// What happens in it.
    pub story: Vec<String>,
    /// How many runs were tried.
    pub tries: usize,
}

impl Smallest {
    /// How many actions it takes.
    pub fn actions(&self) -> usize {
        let Options { actions, skipped, .. } = &self.options;
        (0..*actions).filter(|action| !skipped.iter().any(|range| range.contains(action))).count()
    }
}

impl fmt::Display for Smallest {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Options { partitions, engines, own_agents, requests, without, .. } = &self.options;
        let taken = self.actions();
        write!(
            f,
            "{requests} requests, {engines} engines ({} with agents), {partitions} partitions, {taken} actions, without {without:?} \
             ({} runs tried): {}",
            own_agents.min(engines),
            self.tries,
            self.violation.what
        )
    }
}

/// Looks for the smallest run.
pub fn shrink(violation: &Violation, options: &Options) -> Smallest {
    let mut search = Search { options: options.clone(), violation: violation.clone(), tries: 0 };
    search.end_at_the_violation();
    search.spare_trouble();
    search.ask_for_less();
    search.leave_out_actions();
    search.end_at_the_violation();
    let Search { options, violation, tries } = search;
    Smallest { story: trace::tell(violation.seed, &options), options, violation, tries }
}

struct Search {
    options: Options,
    violation: Violation,
    tries: usize,
}

impl Search {
    /// Takes a smaller run in place of the one before, if it breaks the same invariant.
    fn take(&mut self, options: Options) -> bool {
        if self.tries >= MOST_TRIES {
            return false;
        }
        self.tries += 1;
        match run(self.violation.seed, &options) {
            Err(violation) if violation.invariant == self.violation.invariant => {
                (self.options, self.violation) = (options, violation);
                true
            }
            _ => false,
        }
    }

    /// What would come after the violation.
    fn end_at_the_violation(&mut self) {
        let actions = self.options.actions.min(self.violation.action + 1);
        if actions == self.options.actions {
            return;
        }
        let mut skipped = self.options.skipped.clone();
        skipped.retain(|range| range.start < actions);
        skipped.iter_mut().for_each(|range| range.end = range.end.min(actions));
        self.take(Options { actions, skipped, ..self.options.clone() });
    }

    fn spare_trouble(&mut self) {
        for trouble in Trouble::ALL {
            let mut without = self.options.without.clone();
            if without.insert(trouble) {
                self.take(Options { without, ..self.options.clone() });
            }
        }
    }

    fn ask_for_less(&mut self) {
        for requests in [1, 2, 3, 5, 8, 13] {
            if requests < self.options.requests && self.take(Options { requests, ..self.options.clone() }) {
                break;
            }
        }
        for engines in 1..self.options.engines {
            if self.take(Options { engines, ..self.options.clone() }) {
                break;
            }
        }
        for own_agents in 0..self.options.own_agents.min(self.options.engines) {
            if self.take(Options { own_agents, ..self.options.clone() }) {
                break;
            }
        }
        if self.options.partitions > 1 {
            self.take(Options { partitions: 1, ..self.options.clone() });
        }
    }

    /// Pieces of what is left, each half as long as those before.
    fn leave_out_actions(&mut self) {
        let mut piece = self.options.actions / 2;
        while piece > 0 && self.tries < MOST_TRIES {
            let mut start = 0;
            while start < self.options.actions && self.tries < MOST_TRIES {
                let range = start..(start + piece).min(self.options.actions);
                if !self.options.skipped.iter().any(|skipped| skipped.start <= range.start && range.end <= skipped.end)
                {
                    let mut skipped = self.options.skipped.clone();
                    // What lies within is left out with it.
                    skipped.retain(|within| within.start < range.start || range.end < within.end);
                    skipped.push(range);
                    self.take(Options { skipped, ..self.options.clone() });
                }
                start += piece;
            }
            piece /= 2;
        }
    }
}
