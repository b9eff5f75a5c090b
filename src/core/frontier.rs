//! What a run can do next: derived from its state and its graph, kept beside the state so that a decision costs what
//! it changes and not what the graph weighs. Never recorded; built anew at recovery.

use super::definition::Role;
use super::definition::graph::{Graph, StandsBy};
use super::definition::plan;
use super::event::Event;
use super::failure::{Failure, Handling, Recovery};
use super::id::NodeId;
use super::run::{NodeRun, Run};
use super::status::{NodeStatus, Status};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The nodes of a run that wait, are ready, or are open.
#[derive(Clone, Debug)]
pub struct Frontier {
    /// The graph, with the nodes of plans made so far.
    pub graph: Arc<Graph>,
    /// How many dependencies of each node have not completed.
    waiting: Vec<u32>,
    /// Nodes whose inputs are there and that have not been scheduled, in definition order.
    ready: BTreeSet<usize>,
    /// Attempts under way, by role.
    open: Open,
    /// Nodes whose next attempt is due later.
    delayed: BTreeSet<usize>,
    /// Nodes that have no output, save those that are only called upon.
    remaining: usize,
}

/// How many attempts are under way, by the role of their nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Planners.
    pub planners: u32,
    /// Plain nodes.
    pub plain: u32,
    /// Synthesizers.
    pub synthesizers: u32,
    /// Responders.
    pub responders: u32,
}

impl Open {
    /// All of them.
    pub fn total(&self) -> u32 {
        self.planners + self.plain + self.synthesizers + self.responders
    }

    /// The count for a role.
    pub fn of(&mut self, role: Role) -> &mut u32 {
        match role {
            Role::Planner => &mut self.planners,
            Role::Plain => &mut self.plain,
            Role::Synthesizer => &mut self.synthesizers,
            Role::Responder => &mut self.responders,
        }
    }

    /// These and those.
    #[must_use]
    pub fn and(&self, other: Open) -> Open {
        Open {
            planners: self.planners + other.planners,
            plain: self.plain + other.plain,
            synthesizers: self.synthesizers + other.synthesizers,
            responders: self.responders + other.responders,
        }
    }

    /// The state of a run with these open nodes (one whose next attempt is due later is still at work). Precedence: a planner at work (the graph is not whole) before plain
    /// nodes, plain nodes before synthesizers, these before responders; with nothing open the state stays.
    pub fn status(&self, current: Status) -> Status {
        match (self.planners, self.plain, self.synthesizers, self.responders) {
            (1.., _, _, _) => Status::Planning,
            (0, 1, _, _) => Status::ExecutingSingle,
            (0, 2.., _, _) => Status::ExecutingParallel,
            (0, 0, 1.., _) => Status::Synthesizing,
            (0, 0, 0, 1..) => Status::Responding,
            (0, 0, 0, 0) => current,
        }
    }
}

impl Frontier {
    /// Builds the frontier of a run over its definition's own graph, joining the plans that the run has made.
    ///
    /// # Errors
    /// Where a recorded plan does not fit the graph: the definition is not the one that the run was started with.
    pub fn of(run: &Run, definition: &Arc<Graph>) -> Result<Self, Failure> {
        let mut graph = definition.clone();
        for made in &run.plans {
            let planned = plan::read(&made.plan, &graph, &made.planner, u32::MAX)?;
            graph = Arc::new(graph.with_plan(&made.planner, &planned));
        }
        Ok(Self::over(run, graph))
    }

    /// Builds the frontier of a run over a graph that is whole.
    pub fn over(run: &Run, graph: Arc<Graph>) -> Self {
        let state_of = |i: usize| run.nodes.get(&graph.nodes[i].node.node_id);
        let has_output = |i: &usize| state_of(*i).is_some_and(|node| node.status.has_output());
        let (mut open, mut delayed) = (Open::default(), BTreeSet::new());
        let (mut waiting, mut ready, mut remaining) = (Vec::with_capacity(graph.nodes.len()), BTreeSet::new(), 0);
        for (i, node) in graph.nodes.iter().enumerate() {
            let missing = node.dependencies.iter().filter(|d| !has_output(d)).count();
            waiting.push(u32::try_from(missing).unwrap_or(u32::MAX));
            if node.stands_by.is_none() && !has_output(&i) {
                remaining += 1;
            }
            match (state_of(i).map(|node| node.status), node.stands_by) {
                (Some(status), _) if status.is_open() => *open.of(node.node.role) += 1,
                (Some(NodeStatus::AwaitingRetry), _) => {
                    delayed.insert(i);
                }
                (Some(_), _) => {}
                (None, None) if missing == 0 => {
                    ready.insert(i);
                }
                (None, Some(StandsBy::Failure(of))) if state_of(of).is_some_and(is_routed) => {
                    ready.insert(i);
                }
                (None, _) => {}
            }
        }
        Self { graph, waiting, ready, open, delayed, remaining }
    }

    /// Follows an event that has just been applied to the run.
    ///
    /// # Errors
    /// As [`Frontier::of`], for a plan.
    pub fn observe(&mut self, event: &Event, run: &Run) -> Result<(), Failure> {
        match event {
            Event::PlanMade(made) => {
                if let (Some(planner), Some(plan)) = (&made.planner, &made.plan) {
                    let planned = plan::read(plan, &self.graph, planner, u32::MAX)?;
                    *self = Self::over(run, Arc::new(self.graph.with_plan(planner, &planned)));
                }
            }
            Event::NodeScheduled(event) => {
                if let Some(i) = self.index(&event.node_id) {
                    self.ready.remove(&i);
                    self.delayed.remove(&i);
                    *self.open.of(self.graph.nodes[i].node.role) += 1;
                }
            }
            Event::NodeCompleted(event) => {
                if let Some(i) = self.index(&event.node_id) {
                    self.close(i);
                    self.has_output(i);
                }
            }
            Event::NodeRecovered(event) => {
                if let Some(i) = self.index(&event.node_id) {
                    // A person may supply the output of an attempt that is under way, or awaited.
                    if event.how == Recovery::Supply && !self.delayed.remove(&i) {
                        self.close(i);
                    }
                    self.has_output(i);
                }
            }
            Event::NodeFailed(event) => {
                if let Some(i) = self.index(&event.node_id) {
                    // One that could not be scheduled was ready; one whose time was up may have awaited its next
                    // attempt; any other was open.
                    if !self.ready.remove(&i) && !self.delayed.remove(&i) {
                        self.close(i);
                    }
                    if event.final_because.is_none() {
                        self.delayed.insert(i);
                    }
                    if event.handling == Some(Handling::RouteTo) {
                        self.ready.extend(self.graph.nodes[i].failure_node);
                    }
                }
            }
            Event::WorkflowStarted(_)
            | Event::NodeStarted(_)
            | Event::NodeProgressed(_)
            | Event::NodeRetryScheduled(_)
            | Event::StateTransitioned(_)
            | Event::WorkflowCompleted(_) => {}
            // What was under way, or awaited, is no more.
            Event::WorkflowFailed(_) => {
                self.open = Open::default();
                self.delayed.clear();
            }
        }
        Ok(())
    }

    /// A node has an output: what waits for it may be ready.
    fn has_output(&mut self, i: usize) {
        let node = self.graph.nodes[i].clone();
        if node.stands_by.is_none() {
            self.remaining -= 1;
        }
        for dependent in &node.dependents {
            self.waiting[*dependent] -= 1;
            if self.waiting[*dependent] == 0 {
                self.ready.insert(*dependent);
            }
        }
    }

    /// The index of a node.
    pub fn index(&self, node_id: &NodeId) -> Option<usize> {
        self.graph.index.get(node_id).copied()
    }

    /// Nodes whose inputs are there and that have not been scheduled, in definition order.
    pub fn ready(&self) -> &BTreeSet<usize> {
        &self.ready
    }

    /// For how many outputs a node waits.
    pub fn waits_for(&self, node: usize) -> u32 {
        self.waiting[node]
    }

    /// Attempts under way.
    pub fn open(&self) -> Open {
        self.open
    }

    /// Nodes whose next attempt is due later.
    pub fn delayed(&self) -> &BTreeSet<usize> {
        &self.delayed
    }

    /// How many nodes have no output, save those that are only called upon.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    fn close(&mut self, node: usize) {
        let open = self.open.of(self.graph.nodes[node].node.role);
        *open = open.saturating_sub(1);
    }
}

/// Whether a node has failed for good, and its failure node is to be run.
fn is_routed(node: &NodeRun) -> bool {
    node.status == NodeStatus::Failed && node.handling == Some(Handling::RouteTo)
}
