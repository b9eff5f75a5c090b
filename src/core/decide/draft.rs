//! A decision in the making: the borrowed state, and over it what has been decided so far.

use crate::core::apply::apply;
use crate::core::definition::expression::Scope;
use crate::core::definition::graph::GraphNode;
use crate::core::event::{Event, StateTransitioned};
use crate::core::failure::Failure;
use crate::core::frontier::{Frontier, Open};
use crate::core::id::NodeId;
use crate::core::json::Json;
use crate::core::limits::Limits;
use crate::core::run::Run;
use crate::core::status::Status;
use crate::core::time::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The state with the decisions so far.
pub struct Draft<'a> {
    /// The state before (or, after a plan, a copy of it that the plan has been applied to).
    pub run: Cow<'a, Run>,
    frontier: Cow<'a, Frontier>,
    /// The limits.
    pub limits: &'a Limits,
    /// The time of this decision.
    pub now: Timestamp,
    events: Vec<Event>,
    /// The node that this decision completes, with its output.
    completed: Option<(NodeId, Json)>,
    /// Nodes that became ready by it.
    released: BTreeSet<usize>,
    /// Nodes that are not ready any more.
    taken: BTreeSet<usize>,
    open: Open,
    delayed: Open,
    remaining: usize,
    /// The first failed node and why, if any has failed by now.
    failed: Option<(NodeId, Failure)>,
    status: Status,
}

impl<'a> Draft<'a> {
    /// Nothing decided yet.
    pub fn over(run: &'a Run, frontier: &'a Frontier, limits: &'a Limits, now: Timestamp) -> Self {
        // A run's time never runs backwards.
        let now = now.max(run.time);
        Self::new(Cow::Borrowed(run), Cow::Borrowed(frontier), limits, now, Vec::new())
    }

    /// A state of its own, and the events that have already been applied to it.
    pub fn owning(run: Run, frontier: Frontier, limits: &'a Limits, events: Vec<Event>) -> Self {
        let now = run.time;
        Self::new(Cow::Owned(run), Cow::Owned(frontier), limits, now, events)
    }

    fn new(
        run: Cow<'a, Run>,
        frontier: Cow<'a, Frontier>,
        limits: &'a Limits,
        now: Timestamp,
        events: Vec<Event>,
    ) -> Self {
        let failed = run.failed_node.as_ref().and_then(|node_id| {
            let failure = run.nodes.get(node_id)?.failure.clone()?;
            Some((node_id.clone(), failure))
        });
        Self {
            open: frontier.open(),
            delayed: frontier.delayed(),
            remaining: frontier.remaining(),
            status: run.status,
            run,
            frontier,
            limits,
            now,
            events,
            completed: None,
            released: BTreeSet::new(),
            taken: BTreeSet::new(),
            failed,
        }
    }

    /// The compiled node.
    pub fn node(&self, index: usize) -> Arc<GraphNode> {
        self.frontier.graph.nodes[index].clone()
    }

    /// The graph of the run.
    pub fn graph(&self) -> &crate::core::definition::graph::Graph {
        &self.frontier.graph
    }

    /// The index of a node.
    pub fn index(&self, node_id: &NodeId) -> Option<usize> {
        self.frontier.index(node_id)
    }

    /// Adds an event that changes no node.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// A node's attempt has been handed out.
    pub fn scheduled(&mut self, index: usize, event: Event) {
        self.taken.insert(index);
        *self.open.of(self.node(index).node.role) += 1;
        self.events.push(event);
    }

    /// The next attempt of a delayed node has been handed out.
    pub fn scheduled_again(&mut self, index: usize, event: Event) {
        let role = self.node(index).node.role;
        *self.delayed.of(role) -= 1;
        *self.open.of(role) += 1;
        self.events.push(event);
    }

    /// An open node has failed, and its next attempt is due later.
    pub fn delayed(&mut self, index: usize, events: [Event; 2]) {
        let role = self.node(index).node.role;
        *self.open.of(role) -= 1;
        *self.delayed.of(role) += 1;
        self.events.extend(events);
    }

    /// An open node has completed.
    pub fn completed(&mut self, index: usize, output: Json, event: Event) {
        let node = self.node(index);
        *self.open.of(node.node.role) -= 1;
        self.remaining -= 1;
        self.released.extend(self.frontier.released_by(index));
        self.completed = Some((node.node.node_id.clone(), output));
        self.events.push(event);
    }

    /// A node has failed: an open one, or a ready one whose input could not be made.
    pub fn failed(&mut self, index: usize, was_open: bool, failure: Failure, event: Event) {
        let node = self.node(index);
        if was_open {
            *self.open.of(node.node.role) -= 1;
        } else {
            self.taken.insert(index);
        }
        self.failed.get_or_insert_with(|| (node.node.node_id.clone(), failure));
        self.events.push(event);
    }

    /// Applies all events so far to a copy of the state, so that a plan's nodes are there for what follows.
    ///
    /// # Errors
    /// Where the plan does not fit.
    pub fn rebase(&mut self) -> Result<(), Failure> {
        let mut run = self.run.clone().into_owned();
        let mut frontier = self.frontier.clone().into_owned();
        for event in &self.events {
            apply(&mut run, event, self.now);
            frontier.observe(event, &run)?;
        }
        *self = Self::owning(run, frontier, self.limits, std::mem::take(&mut self.events));
        Ok(())
    }

    /// Ready nodes that have not been handed out, in definition order.
    pub fn next_ready(&self) -> Option<usize> {
        let here = self.frontier.ready().iter().find(|i| !self.taken.contains(i));
        let released = self.released.iter().find(|i| !self.taken.contains(i));
        here.into_iter().chain(released).min().copied()
    }

    /// How many nodes are ready and have not been handed out.
    pub fn ready_count(&self) -> usize {
        self.frontier.ready().len() + self.released.len() - self.taken.len()
    }

    /// Attempts under way.
    pub fn open(&self) -> u32 {
        self.open.total()
    }

    /// Attempts under way, and nodes whose next one is due later.
    pub fn at_work(&self) -> u32 {
        self.open.and(self.delayed).total()
    }

    /// How many nodes have not completed.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// The first node that failed, and why.
    pub fn failure(&self) -> Option<&(NodeId, Failure)> {
        self.failed.as_ref()
    }

    /// Records the state that the open nodes give, if it is another one.
    pub fn settle(&mut self) {
        self.transition(self.open.and(self.delayed).status(self.status));
    }

    /// Records a change of state, if it is one.
    pub fn transition(&mut self, to: Status) {
        if to != self.status {
            self.events.push(Event::StateTransitioned(StateTransitioned { from: self.status, to }));
            self.status = to;
        }
    }

    /// How many bytes of payload the events so far hold.
    pub fn payload_bytes(&self) -> usize {
        let bytes = |event: &Event| match event {
            Event::WorkflowStarted(event) => event.input.len(),
            Event::NodeCompleted(event) => event.output.len(),
            Event::PlanMade(event) => event.plan.as_ref().map_or(0, |plan| plan.len()),
            _ => 0,
        };
        self.events.iter().map(bytes).sum()
    }

    /// Whether nothing has been decided.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What was decided.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }
}

/// What expressions can see: the request, and the outputs up to and including the one just completed.
impl Scope for Draft<'_> {
    fn request(&self) -> &Json {
        &self.run.input
    }

    fn output(&self, node_id: &str) -> Option<Json> {
        match &self.completed {
            Some((completed, output)) if completed.as_str() == node_id => Some(output.clone()),
            _ => self.run.nodes.get(node_id).and_then(|node| node.output.clone()),
        }
    }
}
