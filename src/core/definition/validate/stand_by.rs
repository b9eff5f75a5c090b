//! `on_failure`, `undo`, and the nodes that stand by for them: they run only when another node has failed, or is to be
//! undone, and nothing waits for them.

use super::Fault;
use super::fields::{Members, ReadNode, Reader};
use super::hint::Hints;
use crate::core::definition::contract::Contract;
use crate::core::definition::{ExecutionNode, OnFailure, Role};
use crate::core::id::NodeId;
use serde_json::Value;
use std::collections::HashMap;

const EXPECTED: &str = "fail, skip, compensate, {continue_with: OUTPUT} or {route_to: NODE}";

impl Reader {
    /// `heartbeat`: whether heartbeats extend the timeout.
    pub fn heartbeat(&mut self, at: &str, members: &Members) -> bool {
        match members.get("heartbeat") {
            None => false,
            Some(Value::Bool(heartbeat)) => *heartbeat,
            Some(other) => {
                self.wrong_type(&format!("{at}/heartbeat"), "true or false", other);
                false
            }
        }
    }

    /// `undo`: the node that undoes what this one has done.
    pub fn undo(&mut self, at: &str, members: &Members) -> Option<NodeId> {
        let value = members.get("undo")?;
        self.node_name(&format!("{at}/undo"), value)
    }

    /// `on_failure`: what becomes of the run when the node has failed for good.
    pub fn on_failure(&mut self, at: &str, members: &Members, output_contract: Option<&Value>) -> OnFailure {
        let at = format!("{at}/on_failure");
        match members.get("on_failure") {
            None => OnFailure::Fail,
            Some(Value::String(word)) => match word.as_str() {
                "fail" => OnFailure::Fail,
                "skip" => OnFailure::Skip,
                "compensate" => OnFailure::Compensate,
                other => {
                    self.fault(&at, format!("unknown on_failure {other:?}; expected {EXPECTED}"));
                    OnFailure::Fail
                }
            },
            Some(Value::Object(handling)) if handling.len() == 1 => {
                self.known(&at, handling, &["continue_with", "route_to"]);
                if let Some(output) = handling.get("continue_with") {
                    self.holds(&at, output_contract, output);
                    return OnFailure::ContinueWith(output.clone());
                }
                let node = handling.get("route_to").and_then(|node| self.node_name(&format!("{at}/route_to"), node));
                node.map_or(OnFailure::Fail, OnFailure::RouteTo)
            }
            Some(other) => {
                self.wrong_type(&at, EXPECTED, other);
                OnFailure::Fail
            }
        }
    }

    /// What stands in for an output has to keep its contract: what comes after relies on it.
    fn holds(&mut self, at: &str, contract: Option<&Value>, output: &Value) {
        let contract = contract.and_then(|schema| Contract::compile(schema).ok());
        if let Some(Err(breach)) = contract.map(|contract| contract.check(output)) {
            self.fault(&format!("{at}/continue_with"), format!("breaks the node's output_contract {breach}"));
        }
    }

    fn node_name(&mut self, at: &str, value: &Value) -> Option<NodeId> {
        let Some(text) = value.as_str() else {
            self.wrong_type(at, "the node_id of another node", value);
            return None;
        };
        NodeId::new(text).map_err(|illegal| self.fault(at, illegal.to_string())).ok()
    }
}

/// The nodes that a node calls upon, with the JSON pointer of each.
pub fn stand_bys(at: &str, on_failure: &OnFailure, undo: Option<&NodeId>) -> Vec<(NodeId, String)> {
    let failure_node = on_failure.failure_node().map(|node| (node.clone(), format!("{at}/on_failure/route_to")));
    failure_node.into_iter().chain(undo.map(|node| (node.clone(), format!("{at}/undo")))).collect()
}

/// Notes what is wrong with the nodes that stand by: names that lead nowhere, and nodes that cannot stand by for another,
/// or for more than one.
pub fn check(nodes: &[ReadNode], faults: &mut Vec<Fault>) {
    let by_name = |node: &ReadNode| node.id.clone().map(|id| id.to_string());
    let index: HashMap<String, usize> =
        nodes.iter().enumerate().filter_map(|(i, node)| Some((by_name(node)?, i))).collect();
    let mut hints = Hints::default();
    let mut called_by: HashMap<usize, usize> = HashMap::new();
    for (caller, node) in nodes.iter().enumerate() {
        for (name, place) in &node.stand_bys {
            let Some(called) = index.get(name.as_str()).copied() else {
                let hint = hints.for_word(name.as_str(), index.keys().map(String::as_str));
                faults.push(Fault::at(place, format!("there is no node \"{name}\"{hint}")));
                continue;
            };
            if called == caller {
                faults.push(Fault::at(place, "a node cannot stand by for itself"));
            } else if let Some(first) = called_by.insert(called, caller) {
                let message = format!(
                    "\"{name}\" stands by for {} already; give each a node of its own (they may have one agent)",
                    nodes[first].at
                );
                faults.push(Fault::at(place, message));
            } else if let Some(node) = &nodes[called].node {
                check_one(node, &nodes[called].at, faults);
            }
        }
    }
    for node in nodes {
        for (name, place) in &node.dependencies {
            if index.get(name.as_str()).is_some_and(|i| called_by.contains_key(i)) {
                let message = format!("\"{name}\" runs only when it is called upon: nothing can wait for it");
                faults.push(Fault::at(place, message));
            }
        }
    }
}

/// What stands by is given its input, and is called once.
fn check_one(node: &ExecutionNode, at: &str, faults: &mut Vec<Fault>) {
    let name = &node.node_id;
    if !node.dependencies.is_empty() {
        let message = format!("\"{name}\" runs only when it is called upon: it cannot wait for others");
        faults.push(Fault::at(format!("{at}/dependencies"), message));
    }
    if node.input.is_some() {
        let message = format!("\"{name}\" is given its input: the story of the failure, or what is to be undone");
        faults.push(Fault::at(format!("{at}/input"), message));
    }
    if node.role != Role::Plain {
        let message = format!("\"{name}\" runs only when it is called upon, and can only be plain");
        faults.push(Fault::at(format!("{at}/role"), message));
    }
    if matches!(node.on_failure, OnFailure::RouteTo(_) | OnFailure::Compensate) || node.undo.is_some() {
        let message = format!("\"{name}\" runs only when it is called upon; it can `fail`, `skip` or `continue_with`");
        faults.push(Fault::at(format!("{at}/on_failure"), message));
    }
}
