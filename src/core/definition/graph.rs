//! A definition, compiled: indices instead of names, expressions and contracts ready to be run.

use super::contract::Contract;
use super::expression::InputMapping;
use super::{AgentPolicies, Definition, DefinitionHash, ExecutionNode, Role};
use crate::core::classify::FailureRule;
use crate::core::id::{AgentName, NodeId};
use crate::core::retry::RetryRules;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// A compiled graph: a definition's own nodes, then those of plans made at run time.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Hash of the definition.
    pub hash: DefinitionHash,
    /// The contract of a request's input.
    pub input_contract: Option<Contract>,
    /// The definition's own `max_agent_calls`.
    pub max_agent_calls: Option<u32>,
    /// How long a run may take.
    pub timeout: Option<Duration>,
    /// Policies for all nodes of an agent.
    pub agents: Arc<BTreeMap<AgentName, AgentPolicies>>,
    /// Who executes nodes of the run instead of the agents that their author named.
    given_agents: Arc<BTreeMap<NodeId, AgentName>>,
    /// The nodes in definition order; the position is the node's index.
    pub nodes: Vec<Arc<GraphNode>>,
    /// Index by `node_id`.
    pub index: HashMap<NodeId, usize>,
    /// How many of the nodes are the definition's own.
    pub static_nodes: usize,
}

/// A compiled node.
#[derive(Clone, Debug)]
pub struct GraphNode {
    /// As its author wrote it.
    pub node: ExecutionNode,
    /// Indices of the nodes it waits for: those its author named, in that order, then those of its role.
    pub dependencies: Vec<usize>,
    /// Indices of the nodes that wait for it.
    pub dependents: Vec<usize>,
    /// How its input is made.
    pub input: InputMapping,
    /// The contract of its input.
    pub input_contract: Option<Contract>,
    /// The contract of its output.
    pub output_contract: Option<Contract>,
    /// When a failed attempt is tried again: what the node says, else its agent.
    pub retry: RetryRules,
    /// The classes of failures whose agent does not say: the node's rules, then its agent's.
    pub failure_rules: Vec<FailureRule>,
    /// The node that it stands by for, if it runs only when it is called upon.
    pub stands_by: Option<StandsBy>,
    /// The node that is run when this one has failed for good.
    pub failure_node: Option<usize>,
    /// The node that undoes what this one has done.
    pub undo: Option<usize>,
}

/// What a node that is only called upon is for, with the index of the node that calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandsBy {
    /// It runs when that node has failed for good, and its output stands in.
    Failure(usize),
    /// It undoes what that node has done.
    Undo(usize),
}

impl Graph {
    /// Compiles a definition. What each node waits for is told by [`waits`].
    pub fn compile(definition: &Definition) -> Graph {
        let waits = waits(&definition.nodes);
        let mut graph = Graph {
            hash: definition.hash.clone(),
            input_contract: compiled(definition.input_contract.as_ref()),
            max_agent_calls: definition.max_agent_calls,
            timeout: definition.timeout,
            agents: Arc::new(definition.agents.clone()),
            given_agents: Arc::default(),
            nodes: Vec::with_capacity(definition.nodes.len()),
            index: HashMap::with_capacity(definition.nodes.len()),
            static_nodes: definition.nodes.len(),
        };
        for (node, dependencies) in definition.nodes.iter().zip(waits) {
            graph.push(node, dependencies);
        }
        graph.connect(0);
        graph.call_upon(0);
        graph
    }

    /// The graph of a run that gives nodes to other agents, those of its plans too.
    #[must_use]
    pub fn with_agents(&self, given: &BTreeMap<NodeId, AgentName>) -> Graph {
        let mut graph = Graph { given_agents: Arc::new(given.clone()), ..self.clone() };
        for i in given.keys().filter_map(|id| self.index.get(id)) {
            let named = graph.given(&self.nodes[*i].node);
            let (retry, failure_rules) = graph.policies(&named);
            let node = Arc::make_mut(&mut graph.nodes[*i]);
            *node = GraphNode { node: named, retry, failure_rules, ..node.clone() };
        }
        graph
    }

    /// The graph with the nodes of a plan.
    ///
    /// Planned nodes depend on the planner. Every synthesizer and responder of the definition that waits for the
    /// planner (all but those on the way to a planner, see [`waits`]) depends on the plan's sinks: planned nodes
    /// that no other planned node waits for. Where such a node has no `input` of its own, and waits for no other
    /// synthesizer or responder that takes the plan's outputs in, its input has the sinks' outputs too.
    pub fn with_plan(&self, planner: &NodeId, planned: &[ExecutionNode]) -> Graph {
        let mut graph = self.clone();
        let Some(planner) = self.index.get(planner).copied() else { return graph };
        let first = self.nodes.len();
        for (i, node) in planned.iter().enumerate() {
            graph.index.insert(node.node_id.clone(), first + i);
        }
        let stand_bys: HashSet<&NodeId> = planned.iter().flat_map(ExecutionNode::stand_bys).collect();
        for node in planned {
            let named = node.dependencies.iter().filter_map(|id| graph.index.get(id).copied());
            let mut dependencies: Vec<usize> = named.collect();
            if !dependencies.contains(&planner) && !stand_bys.contains(&node.node_id) {
                dependencies.push(planner);
            }
            graph.push(node, dependencies);
        }
        graph.connect(first);
        graph.call_upon(first);
        let sinks: Vec<usize> = graph.sinks().into_iter().filter(|i| *i >= first).collect();
        graph.close(&self.downstream(planner), &sinks);
        graph
    }

    /// Indices of the nodes that no other node waits for, save those that are only called upon.
    pub fn sinks(&self) -> Vec<usize> {
        let is_sink = |node: &GraphNode| node.dependents.is_empty() && node.stands_by.is_none();
        (0..self.nodes.len()).filter(|i| is_sink(&self.nodes[*i])).collect()
    }

    /// Which nodes are upstream of a node, by index.
    pub fn upstream(&self, node: usize) -> Vec<bool> {
        reached(self.nodes.len(), &[node], |i| &self.nodes[i].dependencies)
    }

    fn downstream(&self, node: usize) -> Vec<bool> {
        reached(self.nodes.len(), &[node], |i| &self.nodes[i].dependents)
    }

    fn push(&mut self, node: &ExecutionNode, dependencies: Vec<usize>) {
        let index = self.nodes.len();
        let node = self.given(node);
        let (retry, failure_rules) = self.policies(&node);
        self.index.insert(node.node_id.clone(), index);
        self.nodes.push(Arc::new(GraphNode {
            dependencies,
            dependents: Vec::new(),
            input: mapping(&node, &node.dependencies),
            input_contract: compiled(node.input_contract.as_ref()),
            output_contract: compiled(node.output_contract.as_ref()),
            retry,
            failure_rules,
            stands_by: None,
            failure_node: None,
            undo: None,
            node,
        }));
    }

    /// The node with the agent that the run gives it.
    fn given(&self, node: &ExecutionNode) -> ExecutionNode {
        let agent_name = self.given_agents.get(&node.node_id).unwrap_or(&node.agent_name).clone();
        ExecutionNode { agent_name, ..node.clone() }
    }

    /// When a failed attempt of a node is tried again, and which class its failures have: what it says, else its agent.
    fn policies(&self, node: &ExecutionNode) -> (RetryRules, Vec<FailureRule>) {
        let agent = self.agents.get(&node.agent_name).cloned().unwrap_or_default();
        let rules = node.failure_rules.iter().chain(&agent.failure_rules).cloned().collect();
        (node.retry.or(&agent.retry), rules)
    }

    /// Tells the nodes that are only called upon by those from an index on for whom they stand by.
    fn call_upon(&mut self, from: usize) {
        for i in from..self.nodes.len() {
            let ExecutionNode { on_failure, undo, .. } = &self.nodes[i].node;
            let index = |id: &NodeId| self.index.get(id).copied();
            let failure_node = on_failure.failure_node().and_then(index);
            let undo = undo.as_ref().and_then(index);
            if let Some(to) = failure_node {
                Arc::make_mut(&mut self.nodes[to]).stands_by = Some(StandsBy::Failure(i));
                Arc::make_mut(&mut self.nodes[i]).failure_node = Some(to);
            }
            if let Some(to) = undo {
                Arc::make_mut(&mut self.nodes[to]).stands_by = Some(StandsBy::Undo(i));
                Arc::make_mut(&mut self.nodes[i]).undo = Some(to);
            }
        }
    }

    /// Tells the nodes that are waited for by those from an index on.
    fn connect(&mut self, from: usize) {
        for i in from..self.nodes.len() {
            for to in self.nodes[i].dependencies.clone() {
                Arc::make_mut(&mut self.nodes[to]).dependents.push(i);
            }
        }
    }

    /// Lets the definition's synthesizers and responders downstream of a planner wait for the sinks of its plan.
    fn close(&mut self, downstream: &[bool], sinks: &[usize]) {
        let closers: Vec<usize> =
            (0..self.static_nodes).filter(|i| downstream[*i] && is_closer(self.nodes[*i].node.role)).collect();
        let after = reached(self.nodes.len(), &closers, |i| &self.nodes[i].dependents);
        for i in closers {
            Arc::make_mut(&mut self.nodes[i]).dependencies.extend(sinks);
            if self.nodes[i].node.input.is_none() && !after[i] {
                let input = self.default_input(i);
                Arc::make_mut(&mut self.nodes[i]).input = input;
            }
            for sink in sinks {
                Arc::make_mut(&mut self.nodes[*sink]).dependents.push(i);
            }
        }
    }

    /// The outputs of the nodes that a node's author named, and of the planned nodes it waits for.
    fn default_input(&self, i: usize) -> InputMapping {
        let GraphNode { node, dependencies, .. } = &*self.nodes[i];
        let planned = dependencies.iter().filter(|to| **to >= self.static_nodes);
        let planned = planned.map(|to| &self.nodes[*to].node.node_id);
        mapping(node, &node.dependencies.iter().chain(planned).cloned().collect::<Vec<_>>())
    }
}

/// What each node of a definition waits for, by index: the dependencies that its author named, and, for a synthesizer
/// or responder, every planner that it does not wait for already, be it by way of others. Without that, it could start
/// before there is a plan whose results it is for. Those on the way to a planner (their output, or that of a node
/// after them, goes into a planner) wait for none beyond what they name, or planners would wait for each other.
pub fn waits(nodes: &[ExecutionNode]) -> Vec<Vec<usize>> {
    let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, node)| (node.node_id.as_str(), i)).collect();
    let named = |node: &ExecutionNode| -> Vec<usize> {
        node.dependencies.iter().filter_map(|id| index.get(id.as_str()).copied()).collect()
    };
    let named: Vec<Vec<usize>> = nodes.iter().map(named).collect();
    let mut waits = named.clone();
    let planners: Vec<usize> = (0..nodes.len()).filter(|i| nodes[*i].role == Role::Planner).collect();
    if planners.is_empty() {
        return waits;
    }
    let mut dependents = vec![Vec::new(); nodes.len()];
    for (node, dependencies) in named.iter().enumerate() {
        dependencies.iter().for_each(|to| dependents[*to].push(node));
    }
    let before_a_planner = reached(nodes.len(), &planners, |i| &named[i]);
    for planner in planners {
        let after_the_planner = reached(nodes.len(), &[planner], |i| &dependents[i]);
        let early = |i: &usize| is_closer(nodes[*i].role) && !before_a_planner[*i] && !after_the_planner[*i];
        let early: Vec<usize> = (0..nodes.len()).filter(early).collect();
        let after_those = reached(nodes.len(), &early, |i| &dependents[i]);
        early.into_iter().filter(|i| !after_those[*i]).for_each(|i| waits[i].push(planner));
    }
    waits
}

/// Whether a role is to bring together, or to word, what others have found.
fn is_closer(role: Role) -> bool {
    matches!(role, Role::Synthesizer | Role::Responder)
}

/// The nodes that can be reached from some nodes in one step or more.
fn reached<'e>(count: usize, from: &[usize], edges: impl Fn(usize) -> &'e Vec<usize>) -> Vec<bool> {
    let (mut reached, mut open) = (vec![false; count], from.to_vec());
    while let Some(node) = open.pop() {
        for next in edges(node) {
            if !std::mem::replace(&mut reached[*next], true) {
                open.push(*next);
            }
        }
    }
    reached
}

// A definition comes from `validate`, and a plan from `plan::read`: both have compiled every mapping and contract once,
// so compiling them again cannot fail.

fn mapping(node: &ExecutionNode, dependencies: &[NodeId]) -> InputMapping {
    InputMapping::compile(node.input.as_ref(), dependencies).expect("validated: the mapping compiles")
}

fn compiled(schema: Option<&Value>) -> Option<Contract> {
    schema.map(|schema| Contract::compile(schema).expect("validated: the contract compiles"))
}
