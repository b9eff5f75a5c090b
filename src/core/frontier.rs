//! What a run can do next: derived from its state and its graph, kept beside the state so that a decision costs what
//! it changes and not what the graph weighs. Never recorded; built anew at recovery.

use super::definition::Role;
use super::definition::graph::{Graph, StandsBy};
use super::definition::plan;
use super::event::{Event, NodeFailed, PlanMade};
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
    /// Nodes with an attempt under way, or whose next one is due later, by role.
    at_work: AtWork,
    /// Nodes whose next attempt is due later.
    delayed: BTreeSet<usize>,
    /// Nodes that have no output, save those that are only called upon.
    remaining: usize,
}

/// How many nodes are at work, by their role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtWork {
    /// Planners.
    pub planners: u32,
    /// Plain nodes.
    pub plain: u32,
    /// Synthesizers.
    pub synthesizers: u32,
    /// Responders.
    pub responders: u32,
}

impl AtWork {
    /// All of them.
    pub fn total(&self) -> usize {
        [self.planners, self.plain, self.synthesizers, self.responders].iter().map(|n| *n as usize).sum()
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

    /// The state of a run with these nodes at work. Precedence: a planner (the graph is not whole) before plain nodes,
    /// plain nodes before synthesizers, these before responders; with nothing at work the state stays.
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
        let mut graph = of_run(definition, run);
        for made in &run.plans {
            let planned = plan::read(&made.plan, &graph, &made.planner, u32::MAX)?;
            graph = Arc::new(graph.with_plan(&made.planner, &planned));
        }
        Ok(Self::over(run, graph))
    }

    /// Builds the frontier of a run that has joined no plan yet.
    pub fn at_start(run: &Run, definition: &Arc<Graph>) -> Self {
        Self::over(run, of_run(definition, run))
    }

    /// Builds the frontier of a run over a graph that is whole.
    fn over(run: &Run, graph: Arc<Graph>) -> Self {
        let state_of = |i: usize| run.nodes.get(&graph.nodes[i].node.node_id);
        let has_output = |i: &usize| state_of(*i).is_some_and(|node| node.status.has_output());
        let (mut at_work, mut delayed) = (AtWork::default(), BTreeSet::new());
        let (mut waiting, mut ready, mut remaining) = (Vec::with_capacity(graph.nodes.len()), BTreeSet::new(), 0);
        for (i, node) in graph.nodes.iter().enumerate() {
            let missing = node.dependencies.iter().filter(|d| !has_output(d)).count();
            waiting.push(u32::try_from(missing).unwrap_or(u32::MAX));
            if node.stands_by.is_none() && !has_output(&i) {
                remaining += 1;
            }
            match (state_of(i).map(|node| node.status), node.stands_by) {
                (Some(status), _) if status.is_open() => {
                    *at_work.of(node.node.role) += 1;
                }
                (Some(NodeStatus::AwaitingRetry), _) => {
                    delayed.insert(i);
                    *at_work.of(node.node.role) += 1;
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
        Self { graph, waiting, ready, at_work, delayed, remaining }
    }

    /// Follows an event that has just been applied to the run.
    ///
    /// # Errors
    /// As [`Frontier::of`], for a plan.
    pub fn observe(&mut self, event: &Event, run: &Run) -> Result<(), Failure> {
        match event {
            Event::PlanMade(made) => return self.join(made, run),
            Event::NodeScheduled(event) => self.with(&event.node_id, Self::hand_out),
            Event::NodeCompleted(event) => self.with(&event.node_id, |frontier, i| {
                frontier.end_attempt(i);
                frontier.has_output(i, run);
            }),
            Event::NodeRecovered(event) => self.with(&event.node_id, |frontier, i| {
                // A person may supply the output of an attempt that is under way, or awaited.
                if event.how == Recovery::Supply {
                    frontier.end_attempt(i);
                }
                frontier.has_output(i, run);
            }),
            Event::NodeFailed(event) => self.with(&event.node_id, |frontier, i| frontier.fail(i, event)),
            // What was under way, or awaited, is no more.
            Event::WorkflowFailed(_) => {
                self.at_work = AtWork::default();
                self.delayed.clear();
            }
            Event::WorkflowStarted(_)
            | Event::NodeStarted(_)
            | Event::NodeProgressed(_)
            | Event::NodeRetryScheduled(_)
            | Event::StateTransitioned(_)
            | Event::WorkflowCompleted(_) => {}
        }
        Ok(())
    }

    /// Joins the nodes of a plan.
    fn join(&mut self, made: &PlanMade, run: &Run) -> Result<(), Failure> {
        if let (Some(planner), Some(plan)) = (&made.planner, &made.plan) {
            let planned = plan::read(plan, &self.graph, planner, u32::MAX)?;
            *self = Self::over(run, Arc::new(self.graph.with_plan(planner, &planned)));
        }
        Ok(())
    }

    /// Does something to a node that the graph has.
    fn with(&mut self, node_id: &NodeId, then: impl FnOnce(&mut Self, usize)) {
        if let Some(i) = self.index(node_id) {
            then(self, i);
        }
    }

    fn hand_out(&mut self, i: usize) {
        self.ready.remove(&i);
        if !self.delayed.remove(&i) {
            *self.at_work.of(self.graph.nodes[i].node.role) += 1;
        }
    }

    /// An attempt that was under way, or awaited, is no more.
    fn end_attempt(&mut self, i: usize) {
        self.delayed.remove(&i);
        let at_work = self.at_work.of(self.graph.nodes[i].node.role);
        *at_work = at_work.saturating_sub(1);
    }

    fn fail(&mut self, i: usize, event: &NodeFailed) {
        // One that could not be scheduled was ready; one whose time was up may have awaited its next attempt; any other
        // was open.
        let was_ready = self.ready.remove(&i);
        match event.final_because {
            None => {
                self.delayed.insert(i);
            }
            Some(_) if !was_ready => self.end_attempt(i),
            Some(_) => {}
        }
        if event.handling == Some(Handling::RouteTo) {
            self.ready.extend(self.graph.nodes[i].failure_node);
        }
    }

    /// A node has an output: what waits for it may be ready, unless it was taken over and is not run.
    fn has_output(&mut self, i: usize, run: &Run) {
        let node = self.graph.nodes[i].clone();
        if node.stands_by.is_none() {
            self.remaining -= 1;
        }
        for dependent in &node.dependents {
            self.waiting[*dependent] -= 1;
            let is_new = !run.nodes.contains_key(&self.graph.nodes[*dependent].node.node_id);
            if self.waiting[*dependent] == 0 && is_new {
                self.ready.insert(*dependent);
            }
        }
    }

    /// The node that undoes what was completed last of all that is not undone yet, save by those that are `taken`.
    pub fn next_undo(&self, run: &Run, taken: &BTreeSet<usize>) -> Option<usize> {
        let is_new = |undo: &usize| {
            let id = &self.graph.nodes[*undo].node.node_id;
            !taken.contains(undo) && !run.nodes.contains_key(id)
        };
        let done = self.graph.nodes.iter().filter_map(|node| {
            let undo = node.undo.filter(is_new)?;
            let state = run.nodes.get(&node.node.node_id)?;
            (state.status == NodeStatus::Completed).then_some((state.ended_by, undo))
        });
        done.max().map(|(_, undo)| undo)
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

    /// How many attempts are under way.
    pub fn open(&self) -> usize {
        self.at_work.total() - self.delayed.len()
    }

    /// Nodes with an attempt under way, or whose next one is due later, by role.
    pub fn at_work(&self) -> AtWork {
        self.at_work
    }

    /// Nodes whose next attempt is due later.
    pub fn delayed(&self) -> &BTreeSet<usize> {
        &self.delayed
    }

    /// How many nodes have no output, save those that are only called upon.
    pub fn remaining(&self) -> usize {
        self.remaining
    }
}

/// Whether fewer nodes than the parallel threshold are ready or at work, so that they run one at a time.
pub fn one_at_a_time(run: &Run, ready: usize, at_work: usize) -> bool {
    let threshold = usize::try_from(run.settings.parallel_threshold).unwrap_or(usize::MAX);
    ready + at_work < threshold
}

/// A definition's graph with the agents that the run gives its nodes to.
fn of_run(definition: &Arc<Graph>, run: &Run) -> Arc<Graph> {
    if run.agents.is_empty() { definition.clone() } else { Arc::new(definition.with_agents(&run.agents)) }
}

/// Whether a node has failed for good, and its failure node is to be run.
fn is_routed(node: &NodeRun) -> bool {
    node.status == NodeStatus::Failed && node.handling == Some(Handling::RouteTo)
}
