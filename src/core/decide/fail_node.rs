//! `FailNode` → `NodeFailed`, and `NodeRetryScheduled` where another attempt follows; where none does, the node has
//! failed for good, and its definition says what becomes of the run (`on_failure`).

use super::draft::Draft;
use super::open_attempt;
use super::output::check_output;
use super::recover_node::recover;
use super::schedule::{go_on, input_as_made};
use crate::core::classify::classify;
use crate::core::command::NodeFault;
use crate::core::definition::OnFailure;
use crate::core::definition::graph::{GraphNode, StandsBy};
use crate::core::event::{Event, NodeFailed, NodeRetryScheduled};
use crate::core::failure::{ClassifiedBy, Failure, FinalBecause, Handling, Recovery};
use crate::core::id::{DispatchId, NodeId};
use crate::core::json::Json;
use crate::core::rejection::Rejection;
use crate::core::time::millis;
use crate::core::usage::Usage;
use crate::planted::{Bug, is_planted};
use std::time::Duration;

/// A failure with all that is known of it.
struct Judged {
    failure: Failure,
    by: ClassifiedBy,
    retry_after: Option<Duration>,
    usage: Option<Usage>,
}

impl Judged {
    /// By the engine.
    fn by_engine(failure: Failure, usage: Option<Usage>) -> Self {
        Self { failure, by: ClassifiedBy::Engine, retry_after: None, usage }
    }
}

/// The first result of an attempt counts.
pub fn decide(
    draft: &mut Draft,
    node_id: &NodeId,
    attempt: u32,
    fault: NodeFault,
    usage: Option<Usage>,
) -> Result<(), Rejection> {
    open_attempt(&draft.run, node_id, attempt)?;
    let index = draft.index(node_id).ok_or_else(|| Rejection::UnknownNode { node: node_id.to_string() })?;
    match fault {
        NodeFault::Engine(failure) => by_engine(draft, index, attempt, failure, usage),
        NodeFault::Reported(reported) => {
            let retry_after = reported.retry_after;
            let (failure, by) = classify(reported, &draft.node(index).failure_rules);
            failed(draft, index, attempt, Judged { failure, by, retry_after, usage });
        }
    }
    go_on(draft);
    Ok(())
}

/// The engine's own word on an open attempt.
pub fn by_engine(draft: &mut Draft, index: usize, attempt: u32, failure: Failure, usage: Option<Usage>) {
    failed(draft, index, attempt, Judged::by_engine(failure, usage));
}

/// An open attempt has failed: the next one is scheduled for later, or the node has failed for good.
fn failed(draft: &mut Draft, index: usize, attempt: u32, judged: Judged) {
    let node = draft.node(index);
    match delay(draft, index, &node, attempt, &judged) {
        Ok(delay) => {
            let retry = Event::NodeRetryScheduled(NodeRetryScheduled {
                node_id: node.node.node_id.clone(),
                agent_name: node.node.agent_name.clone(),
                attempt: attempt + 1,
                delay_ms: millis(delay),
                due_at: draft.now.after(delay),
            });
            let failed = node_failed(draft, &node, attempt, &judged, None, None);
            draft.delayed(index, [failed, retry]);
        }
        Err(because) => {
            draft.end_attempt(index);
            for_good(draft, index, attempt, judged, because);
        }
    }
}

/// How long the next attempt waits, or why there is none.
fn delay(
    draft: &Draft,
    index: usize,
    node: &GraphNode,
    attempt: u32,
    judged: &Judged,
) -> Result<Duration, FinalBecause> {
    let policy = draft.run.settings.retry.with(&node.retry);
    if !judged.failure.class.may_be_retried() {
        return Err(FinalBecause::NotRetryable);
    }
    // What is exhausted by itself is a dead letter, whatever became of the run.
    if attempt > policy.max_retries + u32::from(is_planted(Bug::RetriesOnceMore)) {
        return Err(FinalBecause::RetriesExhausted);
    }
    if draft.failure().is_some() && !undoes(draft, index) {
        return Err(FinalBecause::RunFailed);
    }
    let (run_id, node_id) = (draft.run.run_id.clone(), node.node.node_id.clone());
    let delay = policy.delay(&DispatchId { run_id, node_id, attempt }, judged.retry_after);
    let state = draft.run.nodes.get(&node.node.node_id);
    let began = state.map_or(draft.now, |node| node.first_scheduled_at());
    let due = draft.now.after(delay);
    if policy.max_elapsed_ms.is_some_and(|max| due.since(began) > Duration::from_millis(max)) {
        return Err(FinalBecause::MaxElapsed);
    }
    if state.and_then(|node| node.deadline).is_some_and(|deadline| due >= deadline) {
        return Err(FinalBecause::TotalTimeout);
    }
    Ok(delay)
}

/// A node that undoes is tried again though the run has failed.
pub fn undoes(draft: &Draft, index: usize) -> bool {
    matches!(draft.node(index).stands_by, Some(StandsBy::Undo(_)))
}

/// A node whose time over all attempts is up: the attempt that was under way, or awaited, is no more.
pub fn out_of_time(draft: &mut Draft, index: usize, attempt: u32, failure: Failure) {
    draft.end_attempt(index);
    for_good(draft, index, attempt, Judged::by_engine(failure, None), FinalBecause::TotalTimeout);
}

/// A node whose input could not be made: no attempt of it can follow.
pub fn without_input(draft: &mut Draft, index: usize, failure: Failure) {
    draft.take(index);
    for_good(draft, index, 1, Judged::by_engine(failure, None), FinalBecause::NotRetryable);
}

/// A node has failed for good: the run fails, or its definition says how it goes on.
fn for_good(draft: &mut Draft, index: usize, attempt: u32, mut judged: Judged, because: FinalBecause) {
    let node = draft.node(index);
    let handling = handling(draft, &node, &mut judged.failure);
    let event = node_failed(draft, &node, attempt, &judged, Some(because), handling);
    draft.push(event);
    match (handling, &node.node.on_failure) {
        (Some(Handling::Skip), _) => recover(draft, index, attempt, Recovery::Skip, &Json::null()),
        (Some(Handling::ContinueWith), OnFailure::ContinueWith(output)) => {
            recover(draft, index, attempt, Recovery::ContinueWith, &Json::from_value(output));
        }
        // The failure node is told what the state knows of the failure.
        (Some(Handling::RouteTo), _) => draft.rebase(),
        (handling, _) => draft.fail(index, judged.failure, handling.is_some()),
    }
}

/// How the failure of a node is handled. A run that has failed by another node goes on nowhere; it is undone all the same.
fn handling(draft: &Draft, node: &GraphNode, failure: &mut Failure) -> Option<Handling> {
    match &node.node.on_failure {
        OnFailure::Compensate => Some(Handling::Compensate),
        _ if draft.failure().is_some() => None,
        OnFailure::Fail => None,
        OnFailure::Skip => Some(Handling::Skip),
        OnFailure::RouteTo(_) => Some(Handling::RouteTo),
        // It was held against the contract when it was applied, but a plan depends on the run that it joins.
        OnFailure::ContinueWith(output) => match check_output(draft, node, &Json::from_value(output)) {
            Ok(()) => Some(Handling::ContinueWith),
            Err(refused) => {
                failure.message += &format!(" (and its default output is refused: {})", refused.message);
                None
            }
        },
    }
}

fn node_failed(
    draft: &Draft,
    node: &GraphNode,
    attempt: u32,
    judged: &Judged,
    final_because: Option<FinalBecause>,
    handling: Option<Handling>,
) -> Event {
    let Judged { failure, by, retry_after, usage } = judged;
    let state = draft.run.nodes.get(&node.node.node_id);
    // What is repaired by hand has to be there: an input that breaks its contract, or whose node failed while it waited.
    let as_made = || final_because.and_then(|_| input_as_made(draft, node).ok());
    let input = state.and_then(|node| node.input.clone()).or_else(as_made);
    Event::NodeFailed(NodeFailed {
        node_id: node.node.node_id.clone(),
        agent_name: node.node.agent_name.clone(),
        attempt,
        class: failure.class,
        code: failure.code.clone(),
        message: failure.message.clone(),
        details: failure.details.clone(),
        input,
        classified_by: *by,
        retry_after_ms: retry_after.map(millis),
        final_because,
        handling,
        usage: *usage,
    })
}
