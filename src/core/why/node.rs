//! Reasons that concern one node each.

use super::{Attempt, Facts, Next, Reason, Why, Work, run};
use crate::core::breaker::BreakerState;
use crate::core::definition::graph::{GraphNode, StandsBy};
use crate::core::failure::Handling;
use crate::core::frontier::{Frontier, one_at_a_time};
use crate::core::id::{AgentName, NodeId};
use crate::core::run::NodeRun;
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// The reasons of the nodes of a run that goes on.
pub(super) fn reasons(facts: &Facts) -> Vec<Reason> {
    let Next::Frontier(next) = &facts.next else {
        return in_order(facts).into_iter().filter_map(|(id, node)| of_state(facts, None, id, node)).collect();
    };
    let undo = next_undo(facts, next);
    let of = |(i, compiled): (usize, &std::sync::Arc<GraphNode>)| {
        let id = &compiled.node.node_id;
        match facts.run.nodes.get(id) {
            Some(node) => of_state(facts, Some(compiled), id, node),
            None => of_none(facts, next, i, undo == Some(i)),
        }
    };
    next.graph.nodes.iter().enumerate().filter_map(of).collect()
}

/// What is left to be said of the nodes of a run that has ended.
pub(super) fn ended(facts: &Facts) -> Vec<Reason> {
    let cause = facts.run.failed_node.as_ref();
    let of = |(id, node): (&NodeId, &NodeRun)| {
        let why = match node.status {
            NodeStatus::Failed if cause == Some(id) => return None,
            NodeStatus::Failed | NodeStatus::Recovered | NodeStatus::Skipped => failed(facts, id, node)?,
            NodeStatus::Cancelled => Why::NodeCancelled,
            NodeStatus::Completed | NodeStatus::Scheduled | NodeStatus::Running | NodeStatus::AwaitingRetry => {
                return None;
            }
        };
        Some(Reason { node: Some(id.clone()), why })
    };
    in_order(facts).into_iter().filter_map(of).collect()
}

/// The nodes of the state, in the order in which they were handed out.
fn in_order<'a>(facts: &Facts<'a>) -> Vec<(&'a NodeId, &'a NodeRun)> {
    let mut nodes: Vec<_> = facts.run.nodes.iter().collect();
    nodes.sort_by_key(|(_, node)| (node.first_scheduled_at(), node.scheduled_by));
    nodes
}

/// An attempt of a node.
pub(super) fn attempt(facts: &Facts, id: &NodeId, node: &NodeRun, number: u32) -> Attempt {
    let compiled = match &facts.next {
        Next::Frontier(next) => next.index(id).map(|i| &next.graph.nodes[i]),
        Next::Unseen | Next::Aside(_) => None,
    };
    let of = compiled.map(|compiled| most(facts, compiled));
    Attempt { agent: node.agent_name.clone(), number, of }
}

/// How many attempts a node may have.
fn most(facts: &Facts, compiled: &GraphNode) -> u32 {
    facts.run.settings.retry.with(&compiled.retry).max_retries.saturating_add(1)
}

/// Of a node that has been handed out.
fn of_state(
    facts: &Facts,
    compiled: Option<&std::sync::Arc<GraphNode>>,
    id: &NodeId,
    node: &NodeRun,
) -> Option<Reason> {
    let undoes = compiled.is_some_and(|compiled| matches!(compiled.stands_by, Some(StandsBy::Undo(_))));
    let why = match node.status {
        NodeStatus::Scheduled => Why::Work(scheduled(facts, id, node)),
        NodeStatus::Running => Why::Work(running(facts, id, node)),
        // After a failure elsewhere nothing is tried again, save what undoes.
        NodeStatus::AwaitingRetry if facts.run.failed_node.is_some() && !undoes => return None,
        NodeStatus::AwaitingRetry => Why::Work(awaiting_retry(facts, id, node)),
        NodeStatus::Failed if facts.run.failed_node.as_ref() == Some(id) => return None,
        NodeStatus::Failed | NodeStatus::Recovered | NodeStatus::Skipped => failed(facts, id, node)?,
        NodeStatus::Cancelled => Why::NodeCancelled,
        NodeStatus::Completed => return None,
    };
    Some(Reason { node: Some(id.clone()), why })
}

fn scheduled(facts: &Facts, id: &NodeId, node: &NodeRun) -> Work {
    let (attempt, since) = (attempt(facts, id, node, node.attempt), node.scheduled_at);
    match facts.workers.get(&node.agent_name).cloned() {
        Some(workers) if workers.connected == 0 => Work::NoWorker { attempt, workers, since },
        Some(workers) => match workers.before.get(id).copied() {
            Some(before) => Work::WorkersBusy { attempt, workers, before, since },
            None => Work::HandedOut { attempt, workers: Some(workers), since },
        },
        None => Work::HandedOut { attempt, workers: None, since },
    }
}

fn running(facts: &Facts, id: &NodeId, node: &NodeRun) -> Work {
    let (attempt, since) = (attempt(facts, id, node, node.attempt), node.started_at.unwrap_or(node.scheduled_at));
    let began = node.timeout_began().unwrap_or(since);
    let until = began.after(Duration::from_millis(node.timeout_ms));
    let until = node.deadline.map_or(until, |deadline| deadline.min(until));
    match facts.workers.get(&node.agent_name).filter(|workers| workers.connected == 0).cloned() {
        Some(workers) => Work::WorkerGone { attempt, workers, since, until },
        None => Work::Running { attempt, since, until, heartbeat: node.heartbeat },
    }
}

fn awaiting_retry(facts: &Facts, id: &NodeId, node: &NodeRun) -> Work {
    let attempt = attempt(facts, id, node, node.attempt + 1);
    let (due, last) = (node.due_at.unwrap_or(node.scheduled_at), node.failure.clone());
    match breaker(facts, &node.agent_name, due) {
        Some(state) => Work::Breaker { attempt, state, last },
        None if due > facts.now => Work::AwaitingRetry { attempt, due, last },
        None => Work::RetryDue { attempt, due, last },
    }
}

/// The breaker that holds back what is due at a time: one that lets none through by then, as far as is known.
fn breaker(facts: &Facts, agent: &AgentName, due: Timestamp) -> Option<BreakerState> {
    let state = facts.breakers.get(agent)?;
    let holds = due <= facts.now || state.until.is_some_and(|until| until > due);
    holds.then_some(*state)
}

fn failed(facts: &Facts, id: &NodeId, node: &NodeRun) -> Option<Why> {
    let (failure, handling) = (node.failure.clone(), node.handling);
    match node.status {
        NodeStatus::Skipped => Some(Why::Handled { handling: Some(Handling::Skip), failure }),
        NodeStatus::Recovered => Some(Why::Handled { handling, failure }),
        NodeStatus::Failed => {
            let failure_node = failure_node(facts, id).filter(|to| has_failed(facts, to));
            // Once the run has ended nothing stands in any more.
            if handling == Some(Handling::RouteTo) && failure_node.is_none() && facts.run.ended_at.is_none() {
                return Some(Why::Handled { handling, failure });
            }
            let (attempt, letter) = (attempt(facts, id, node, node.attempt), run::letter(facts, id));
            Some(Why::NodeFailed { attempt, failure: failure?, letter, failure_node, undoes: undoes(facts, id) })
        }
        _ => None,
    }
}

/// The failure node of a node.
fn failure_node(facts: &Facts, id: &NodeId) -> Option<NodeId> {
    let Next::Frontier(next) = &facts.next else { return None };
    let to = next.graph.nodes[next.index(id)?].failure_node?;
    Some(next.graph.nodes[to].node.node_id.clone())
}

fn has_failed(facts: &Facts, id: &NodeId) -> bool {
    facts.run.nodes.get(id).is_some_and(|node| node.status == NodeStatus::Failed)
}

/// The node whose work a node is to undo.
fn undoes(facts: &Facts, id: &NodeId) -> Option<NodeId> {
    let Next::Frontier(next) = &facts.next else { return None };
    match next.graph.nodes[next.index(id)?].stands_by? {
        StandsBy::Undo(of) => Some(next.graph.nodes[of].node.node_id.clone()),
        StandsBy::Failure(_) => None,
    }
}

/// Of a node that has not been handed out.
fn of_none(facts: &Facts, next: &Frontier, i: usize, is_next_undo: bool) -> Option<Reason> {
    let compiled = &next.graph.nodes[i];
    // After a failure nothing new is started, save what undoes.
    if facts.run.failed_node.is_some() && !is_next_undo {
        return None;
    }
    let agent = compiled.node.agent_name.clone();
    let work = if next.ready().contains(&i) || is_next_undo {
        match breaker(facts, &agent, facts.now) {
            Some(state) => {
                let attempt = Attempt { agent, number: 1, of: Some(most(facts, compiled)) };
                Work::Breaker { attempt, state, last: None }
            }
            None if waits_its_turn(facts, next) && !is_next_undo => {
                Work::OneAtATime { agent, threshold: facts.run.settings.parallel_threshold }
            }
            None => Work::Ready { agent },
        }
    } else if compiled.stands_by.is_none() {
        Work::AwaitingInputs { missing: missing(facts, next, compiled) }
    } else {
        // Nobody calls upon it.
        return None;
    };
    Some(Reason { node: Some(compiled.node.node_id.clone()), why: Why::Work(work) })
}

/// Below the parallel threshold a ready node waits for one that is at work.
fn waits_its_turn(facts: &Facts, next: &Frontier) -> bool {
    let at_work = next.at_work().total();
    at_work > 0 && one_at_a_time(facts.run, next.ready().len(), at_work)
}

fn missing(facts: &Facts, next: &Frontier, compiled: &GraphNode) -> Vec<(NodeId, Option<NodeStatus>)> {
    let dependencies = compiled.dependencies.iter().map(|i| &next.graph.nodes[*i].node.node_id);
    let with_status = dependencies.map(|id| (id.clone(), facts.run.nodes.get(id).map(|node| node.status)));
    with_status.filter(|(_, status)| !status.is_some_and(NodeStatus::has_output)).collect()
}

/// What a run that is undone runs next, once nothing is under way.
fn next_undo(facts: &Facts, next: &Frontier) -> Option<usize> {
    let is_next = facts.run.compensating && next.open() == 0;
    is_next.then(|| next.next_undo(facts.run, &BTreeSet::new())).flatten()
}
