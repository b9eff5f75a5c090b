//! How many attempts of an agent run at once, and those that wait for a place.

use super::lock;
use std::collections::VecDeque;
use std::sync::Mutex;

struct State<J> {
    running: usize,
    waiting: VecDeque<J>,
    closed: bool,
}

/// Places for attempts that run, and a queue before them. What is fetched ahead is at most one place's worth per
/// place and one batch; it keeps the places filled while the partitions are held back.
pub(crate) struct Desk<J> {
    places: usize,
    state: Mutex<State<J>>,
}

impl<J> Desk<J> {
    /// Nothing runs and nothing waits.
    pub fn new(places: usize) -> Self {
        let state = State { running: 0, waiting: VecDeque::new(), closed: false };
        Self { places: places.max(1), state: Mutex::new(state) }
    }

    /// Takes a place for a job and hands it back, or puts it into the queue.
    pub fn admit(&self, job: J) -> Option<J> {
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        if state.running < self.places {
            state.running += 1;
            return Some(job);
        }
        state.waiting.push_back(job);
        None
    }

    /// Takes a place if there is one, and nobody waits for it.
    pub fn take_place(&self) -> bool {
        let mut state = lock(&self.state);
        let is_free = !state.closed && state.waiting.is_empty() && state.running < self.places;
        state.running += usize::from(is_free);
        is_free
    }

    /// A place is free again: hands it on to the next in the queue, or gives it back.
    pub fn next(&self) -> Option<J> {
        let mut state = lock(&self.state);
        let job = state.waiting.pop_front();
        if job.is_none() {
            state.running = state.running.saturating_sub(1);
        }
        job
    }

    /// Forgets some of what waits: it is no longer ours and will be run elsewhere.
    pub fn forget(&self, is_gone: impl Fn(&J) -> bool) {
        lock(&self.state).waiting.retain(|job| !is_gone(job));
    }

    /// Takes nothing more and forgets what waits: it is not done and will be run again.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.waiting.clear();
    }

    /// How many attempts run.
    pub fn running(&self) -> usize {
        lock(&self.state).running
    }

    /// Whether so many wait that the partitions are to be held back.
    pub fn full(&self) -> bool {
        lock(&self.state).waiting.len() >= self.places
    }

    /// Whether so few wait that the partitions may go on.
    pub fn roomy(&self) -> bool {
        lock(&self.state).waiting.len() * 2 <= self.places
    }
}
