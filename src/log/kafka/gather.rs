//! Gathering: what is appended while records are under way goes along together with the next request.
//!
//! An idempotent producer of librdkafka may have five requests under way for a partition. It fills them as fast as
//! records come: under load that makes many small requests, and once five are under way its thread spins until one
//! is answered (its linger of 0 says "now", again and again). One request after the other, each with all that has
//! come meanwhile, costs client and broker a fraction of it; a record that comes alone is sent at once as before.

use super::super::{NewRecord, Purpose, Token};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// No record waits longer for those before it: they may be on their way to a broker that does not answer.
const LONGEST: Duration = Duration::from_millis(5);

/// Records that wait for those under way.
pub(super) struct Gather {
    /// Whether this appender gathers at all.
    on: bool,
    /// Whether what is appended now goes along at once.
    open: bool,
    closed_at: Instant,
    /// In order of their appending.
    pub held: VecDeque<(NewRecord, Token)>,
}

impl Gather {
    /// Effects alone: journal records are few and have their own bound on what is under way, publications linger, and
    /// whoever appends for a client need not poll often.
    pub fn new(purpose: Purpose) -> Self {
        let on = purpose == Purpose::Effects;
        Self { on, open: true, closed_at: Instant::now(), held: VecDeque::new() }
    }

    /// Whether a record is to be held.
    pub fn holds(&self) -> bool {
        !self.open || !self.held.is_empty()
    }

    /// The caller's turn is over: what it appended in it goes along together. Whether what is held may go now.
    pub fn turn(&mut self, under_way: usize) -> bool {
        if !self.on || under_way == 0 {
            self.open = true;
        } else if self.open {
            self.open = false;
            self.closed_at = Instant::now();
        } else if !self.held.is_empty() && self.closed_at.elapsed() >= LONGEST {
            self.open = true;
        }
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Topic;

    fn hold(gather: &mut Gather) {
        let record = NewRecord { topic: Topic::Responses, partition: Some(0), key: None, value: None, headers: vec![] };
        gather.held.push_back((record, 0));
    }

    #[test]
    fn what_comes_in_one_turn_goes_together_and_the_next_turn_waits_for_its_end() {
        let mut gather = Gather::new(Purpose::Effects);
        assert!(!gather.holds(), "the first turn goes at once");
        assert!(!gather.turn(3), "three are under way");
        assert!(gather.holds());
        hold(&mut gather);
        assert!(!gather.turn(1), "one of them still is");
        assert!(gather.turn(0), "none is");
    }

    #[test]
    fn nothing_waits_longer_than_it_has_to_for_those_that_never_end() {
        let mut gather = Gather::new(Purpose::Effects);
        gather.turn(1);
        hold(&mut gather);
        gather.closed_at -= LONGEST;
        assert!(gather.turn(1));
    }

    #[test]
    fn only_effects_are_gathered() {
        for purpose in [Purpose::Journal, Purpose::Events, Purpose::Client] {
            let mut gather = Gather::new(purpose);
            assert!(gather.turn(1) && !gather.holds(), "{purpose:?}");
        }
    }
}
