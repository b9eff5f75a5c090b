//! Plans: the output of a planner node, further nodes for its run.

use super::contract::shortened;
use super::graph::Graph;
use super::validate::fields::{ReadNode, Reader};
use super::validate::stand_by;
use super::validate::topology::{Outside, Topology};
use super::validate::{Fault, MAX_MESSAGE_CHARS};
use super::{ExecutionNode, Role};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::NodeId;
use crate::core::json::Json;
use serde_json::{Value, json};

/// Most faults that a failure lists: it has to fit into an event.
const MAX_LISTED: usize = 20;

/// Reads a planner's output, `{"nodes": [...]}`, validated like a definition against the graph it joins. A plan may be
/// empty. Its nodes depend on the planner, named or not; they may wait for each other, for the planner, and for what is
/// upstream of it, and read the outputs of the same.
///
/// # Errors
/// `plan_too_large` where it asks for more agent calls than allowed, `plan_invalid` with every fault.
pub fn read(
    output: &Json,
    graph: &Graph,
    planner: &NodeId,
    max_agent_calls: u32,
) -> Result<Vec<ExecutionNode>, Failure> {
    let document: Value = serde_json::from_str(output.as_str())
        .map_err(|e| invalid(planner, &[Fault::at("", format!("not a JSON document: {e}"))]))?;
    let mut reader = Reader::default();
    let Some(items) = items(&mut reader, &document) else {
        return Err(invalid(planner, &reader.faults));
    };
    if items.len() > max_agent_calls as usize {
        return Err(too_large(planner, items.len(), max_agent_calls));
    }
    let nodes = reader.list(items);
    for node in &nodes {
        no_planner(node, &mut reader);
    }
    let outside = outside(graph, planner);
    let topology = Topology::of(&nodes, &outside, &mut reader.faults);
    topology.check_mappings(&nodes, &outside, &mut reader.faults);
    stand_by::check(&nodes, &mut reader.faults);
    if reader.faults.is_empty() {
        return Ok(nodes.into_iter().filter_map(|node| node.node).collect());
    }
    Err(invalid(planner, &reader.faults))
}

fn items<'v>(reader: &mut Reader, document: &'v Value) -> Option<&'v Vec<Value>> {
    let members = reader.object("", document)?;
    reader.known("", members, &["nodes"]);
    match members.get("nodes") {
        Some(Value::Array(items)) => Some(items),
        Some(_) => {
            reader.fault("/nodes", "expected a list of nodes");
            None
        }
        None => {
            reader.fault("", "`nodes` is missing; a plan is {\"nodes\": [...]}, and an empty one {\"nodes\": []}");
            None
        }
    }
}

fn no_planner(node: &ReadNode, reader: &mut Reader) {
    if node.node.as_ref().is_some_and(|node| node.role == Role::Planner) {
        reader.fault(&format!("{}/role", node.at), "a planned node cannot be a planner itself; plans have one level");
    }
}

/// What a plan may name.
fn outside<'g>(graph: &'g Graph, planner: &NodeId) -> Outside<'g> {
    let id = |i: usize| graph.nodes[i].node.node_id.as_str();
    let mut outside = Outside { all: (0..graph.nodes.len()).map(id).collect(), ..Outside::default() };
    if let Some(planner) = graph.index.get(planner).copied() {
        let upstream = graph.upstream(planner);
        outside.upstream = (0..graph.nodes.len()).filter(|i| *i == planner || upstream[*i]).map(id).collect();
    }
    outside
}

fn too_large(planner: &NodeId, asked: usize, allowed: u32) -> Failure {
    let message = format!(
        "the plan of {planner} asks for {asked} agent calls, and at most {allowed} are allowed (max_agent_calls)"
    );
    let details = json!({"agent_calls": asked, "max_agent_calls": allowed});
    let details = Some(Json::from_value(&details));
    Failure { details, ..Failure::new(FailureClass::Contract, "plan_too_large", message) }
}

fn invalid(planner: &NodeId, faults: &[Fault]) -> Failure {
    let first = faults.first().map(Fault::to_string).unwrap_or_default();
    let more = match faults.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let message = shortened(format!("the plan of {planner} is not valid: {first}{more}"), MAX_MESSAGE_CHARS);
    let listed = faults.iter().take(MAX_LISTED);
    let listed: Vec<Value> = listed.map(|fault| json!({"pointer": fault.place, "message": fault.message})).collect();
    let details = Some(Json::from_value(&json!({"faults": listed})));
    Failure { details, ..Failure::new(FailureClass::Contract, "plan_invalid", message) }
}
