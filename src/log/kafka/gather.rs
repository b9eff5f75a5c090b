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
    /// Journal records are few and have their own bound on what is under way; publications linger.
    pub fn new(purpose: Purpose) -> Self {
        let on = matches!(purpose, Purpose::Effects | Purpose::Client);
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
