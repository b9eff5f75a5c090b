//! A run's events, each held against the state before it: one small function an invariant.

use super::Graphs;
use super::invariant::{Breaks, Fault, Invariant};
use crate::core::definition::graph::StandsBy;
use crate::core::event::{Event, NodeScheduled, Recorded};
use crate::core::frontier::Frontier;
use crate::core::id::NodeId;
use crate::core::run::{NodeRun, Run};
use crate::core::status::NodeStatus;

/// Everything that one event has to fulfil.
pub(super) fn check_event(recorded: &Recorded, run: &Run, graphs: &Graphs) -> Result<(), Fault> {
    let checks = || {
        one_sequence(recorded, run)?;
        nothing_after_the_end(recorded, run)?;
        time_runs_on(recorded, run)?;
        one_completion_per_node(recorded, run)?;
        lawful_life(recorded, run)?;
        match &recorded.event {
            Event::NodeScheduled(event) => scheduled(recorded, event, run, graphs),
            _ => Ok(()),
        }
    };
    checks().map_err(|fault| fault.at(format!("event {} of run {}", recorded.sequence, run.run_id)))
}

fn one_sequence(recorded: &Recorded, run: &Run) -> Result<(), Fault> {
    Invariant::OneSequence.holds(recorded.sequence == run.sequence + 1, || format!("it follows {}", run.sequence))
}

fn nothing_after_the_end(recorded: &Recorded, run: &Run) -> Result<(), Fault> {
    let follows = !run.status.has_ended() || recorded.event.ends_the_run();
    Invariant::LawfulLife.holds(follows, || format!("{} after the end", recorded.event.name()))?;
    let has_ended = run.ended_at.is_some();
    Invariant::OneAnswerPerRun.holds(!has_ended, || "the run has its answer already".to_owned())
}

fn time_runs_on(recorded: &Recorded, run: &Run) -> Result<(), Fault> {
    Invariant::TimeIsTheLogs.holds(recorded.time >= run.time, || "time runs backwards".to_owned())
}

/// Whoever supplies the output of an open attempt ends it as a result would.
fn one_completion_per_node(recorded: &Recorded, run: &Run) -> Result<(), Fault> {
    let Event::NodeCompleted(event) = &recorded.event else { return Ok(()) };
    let node = run.nodes.get(&event.node_id);
    let is_open = node.is_some_and(|node| node.status.is_open() && node.attempt == event.attempt);
    let found =
        || format!("{} completes while it is {:?}", event.node_id, node.map(|node| (node.attempt, node.status)));
    Invariant::OneCompletionPerNode.holds(is_open, found)
}

fn lawful_life(recorded: &Recorded, run: &Run) -> Result<(), Fault> {
    let lawful = |holds: bool, what: &dyn Fn() -> String| Invariant::LawfulLife.holds(holds, what);
    match &recorded.event {
        Event::NodeRecovered(event) => {
            let node = run.nodes.get(&event.node_id);
            let may_be = node.is_some_and(|node| match node.status {
                NodeStatus::Failed => node.handling.is_some(),
                // Someone supplies an output.
                status => status.awaits(),
            });
            lawful(may_be, &|| format!("{} is recovered and has not failed", event.node_id))
        }
        Event::WorkflowFailed(event) => {
            let by_something = event.node_id.is_some() || event.code == "workflow_timeout";
            lawful(by_something, &|| format!("the run fails by nothing: {}", event.message))
        }
        Event::WorkflowCompleted(_) => {
            lawful(run.failed_node.is_none(), &|| "a run completes that has failed".to_owned())
        }
        _ => Ok(()),
    }
}

fn scheduled(recorded: &Recorded, event: &NodeScheduled, run: &Run, graphs: &Graphs) -> Result<(), Fault> {
    let graph = graphs.get(&run.definition.hash).ok_or("an unknown definition").breaks(Invariant::LawfulLife)?;
    let frontier = Frontier::of(run, graph).map_err(|failure| failure.message).breaks(Invariant::LawfulLife)?;
    let index = frontier.index(&event.node_id).ok_or("an unknown node").breaks(Invariant::LawfulLife)?;
    if let Some(node) = run.nodes.get(&event.node_id) {
        return attempts_within_the_limit(recorded, event, node, run, &frontier, index);
    }
    if let Some(StandsBy::Undo(of)) = frontier.graph.nodes[index].stands_by {
        return undone_in_reverse(run, &frontier, of);
    }
    Invariant::LawfulLife
        .holds(run.failed_node.is_none(), || format!("{} is scheduled after the run has failed", event.node_id))?;
    dependencies_first(&event.node_id, &frontier, index, run)
}

/// What it waits for has an output, one that stands by for a failed node is called upon.
fn dependencies_first(node_id: &NodeId, frontier: &Frontier, index: usize, run: &Run) -> Result<(), Fault> {
    let has_output = |index: &usize| {
        let node = run.nodes.get(&frontier.graph.nodes[*index].node.node_id);
        node.is_some_and(|node| node.status.has_output())
    };
    let node = &frontier.graph.nodes[index];
    let are_there = node.stands_by.is_some() || node.dependencies.iter().all(has_output);
    Invariant::DependenciesFirst.holds(are_there && frontier.ready().contains(&index), || {
        format!("{node_id} is scheduled before its dependencies")
    })
}

/// What has completed is undone, once nothing else is under way, the last first.
fn undone_in_reverse(run: &Run, frontier: &Frontier, of: usize) -> Result<(), Fault> {
    let holds = |holds, what: &dyn Fn() -> String| Invariant::DependenciesFirst.holds(holds, what);
    let graph = &frontier.graph;
    let name = |index: usize| &graph.nodes[index].node.node_id;
    let state = |index: usize| run.nodes.get(name(index));
    let completed = |index: usize| state(index).filter(|node| node.status == NodeStatus::Completed);
    let undone = completed(of).filter(|_| run.compensating);
    holds(undone.is_some(), &|| format!("{} is undone and has not completed", name(of)))?;
    let ended_by = undone.map(|node| node.ended_by);
    let waits = |i: &usize| {
        let undo = graph.nodes[*i].undo.is_some_and(|undo| state(undo).is_none());
        undo && completed(*i).is_some_and(|node| Some(node.ended_by) > ended_by)
    };
    let later = (0..graph.nodes.len()).find(waits);
    holds(later.is_none(), &|| {
        format!("{} is undone before {:?}, which completed after it", name(of), later.map(name))
    })?;
    holds(frontier.open() == 0, &|| format!("something is undone while {} attempts are under way", frontier.open()))
}

/// A further attempt of a node: awaited, due, and one of those that its policy allows.
fn attempts_within_the_limit(
    recorded: &Recorded,
    event: &NodeScheduled,
    node: &NodeRun,
    run: &Run,
    frontier: &Frontier,
    index: usize,
) -> Result<(), Fault> {
    let holds = |holds, what: &dyn Fn() -> String| {
        let what = || format!("attempt {} of {}: {}", event.attempt, event.node_id, what());
        Invariant::AttemptsWithinTheLimit.holds(holds, what)
    };
    let is_next = node.status == NodeStatus::AwaitingRetry && event.attempt == node.attempt + 1;
    holds(is_next, &|| format!("it is scheduled while attempt {} is {}", node.attempt, node.status))?;
    let is_due = node.due_at.is_some_and(|due| recorded.time >= due);
    holds(is_due, &|| format!("it is scheduled at {} and due at {:?}", recorded.time.0, node.due_at))?;
    let most = run.settings.retry.with(&frontier.graph.nodes[index].retry).max_retries;
    holds(event.attempt <= most + 1, &|| format!("there are at most {most} retries"))
}
