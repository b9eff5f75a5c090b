//! The request that forks a run.

use super::Args;
use crate::cli::definitions::find::find;
use crate::cli::exit::{Exit, fail};
use crate::cli::frontier::graph;
use crate::cli::submit::input;
use crate::core::catalogue::{Applied, Catalogue};
use crate::core::command::{Request, Resume};
use crate::core::definition::graph::Graph;
use crate::core::fork::{Fork, fork};
use crate::core::id::{AgentName, NodeId, WorkflowId};
use crate::core::json::Json;
use crate::core::lineage::{GivenAgent, GivenInput, LineageKind};
use crate::core::run::Run;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is to be asked for.
pub struct Planned {
    /// What is taken over, and what runs.
    pub fork: Fork,
    /// The request.
    pub request: Request,
    /// The new workflow.
    pub workflow_id: WorkflowId,
}

/// Plans the fork that the arguments say.
///
/// # Errors
/// Why the run cannot be forked so.
pub fn plan(args: &Args, run: &Run, catalogue: &Catalogue) -> Result<Planned> {
    let refused = |words: String| fail(Exit::Refused, words);
    let applied = definition(args, run, catalogue).map_err(refused)?;
    let reference = &applied.reference;
    let graph = graph(applied).map_err(|why| refused(format!("{} v{} {why}", reference.name, reference.version)))?;
    let agents = agents(args, run, &graph);
    let fork = fork(run, &Arc::new(graph.with_agents(&agents)), &args.from).map_err(|why| refused(why.to_string()))?;
    if let Some((node, _)) = args.agent.iter().find(|(node, _)| fork.carried.contains_key(node)) {
        return Err(refused(taken_over(node, &args.from, "no agent")));
    }
    let inputs = inputs(args, run, &fork)?;
    let workflow_id = match &args.id {
        Some(id) => id.clone(),
        None => derived(&run.workflow_id)?,
    };
    let carried = fork.carried.iter().map(|(id, (status, output))| (id.clone(), *status, output.clone()));
    let resume = Resume {
        kind: LineageKind::Fork,
        workflow_id: Some(run.workflow_id.clone()),
        run_id: run.run_id.clone(),
        by: Some(args.by.name()),
        carried: carried.collect(),
        inputs,
        agents: agents.into_iter().map(|(node_id, agent_name)| GivenAgent { node_id, agent_name }).collect(),
        from_node: Some(args.from.clone()),
    };
    let request = Request {
        definition: reference.name.clone(),
        version: Some(reference.version),
        input: changed(args, &run.input).map_err(refused)?,
        workflow_id: Some(workflow_id.clone()),
        conversation_id: run.conversation_id.clone(),
        resume: Some(resume),
    };
    Ok(Planned { fork, request, workflow_id })
}

/// The definition that was asked for, or that of the run.
fn definition<'c>(args: &Args, run: &Run, catalogue: &'c Catalogue) -> Result<&'c Applied, String> {
    match &args.definition {
        Some(named) => find(catalogue, named.name.as_str(), named.version),
        None => {
            let (name, version) = (&run.definition.name, run.definition.version);
            let found = catalogue.by_hash(&run.definition.hash);
            found.ok_or_else(|| format!("definition {name} v{version} of the run is not in `definitions` any more"))
        }
    }
}

/// Those of the run, as far as the definition has their nodes, and those that were asked for.
fn agents(args: &Args, run: &Run, graph: &Graph) -> BTreeMap<NodeId, AgentName> {
    let of_run = run.agents.iter().filter(|(node, _)| graph.index.contains_key(*node));
    let mut agents: BTreeMap<_, _> = of_run.map(|(node, agent)| (node.clone(), agent.clone())).collect();
    agents.extend(args.agent.iter().cloned());
    agents
}

/// Those that were given to nodes of the run which run again, and those that were asked for.
fn inputs(args: &Args, run: &Run, fork: &Fork) -> Result<Vec<GivenInput>> {
    let runs_again = |id: &NodeId| fork.graph.index.contains_key(id) && !fork.carried.contains_key(id);
    let of_run = run.inputs.iter().filter(|(id, _)| runs_again(id));
    let mut inputs: BTreeMap<NodeId, Json> = of_run.map(|(id, input)| (id.clone(), input.clone())).collect();
    for (node, text) in &args.input {
        if fork.carried.contains_key(node) {
            return Err(fail(Exit::Refused, taken_over(node, &args.from, "no input")));
        }
        inputs.insert(node.clone(), input::read(&format!("--input {node}"), text)?);
    }
    Ok(inputs.into_iter().map(|(node_id, input)| GivenInput { node_id, input }).collect())
}

fn taken_over(node: &NodeId, from: &NodeId, needs: &str) -> String {
    format!("node {node} is upstream of {from}: its output is taken over, so it needs {needs}")
}

/// The request's input with what was set.
fn changed(args: &Args, input: &Json) -> Result<Json, String> {
    let mut input = input.clone();
    for change in &args.set {
        let bytes = change.apply(Some(input.as_str().as_bytes())).map_err(|why| format!("--set: {why}"))?;
        input =
            Json::parse(&String::from_utf8_lossy(&bytes)).map_err(|fault| format!("the changed input is {fault}"))?;
    }
    Ok(input)
}

/// The id of a fork whose name nobody says. A fork of a fork does not grow longer.
fn derived(from: &WorkflowId) -> Result<WorkflowId> {
    let is_digits = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let stem = from.as_str().rsplit_once(".fork-").filter(|(stem, digits)| !stem.is_empty() && is_digits(digits));
    let stem = stem.map_or(from.as_str(), |(stem, _)| stem);
    let digits = hex::encode(rand::random::<[u8; 4]>());
    WorkflowId::new(&format!("{stem}.fork-{digits}"))
        .context("the forked workflow's id is too long to be extended: give one with --id")
}
