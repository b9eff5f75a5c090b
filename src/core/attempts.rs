//! What each node of a run was given and what came of it, attempt by attempt: told by the events, as the state keeps of a
//! node only what later decisions need.

use super::event::{Event, NodeFailed, NodeRecovered, Recorded};
use super::failure::{Failure, FinalBecause, Recovery};
use super::id::{AgentName, NodeId};
use super::json::Json;
use super::time::Timestamp;
use super::usage::Usage;
use std::collections::BTreeMap;
use std::time::Duration;

/// One attempt of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which, counted from 1; 0: the output was taken over from an earlier run.
    pub number: u32,
    /// Who executes it.
    pub agent_name: AgentName,
    /// What it was given; none: nothing could be made for it, or its output was taken over.
    pub input: Option<Json>,
    /// The number of the event that begins it.
    pub begun_by: u64,
    /// When it was handed out.
    pub scheduled_at: Timestamp,
    /// When a worker said that it works on it.
    pub started_at: Option<Timestamp>,
    /// How it ended; none: it has not.
    pub end: Option<End>,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The number of the event that says so.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: How,
    /// What it has used, where its worker says so.
    pub usage: Option<Usage>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// With this output.
    Completed(Json),
    /// With this failure; the reason why no other attempt follows it, if none does.
    Failed(Failure, Option<FinalBecause>),
    /// Another output was put in its place.
    Recovered(Recovery, Json),
    /// The output was taken over from an earlier run.
    Carried(Json),
}

impl Attempt {
    /// How long it took, from scheduled to ended.
    pub fn took(&self) -> Option<Duration> {
        Some(self.end.as_ref()?.at.since(self.scheduled_at))
    }

    /// Whether it was handed out: only such a one can have spent something.
    pub fn was_handed_out(&self) -> bool {
        self.input.is_some()
    }

    fn begun(number: u32, agent_name: &AgentName, recorded: &Recorded) -> Self {
        Self {
            number,
            agent_name: agent_name.clone(),
            input: None,
            begun_by: recorded.sequence,
            scheduled_at: recorded.time,
            started_at: None,
            end: None,
        }
    }
}

/// What several attempts have used and taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How many were handed out.
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
        for attempt in attempts.into_iter().filter(|attempt| attempt.was_handed_out()) {
            spent.attempts += 1;
            spent.took += attempt.took().unwrap_or_default();
            if let Some(usage) = attempt.end.as_ref().and_then(|end| end.usage) {
                *spent.usage.get_or_insert_default() += usage;
            }
        }
        spent
    }
}

/// The attempts of every node that these events, from a run's first one on, tell of; of each node the oldest first.
pub fn attempts(events: &[Recorded]) -> BTreeMap<NodeId, Vec<Attempt>> {
    let mut all: BTreeMap<NodeId, Vec<Attempt>> = BTreeMap::new();
    for recorded in events {
        follow(&mut all, recorded);
    }
    all
}

fn follow(all: &mut BTreeMap<NodeId, Vec<Attempt>>, recorded: &Recorded) {
    let end = |how, usage| End { sequence: recorded.sequence, at: recorded.time, how, usage };
    match &recorded.event {
        Event::WorkflowStarted(started) => {
            for carried in &started.carried {
                let end = Some(end(How::Carried(carried.output.clone()), None));
                let attempt = Attempt { end, ..Attempt::begun(0, &carried.agent_name, recorded) };
                all.entry(carried.node_id.clone()).or_default().push(attempt);
            }
        }
        Event::NodeScheduled(event) => {
            let input = Some(event.input.clone());
            let attempt = Attempt { input, ..Attempt::begun(event.attempt, &event.agent_name, recorded) };
            all.entry(event.node_id.clone()).or_default().push(attempt);
        }
        Event::NodeStarted(event) => {
            if let Some(attempt) = last(all, &event.node_id) {
                attempt.started_at = Some(recorded.time);
            }
        }
        Event::NodeCompleted(event) => {
            if let Some(attempt) = last(all, &event.node_id) {
                attempt.end = Some(end(How::Completed(event.output.clone()), event.usage));
            }
        }
        Event::NodeFailed(event) => failed(all, recorded, event),
        Event::NodeRecovered(event) => recovered(all, recorded, event),
        Event::PlanMade(_)
        | Event::NodeProgressed(_)
        | Event::NodeRetryScheduled(_)
        | Event::StateTransitioned(_)
        | Event::WorkflowCompleted(_)
        | Event::WorkflowFailed(_) => {}
    }
}

fn last<'a>(all: &'a mut BTreeMap<NodeId, Vec<Attempt>>, node_id: &NodeId) -> Option<&'a mut Attempt> {
    all.get_mut(node_id)?.last_mut()
}

/// One that could not be handed out, or whose time was up while it awaited its next attempt, fails without an attempt of
/// its own: that is told as one that began and ended with the event.
fn failed(all: &mut BTreeMap<NodeId, Vec<Attempt>>, recorded: &Recorded, event: &NodeFailed) {
    let how = How::Failed(event.failure(), event.final_because);
    let end = Some(End { sequence: recorded.sequence, at: recorded.time, how, usage: event.usage });
    let of_node = all.entry(event.node_id.clone()).or_default();
    match of_node.last_mut() {
        Some(attempt) if attempt.end.is_none() => attempt.end = end,
        _ => of_node.push(Attempt { end, ..Attempt::begun(event.attempt, &event.agent_name, recorded) }),
    }
}

/// What stands in comes after the end of an attempt, or in the midst of one.
fn recovered(all: &mut BTreeMap<NodeId, Vec<Attempt>>, recorded: &Recorded, event: &NodeRecovered) {
    let how = How::Recovered(event.how, event.output.clone());
    let end = Some(End { sequence: recorded.sequence, at: recorded.time, how, usage: None });
    let of_node = all.entry(event.node_id.clone()).or_default();
    match of_node.last_mut() {
        Some(attempt) if attempt.end.is_none() => attempt.end = end,
        Some(before) => {
            let attempt = Attempt { end, ..Attempt::begun(event.attempt, &before.agent_name.clone(), recorded) };
            of_node.push(attempt);
        }
        None => {}
    }
}
