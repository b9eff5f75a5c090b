//! Every attempt of a run's nodes, as its events tell it: also what the state does not keep, because no decision needs it.

use super::event::{Event, Recorded};
use super::failure::Failure;
use super::id::{AgentName, NodeId};
use super::json::Json;
use super::time::Timestamp;
use super::usage::Usage;
use std::collections::BTreeMap;
use std::time::Duration;

/// One attempt of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// Who executed it.
    pub agent_name: AgentName,
    /// What it was given.
    pub input: Json,
    /// When it was handed out.
    pub scheduled_at: Timestamp,
    /// When a worker said that it works on it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it returned.
    pub output: Option<Json>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What it has used, as its worker says.
    pub usage: Option<Usage>,
}

impl Attempt {
    /// How long it took, from scheduled to ended.
    pub fn took(&self) -> Option<Duration> {
        Some(self.ended_at?.since(self.scheduled_at))
    }
}

/// What several attempts have used and taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How many.
    pub attempts: usize,
    /// How long they took, one after the other.
    pub took: Duration,
    /// What they have used; none: no worker said.
    pub usage: Option<Usage>,
}

impl Spent {
    /// By these attempts.
    pub fn by<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> Self {
        let mut spent = Self::default();
        for attempt in attempts {
            spent.attempts += 1;
            spent.took += attempt.took().unwrap_or_default();
            if let Some(usage) = attempt.usage {
                *spent.usage.get_or_insert_default() += usage;
            }
        }
        spent
    }
}

/// The attempts of each node that was handed out, in their order.
pub fn attempts(events: &[Recorded]) -> BTreeMap<NodeId, Vec<Attempt>> {
    let mut all: BTreeMap<NodeId, Vec<Attempt>> = BTreeMap::new();
    for Recorded { time, event, .. } in events {
        match event {
            Event::NodeScheduled(event) => all.entry(event.node_id.clone()).or_default().push(Attempt {
                number: event.attempt,
                agent_name: event.agent_name.clone(),
                input: event.input.clone(),
                scheduled_at: *time,
                started_at: None,
                ended_at: None,
                output: None,
                failure: None,
                usage: None,
            }),
            Event::NodeStarted(event) => open(&mut all, &event.node_id, |attempt| attempt.started_at = Some(*time)),
            Event::NodeCompleted(event) => open(&mut all, &event.node_id, |attempt| {
                attempt.ended_at = Some(*time);
                attempt.output = Some(event.output.clone());
                attempt.usage = event.usage;
            }),
            Event::NodeFailed(event) => open(&mut all, &event.node_id, |attempt| {
                attempt.ended_at = Some(*time);
                attempt.failure = Some(event.failure());
                attempt.usage = event.usage;
            }),
            _ => {}
        }
    }
    all
}

/// Does something to the attempt of a node that is under way. A node may fail without one: its input could not be made, or
/// its time was up while it awaited the next.
fn open(all: &mut BTreeMap<NodeId, Vec<Attempt>>, node_id: &NodeId, then: impl FnOnce(&mut Attempt)) {
    let last = all.get_mut(node_id).and_then(|attempts| attempts.last_mut());
    if let Some(attempt) = last.filter(|attempt| attempt.ended_at.is_none()) {
        then(attempt);
    }
}
