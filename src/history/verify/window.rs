//! The events that were seen last, so that a further record of one can be recognised.

use super::{EventId, Expected};
use std::collections::{BTreeMap, VecDeque};

/// Most events that are remembered: more than an owner has on its way to the stream.
const MAX_EVENTS: usize = 16_384;
/// Most bytes of their bodies.
const MAX_BYTES: usize = 64 << 20;

/// Remembers the last events.
#[derive(Default)]
pub(super) struct Window {
    order: VecDeque<EventId>,
    known: BTreeMap<EventId, Expected>,
    bytes: usize,
}

impl Window {
    /// Remembers one more; what has to be forgotten for it.
    pub(super) fn push(&mut self, event: Expected) -> Vec<Expected> {
        self.bytes += event.body.len();
        self.order.push_back(event.id.clone());
        self.known.insert(event.id.clone(), event);
        let mut forgotten = Vec::new();
        while self.known.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.known.len() > 1) {
            // What was taken out stands in the order still.
            let Some(oldest) = self.order.pop_front() else { break };
            forgotten.extend(self.take(&oldest));
        }
        forgotten
    }

    pub(super) fn get(&self, id: &EventId) -> Option<&Expected> {
        self.known.get(id)
    }

    pub(super) fn take(&mut self, id: &EventId) -> Option<Expected> {
        let event = self.known.remove(id)?;
        self.bytes -= event.body.len();
        Some(event)
    }

    /// All that is left, in the order in which it came.
    pub(super) fn drain(&mut self) -> Vec<Expected> {
        let order = std::mem::take(&mut self.order);
        order.iter().filter_map(|id| self.take(id)).collect()
    }
}
