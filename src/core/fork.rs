//! What a fork takes over from a run: the outputs of what is upstream of the node from which on it runs, and nothing else.

use super::definition::graph::Graph;
use super::definition::plan;
use super::definition::validate::closest;
use super::id::NodeId;
use super::json::Json;
use super::run::Run;
use super::status::NodeStatus;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A fork, before it is asked for.
#[derive(Clone, Debug)]
pub struct Fork {
    /// The graph of the new run, with the nodes of the plans that are taken over.
    pub graph: Arc<Graph>,
    /// What is taken over, by node: how it counts, and the output.
    pub carried: BTreeMap<NodeId, (NodeStatus, Json)>,
}

impl Fork {
    /// The nodes that run, as far as they are known before they do, in definition order: all that are not taken over, save
    /// those that are only called upon.
    pub fn runs(&self) -> impl Iterator<Item = &NodeId> {
        let own = self.graph.nodes.iter().filter(|node| node.stands_by.is_none());
        own.map(|node| &node.node.node_id).filter(|id| !self.carried.contains_key(*id))
    }
}

/// Why a run cannot be forked there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFork {
    /// There is no such node.
    #[error("the run has no node {node}{}", .near.as_ref().map_or_else(String::new, |near| format!(" (did you mean {near}?)")))]
    UnknownNode {
        /// The node.
        node: String,
        /// One that is called much the same.
        near: Option<String>,
    },
    /// It runs only when another node calls upon it.
    #[error("node {0} runs only when another one calls upon it; fork from that one")]
    StandsBy(NodeId),
    /// What it waits for was never done.
    #[error(
        "node {node} waits for {upstream}, which has no output in that run ({}); fork from {upstream} or from what is upstream of it",
        .status.map_or("it was not reached", NodeStatus::as_str)
    )]
    NotDone {
        /// The node from which on it was to run.
        node: NodeId,
        /// The node upstream of it.
        upstream: NodeId,
        /// How that one stands.
        status: Option<NodeStatus>,
    },
    /// What was done has been undone.
    #[error(
        "what the run had done upstream of node {0} was undone when it failed; fork from a node that waits for nothing"
    )]
    Undone(NodeId),
    /// A plan of the run cannot join the definition.
    #[error("the plan of node {planner} does not fit the definition: {message}")]
    Plan {
        /// The planner.
        planner: NodeId,
        /// Why.
        message: String,
    },
}

/// Forks a run from a node on: over its own definition, or another one, in which nodes that the run does not know are run.
///
/// # Errors
/// Why that cannot be.
pub fn fork(run: &Run, definition: &Arc<Graph>, from: &NodeId) -> Result<Fork, NoFork> {
    let with_plans = joined(run, definition, |_| true)?;
    let index = with_plans.index.get(from).copied().ok_or_else(|| unknown(&with_plans, from))?;
    if with_plans.nodes[index].stands_by.is_some() {
        return Err(NoFork::StandsBy(from.clone()));
    }
    let mut carried = BTreeMap::new();
    let upstream = with_plans.upstream(index);
    for (node, _) in with_plans.nodes.iter().zip(upstream).filter(|(_, is_upstream)| *is_upstream) {
        let id = &node.node.node_id;
        let state = run.nodes.get(id);
        match state.and_then(|state| Some((state.status, state.output.clone()?))) {
            Some((status, output)) if status.has_output() => drop(carried.insert(id.clone(), (status, output))),
            // Another definition may have nodes that the run could not know.
            _ if state.is_none() && run.definition.hash != definition.hash => {}
            _ => {
                let (node, upstream) = (from.clone(), id.clone());
                return Err(NoFork::NotDone { node, upstream, status: state.map(|state| state.status) });
            }
        }
    }
    if run.compensating && !carried.is_empty() {
        return Err(NoFork::Undone(from.clone()));
    }
    let graph = joined(run, definition, |planner| carried.contains_key(planner))?;
    Ok(Fork { graph, carried })
}

/// The definition's graph with the plans of some of the run's planners.
fn joined(run: &Run, definition: &Arc<Graph>, is_taken: impl Fn(&NodeId) -> bool) -> Result<Arc<Graph>, NoFork> {
    let mut graph = definition.clone();
    for made in run.plans.iter().filter(|made| is_taken(&made.planner) && definition.index.contains_key(&made.planner))
    {
        let planned = plan::read(&made.plan, &graph, &made.planner, u32::MAX);
        let planned =
            planned.map_err(|failure| NoFork::Plan { planner: made.planner.clone(), message: failure.message })?;
        graph = Arc::new(graph.with_plan(&made.planner, &planned));
    }
    Ok(graph)
}

fn unknown(graph: &Graph, node: &NodeId) -> NoFork {
    let near = closest(node.as_str(), graph.nodes.iter().map(|node| node.node.node_id.as_str()));
    NoFork::UnknownNode { node: node.to_string(), near: near.map(str::to_owned) }
}
