//! A decision in the making: the borrowed state, and over it what has been decided so far.

use crate::core::apply::apply;
use crate::core::definition::expression::Scope;
use crate::core::definition::graph::{GraphNode, StandsBy};
use crate::core::event::{Event, StateTransitioned};
use crate::core::failure::Failure;
use crate::core::frontier::{AtWork, Frontier};
use crate::core::gate::Gate;
use crate::core::id::{AgentName, NodeId};
use crate::core::json::Json;
use crate::core::limits::Limits;
use crate::core::run::Run;
use crate::core::status::Status;
use crate::core::time::Timestamp;
use crate::planted::{Bug, is_planted};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a decision is made with, besides the state.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Limits.
    pub limits: &'a Limits,
    /// Which agents are not to be called, or not often.
    pub gate: &'a Gate,
    /// The time.
    pub now: Timestamp,
}

/// The state with the decisions so far.
pub struct Draft<'a> {
    /// The state before (or, after a plan, a copy of it that the plan has been applied to).
    pub run: Cow<'a, Run>,
    frontier: Cow<'a, Frontier>,
    /// The limits.
    pub limits: &'a Limits,
    /// The time of this decision.
    pub now: Timestamp,
    /// Which agents are not to be called, or not often.
    gate: &'a Gate,
    events: Vec<Event>,
    /// How many of the events the state has already.
    applied: usize,
    /// The outputs that this decision brings.
    outputs: BTreeMap<NodeId, Json>,
    /// How many of the outputs that a node waits for this decision brings.
    met: BTreeMap<usize, u32>,
    /// Nodes that it completes, in that order.
    completed: Vec<usize>,
    /// Nodes that became ready by it.
    released: BTreeSet<usize>,
    /// Nodes that are not ready any more.
    taken: BTreeSet<usize>,
    /// Ready nodes whose agent is not to be called now.
    held: BTreeSet<usize>,
    /// How often each agent is called by this decision.
    calls: BTreeMap<AgentName, u32>,
    at_work: AtWork,
    /// Nodes whose next attempt is due later by this decision, or not any more.
    delays: BTreeMap<usize, bool>,
    delayed_count: usize,
    remaining: usize,
    /// The first node by whose failure the run fails, and why, if any has failed so by now.
    failed: Option<(NodeId, Failure)>,
    compensating: bool,
    status: Status,
}

impl<'a> Draft<'a> {
    /// Nothing decided yet.
    pub fn over(run: &'a Run, frontier: &'a Frontier, given: &Given<'a>) -> Self {
        // A run's time never runs backwards.
        let now = given.now.max(run.time);
        Self::new(Cow::Borrowed(run), Cow::Borrowed(frontier), &Given { now, ..*given }, Vec::new())
    }

    /// A state of its own, and the events that have already been applied to it.
    pub fn owning(run: Run, frontier: Frontier, given: &Given<'a>, events: Vec<Event>) -> Self {
        let now = run.time;
        Self::new(Cow::Owned(run), Cow::Owned(frontier), &Given { now, ..*given }, events)
    }

    fn new(run: Cow<'a, Run>, frontier: Cow<'a, Frontier>, given: &Given<'a>, events: Vec<Event>) -> Self {
        let failed = run.failed_node.as_ref().and_then(|node_id| {
            let failure = run.nodes.get(node_id)?.failure.clone()?;
            Some((node_id.clone(), failure))
        });
        Self {
            at_work: frontier.at_work(),
            delays: BTreeMap::new(),
            delayed_count: frontier.delayed().len(),
            remaining: frontier.remaining(),
            status: run.status,
            compensating: run.compensating,
            run,
            frontier,
            limits: given.limits,
            gate: given.gate,
            now: given.now,
            applied: events.len(),
            events,
            outputs: BTreeMap::new(),
            met: BTreeMap::new(),
            completed: Vec::new(),
            released: BTreeSet::new(),
            taken: BTreeSet::new(),
            held: BTreeSet::new(),
            calls: BTreeMap::new(),
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

    /// Whether a node's agent may be called (once more); if not, it stays where it is.
    pub fn may_call(&mut self, index: usize) -> bool {
        let node = self.node(index);
        let calls = self.calls.get(&node.node.agent_name).copied().unwrap_or_default();
        let may = self.gate.allows(&node.node.agent_name, calls);
        if !may {
            self.held.insert(index);
        }
        may
    }

    /// A node's attempt has been handed out: it was ready, or awaited.
    pub fn scheduled(&mut self, index: usize, event: Event) {
        let node = self.node(index);
        if self.is_delayed(index) {
            self.set_delayed(index, false);
        } else {
            self.taken.insert(index);
            *self.at_work.of(node.node.role) += 1;
        }
        *self.calls.entry(node.node.agent_name.clone()).or_default() += 1;
        self.events.push(event);
    }

    /// An open node has failed, and its next attempt is due later.
    pub fn delayed(&mut self, index: usize, events: [Event; 2]) {
        self.set_delayed(index, true);
        self.events.extend(events);
    }

    fn is_delayed(&self, index: usize) -> bool {
        self.delays.get(&index).copied().unwrap_or_else(|| self.frontier.delayed().contains(&index))
    }

    fn set_delayed(&mut self, index: usize, is_delayed: bool) {
        match (self.is_delayed(index), is_delayed) {
            (false, true) => self.delayed_count += 1,
            (true, false) => self.delayed_count -= 1,
            _ => {}
        }
        self.delays.insert(index, is_delayed);
    }

    /// A node has an output: its own, or one that stands in.
    pub fn has_output(&mut self, index: usize, output: Json, event: Event) {
        let node = self.node(index);
        if matches!(event, Event::NodeCompleted(_)) {
            self.completed.push(index);
        }
        self.events.push(event);
        if node.stands_by.is_none() {
            self.remaining -= 1;
        }
        for dependent in &node.dependents {
            let waits_for = self.frontier.waits_for(*dependent);
            if waits_for > 1 && !is_planted(Bug::WaitsForOneDependency) {
                let met = self.met.entry(*dependent).or_default();
                *met += 1;
                if *met < waits_for {
                    continue;
                }
            }
            // One that was taken over is not run, whenever what is upstream of it is.
            if !self.run.nodes.contains_key(&self.node(*dependent).node.node_id) {
                self.released.insert(*dependent);
            }
        }
        self.outputs.insert(node.node.node_id.clone(), output);
    }

    /// An attempt that was under way, or awaited, is no more.
    pub fn end_attempt(&mut self, index: usize) {
        self.set_delayed(index, false);
        let role = self.node(index).node.role;
        *self.at_work.of(role) -= 1;
    }

    /// A ready node will not be handed out.
    pub fn take(&mut self, index: usize) {
        self.taken.insert(index);
    }

    /// The run fails by a node's failure, if it has not failed before.
    pub fn fail(&mut self, index: usize, failure: Failure, compensate: bool) {
        let node_id = self.node(index).node.node_id.clone();
        self.failed.get_or_insert((node_id, failure));
        self.compensating |= compensate;
    }

    /// Applies all events so far to a copy of the state, for what has to see them applied: a plan's nodes, the story of
    /// a failure.
    pub fn rebase(&mut self) {
        let mut run = self.run.clone().into_owned();
        let mut frontier = self.frontier.clone().into_owned();
        for event in &self.events[self.applied..] {
            apply(&mut run, event, self.now);
            if let Err(failure) = frontier.observe(event, &run) {
                // A broken invariant: a plan is read against the same graph before it is made an event.
                unreachable!("a plan that was read does not fit its graph: {failure:?}");
            }
        }
        let given = Given { limits: self.limits, gate: self.gate, now: self.now };
        let calls = std::mem::take(&mut self.calls);
        *self = Self { calls, ..Self::owning(run, frontier, &given, std::mem::take(&mut self.events)) };
    }

    /// The first node, in definition order, that is ready and has not been handed out.
    pub fn next_ready(&self) -> Option<usize> {
        let is_left = |i: &&usize| !self.taken.contains(i) && !self.held.contains(i);
        let here = self.frontier.ready().iter().find(is_left);
        let released = self.released.iter().find(is_left);
        here.into_iter().chain(released).min().copied()
    }

    /// How many nodes are ready and have not been handed out.
    pub fn ready_count(&self) -> usize {
        self.frontier.ready().len() + self.released.len() - self.taken.len()
    }

    /// The node that undoes what was completed last of all that is not undone yet.
    pub fn next_undo(&self) -> Option<usize> {
        let undo = |i: &usize| self.frontier.graph.nodes[*i].undo.filter(|undo| !self.taken.contains(undo));
        let here = self.completed.iter().rev().find_map(undo);
        here.or_else(|| self.frontier.next_undo(&self.run, &self.taken))
    }

    /// Attempts under way.
    pub fn open(&self) -> usize {
        self.at_work() - self.delayed_count
    }

    /// Attempts under way, and nodes whose next one is due later.
    pub fn at_work(&self) -> usize {
        self.at_work.total()
    }

    /// Whether something is under way, or awaited, that a failed run waits for.
    pub fn winds_down(&self) -> bool {
        let undoes = |i: &usize| matches!(self.frontier.graph.nodes[*i].stands_by, Some(StandsBy::Undo(_)));
        let mut delayed = self.delays.keys().chain(self.frontier.delayed()).filter(|i| self.is_delayed(**i));
        self.open() > 0 || (self.compensating && delayed.any(undoes))
    }

    /// How many nodes have no output.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// The first node by whose failure the run fails, and why.
    pub fn failure(&self) -> Option<&(NodeId, Failure)> {
        self.failed.as_ref()
    }

    /// Whether what has completed is being undone.
    pub fn is_compensating(&self) -> bool {
        self.compensating
    }

    /// Records the state that the nodes at work give, if it is another one.
    pub fn settle(&mut self) {
        self.transition(self.at_work.status(self.status));
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
            Event::NodeRecovered(event) => event.output.len(),
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
        let known = || self.run.nodes.get(node_id).and_then(|node| node.output.as_ref());
        self.outputs.get(node_id).or_else(known).cloned()
    }
}
