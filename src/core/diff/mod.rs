//! Two runs side by side: where they part, and in what.
//!
//! Compared is what was recorded: the definition, the request, and of every node who executed it, what it was given, what
//! came of it, in how many attempts. What those spent is told beside it, and is no difference by itself: no two runs take
//! the same time.

pub mod values;

use super::attempts::{Attempt, Spent, attempts};
use super::event::Recorded;
use super::failure::Failure;
use super::frontier::Frontier;
use super::id::{AgentName, NodeId};
use super::json::Json;
use super::run::{Outcome, Run};
use super::status::NodeStatus;
use std::collections::{BTreeMap, BTreeSet};

/// A run with all that is compared of it.
pub struct Side<'a> {
    /// The run, as its events fold.
    pub run: &'a Run,
    /// Its graph; none: its definition is not known any more.
    pub graph: Option<&'a Frontier>,
    attempts: BTreeMap<NodeId, Vec<Attempt>>,
}

impl<'a> Side<'a> {
    /// Of a run, its events, and its graph if it is known.
    pub fn new(run: &'a Run, events: &[Recorded], graph: Option<&'a Frontier>) -> Self {
        Self { run, graph, attempts: attempts(events) }
    }

    /// What all its attempts have spent.
    pub fn spent(&self) -> Spent {
        Spent::by(self.attempts.values().flatten())
    }

    fn node(&self, id: &NodeId) -> Option<Node> {
        let state = self.run.nodes.get(id)?;
        let attempts = self.attempts.get(id).into_iter().flatten().filter(|attempt| attempt.was_handed_out());
        Some(Node {
            agent_name: state.agent_name.clone(),
            status: state.status,
            is_carried: state.is_carried(),
            attempts: attempts.clone().count(),
            // Of a node that was taken over, the input is a matter of the run that executed it.
            input: attempts.clone().next_back().and_then(|attempt| attempt.input.clone()),
            output: state.output.clone(),
            failure: state.failure.clone(),
            dependencies: self.dependencies(id),
            spent: Spent::by(attempts),
        })
    }

    fn dependencies(&self, id: &NodeId) -> Option<BTreeSet<NodeId>> {
        let Frontier { graph, .. } = self.graph?;
        let node = &graph.nodes[*graph.index.get(id)?];
        Some(node.dependencies.iter().map(|i| graph.nodes[*i].node.node_id.clone()).collect())
    }

    /// All nodes that it has or could have, upstream before downstream.
    fn order(&self) -> Vec<NodeId> {
        let mut order: Vec<NodeId> = Vec::new();
        if let Some(Frontier { graph, .. }) = self.graph {
            let mut waiting: Vec<usize> = graph.nodes.iter().map(|node| node.dependencies.len()).collect();
            let mut ready: BTreeSet<usize> = (0..waiting.len()).filter(|i| waiting[*i] == 0).collect();
            while let Some(i) = ready.pop_first() {
                order.push(graph.nodes[i].node.node_id.clone());
                for dependent in &graph.nodes[i].dependents {
                    waiting[*dependent] -= 1;
                    if waiting[*dependent] == 0 {
                        ready.insert(*dependent);
                    }
                }
            }
        }
        let known: BTreeSet<&NodeId> = order.iter().collect();
        let mut rest: Vec<_> = self.run.nodes.iter().filter(|(id, _)| !known.contains(id)).collect();
        rest.sort_by_key(|(_, node)| (node.first_scheduled_at(), node.scheduled_by));
        let rest: Vec<NodeId> = rest.into_iter().map(|(id, _)| id.clone()).collect();
        order.into_iter().chain(rest).collect()
    }
}

/// A node of one of the runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Who executed it.
    pub agent_name: AgentName,
    /// How it ended, or stands.
    pub status: NodeStatus,
    /// Whether its output was taken over from an earlier run.
    pub is_carried: bool,
    /// How often it was tried.
    pub attempts: usize,
    /// The input of its last attempt.
    pub input: Option<Json>,
    /// Its output.
    pub output: Option<Json>,
    /// The failure of its last attempt, if it has not been followed by an output.
    pub failure: Option<Failure>,
    /// What it waits for; none: its graph is not known.
    pub dependencies: Option<BTreeSet<NodeId>>,
    /// What its attempts have spent.
    pub spent: Spent,
}

/// In what a node differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Only one of the runs has it.
    Presence,
    /// It waits for other nodes.
    Dependencies,
    /// Another agent executed it.
    Agent,
    /// It was given something else.
    Input,
    /// It ended otherwise.
    Status,
    /// It returned something else.
    Output,
    /// It failed otherwise.
    Failure,
    /// It took another number of attempts.
    Attempts,
}

impl Aspect {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Dependencies => "dependencies",
            Self::Agent => "agent",
            Self::Input => "input",
            Self::Status => "status",
            Self::Output => "output",
            Self::Failure => "failure",
            Self::Attempts => "attempts",
        }
    }
}

/// A node of both runs, or of one.
#[derive(Clone, Debug)]
pub struct NodeDiff {
    /// The node.
    pub node_id: NodeId,
    /// In the first run; none: it was not reached there, or there is no such node.
    pub a: Option<Node>,
    /// In the second run.
    pub b: Option<Node>,
    /// In what they differ, causes before consequences.
    pub aspects: Vec<Aspect>,
}

/// Where two runs part first: what comes after may be a consequence of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// In the input of their requests.
    Request,
    /// In a node, and there first in this.
    Node(NodeId, Aspect),
    /// In the answer, or how they ended, though no node differs.
    Outcome,
}

/// What differs between two runs.
#[derive(Clone, Debug)]
pub struct Diff {
    /// Whether they execute different definitions, or different versions of one.
    pub definitions_differ: bool,
    /// Whether they were asked for with different inputs.
    pub requests_differ: bool,
    /// Every node of either, upstream before downstream, also those in which nothing differs.
    pub nodes: Vec<NodeDiff>,
    /// Whether they ended differently.
    pub outcomes_differ: bool,
    /// Where they part first; none: they do not.
    pub first: Option<Divergence>,
}

/// Compares.
pub fn diff(a: &Side, b: &Side) -> Diff {
    let mut order = a.order();
    let known: BTreeSet<NodeId> = order.iter().cloned().collect();
    order.extend(b.order().into_iter().filter(|id| !known.contains(id)));
    let both = |id: NodeId| {
        let (of_a, of_b) = (a.node(&id), b.node(&id));
        (of_a.is_some() || of_b.is_some()).then(|| NodeDiff {
            aspects: aspects(of_a.as_ref(), of_b.as_ref()),
            node_id: id,
            a: of_a,
            b: of_b,
        })
    };
    let nodes: Vec<NodeDiff> = order.into_iter().filter_map(both).collect();
    let requests_differ = values::differ(Some(&a.run.input), Some(&b.run.input));
    let outcomes_differ = outcomes_differ(a.run.outcome.as_ref(), b.run.outcome.as_ref());
    let node = nodes.iter().find_map(|node| Some(Divergence::Node(node.node_id.clone(), *node.aspects.first()?)));
    let first = match requests_differ {
        true => Some(Divergence::Request),
        false => node.or(outcomes_differ.then_some(Divergence::Outcome)),
    };
    Diff { definitions_differ: a.run.definition != b.run.definition, requests_differ, nodes, outcomes_differ, first }
}

fn aspects(a: Option<&Node>, b: Option<&Node>) -> Vec<Aspect> {
    let (Some(a), Some(b)) = (a, b) else { return vec![Aspect::Presence] };
    let ran = !a.is_carried && !b.is_carried;
    let known = a.dependencies.is_some() && b.dependencies.is_some();
    let checks = [
        (Aspect::Dependencies, known && a.dependencies != b.dependencies),
        (Aspect::Agent, a.agent_name != b.agent_name),
        (Aspect::Input, ran && values::differ(a.input.as_ref(), b.input.as_ref())),
        (Aspect::Status, a.status != b.status),
        (Aspect::Output, values::differ(a.output.as_ref(), b.output.as_ref())),
        (Aspect::Failure, a.failure != b.failure),
        (Aspect::Attempts, ran && a.attempts != b.attempts),
    ];
    checks.into_iter().filter_map(|(aspect, differs)| differs.then_some(aspect)).collect()
}

fn outcomes_differ(a: Option<&Outcome>, b: Option<&Outcome>) -> bool {
    match (a, b) {
        (Some(Outcome::Answer(a)), Some(Outcome::Answer(b))) => values::differ(Some(a), Some(b)),
        (a, b) => a != b,
    }
}
