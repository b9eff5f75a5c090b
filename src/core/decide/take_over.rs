//! What a run takes over from the one that it goes on from: checked against the graph, as results of agents would be.

use super::schedule::check_contract;
use crate::core::command::Resume;
use crate::core::definition::Role;
use crate::core::definition::graph::{Graph, GraphNode};
use crate::core::definition::plan;
use crate::core::id::NodeId;
use crate::core::json::Json;
use crate::core::lineage::Carried;
use crate::core::rejection::{Refusal, RefusalReason};
use crate::core::run::Plan;
use crate::core::status::NodeStatus;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is taken over.
pub struct TakenOver {
    /// The nodes that are not run.
    pub carried: Vec<Carried>,
    /// The plans among their outputs.
    pub plans: Vec<Plan>,
}

/// Checks what a request wants to take over.
///
/// # Errors
/// The refusal, without its workflow.
pub fn take_over(resume: &Resume, graph: &Arc<Graph>, max_agent_calls: u32) -> Result<TakenOver, Refusal> {
    let outputs: BTreeMap<&NodeId, (NodeStatus, &Json)> =
        resume.carried.iter().map(|(id, status, output)| (id, (*status, output))).collect();
    if outputs.len() < resume.carried.len() {
        return Err(refusal("carries a node twice"));
    }
    let (plans, graph) = plans(&outputs, graph, max_agent_calls)?;
    let carried = outputs.iter().map(|(id, (status, output))| carry(id, *status, output, &graph));
    let carried = carried.collect::<Result<_, _>>()?;
    for given in &resume.inputs {
        find(&graph, &given.node_id)?;
        if outputs.contains_key(&given.node_id) {
            return Err(refusal(format!("gives node {} an input and an output", given.node_id)));
        }
    }
    let names = resume.agents.iter().map(|given| &given.node_id).chain(&resume.from_node);
    for id in names {
        find(&graph, id)?;
    }
    Ok(TakenOver { carried, plans })
}

/// The plans among the outputs, and the graph with their nodes.
fn plans(
    outputs: &BTreeMap<&NodeId, (NodeStatus, &Json)>,
    graph: &Arc<Graph>,
    max_agent_calls: u32,
) -> Result<(Vec<Plan>, Arc<Graph>), Refusal> {
    let (mut plans, mut whole) = (Vec::new(), graph.clone());
    for node in graph.nodes.iter().filter(|node| node.node.role == Role::Planner) {
        let planner = &node.node.node_id;
        let Some((status, output)) = outputs.get(planner).filter(|(status, _)| *status != NodeStatus::Skipped) else {
            continue;
        };
        let planned = plan::read(output, &whole, planner, max_agent_calls);
        let planned = planned.map_err(|failure| refusal(format!("carries a {status} plan: {}", failure.message)))?;
        whole = Arc::new(whole.with_plan(planner, &planned));
        plans.push(Plan { planner: planner.clone(), plan: (*output).clone() });
    }
    Ok((plans, whole))
}

fn carry(id: &NodeId, status: NodeStatus, output: &Json, graph: &Graph) -> Result<Carried, Refusal> {
    let node = find(graph, id)?;
    if node.stands_by.is_some() {
        return Err(refusal(format!("carries node {id}, which runs only when it is called upon")));
    }
    if status != NodeStatus::Skipped {
        let checked = check_contract(node.output_contract.as_ref(), output, "output");
        checked.map_err(|failure| refusal(format!("carries an output of node {id}: {}", failure.message)))?;
    }
    Ok(Carried { node_id: id.clone(), agent_name: node.node.agent_name.clone(), status, output: output.clone() })
}

fn find<'g>(graph: &'g Graph, id: &NodeId) -> Result<&'g GraphNode, Refusal> {
    let node = graph.index.get(id).map(|index| &*graph.nodes[*index]);
    node.ok_or_else(|| refusal(format!("names node {id}, which its definition does not have")))
}

fn refusal(what: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalReason::Resume, format!("what is to be taken up {what}"))
}
