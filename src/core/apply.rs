//! The fold: the only thing that makes state. Total, deterministic, and never in need of a definition.

use super::event::{
    Event, NodeCompleted, NodeFailed, NodeProgressed, NodeRecovered, NodeRetryScheduled, NodeScheduled, NodeStarted,
    PlanMade, Recorded, StateTransitioned, WorkflowCompleted, WorkflowFailed,
};
use super::failure::Recovery;
use super::id::NodeId;
use super::json::Json;
use super::run::{FailedAttempt, NodeRun, Outcome, Plan, Run};
use super::status::{NodeStatus, Status};
use super::time::Timestamp;

/// Why an event cannot be the next one of a run: the history is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryFault {
    /// The numbers of a run's events are 1, 2, 3, …
    #[error("expected event {expected} of run {run_id}, found event {found}")]
    Sequence {
        /// The run.
        run_id: String,
        /// The number that had to come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The first event of a run is `WorkflowStarted`, and no other is.
    #[error("the first event of run {run_id} is {found}, expected WorkflowStarted")]
    NotStarted {
        /// The run.
        run_id: String,
        /// The event that came.
        found: &'static str,
    },
}

/// Folds one event into the state of its run: `None` before the first, and ever after the run.
///
/// # Errors
/// Where the event is not the run's next; the state is then unchanged.
pub fn fold(run: &mut Option<Run>, recorded: &Recorded) -> Result<(), HistoryFault> {
    match run {
        Some(run) => fold_next(run, recorded),
        None => {
            *run = Some(fold_first(recorded)?);
            Ok(())
        }
    }
}

/// The state after a run's first event.
///
/// # Errors
/// Where the event is not the first of a run.
pub fn fold_first(recorded: &Recorded) -> Result<Run, HistoryFault> {
    check_sequence(recorded, 1)?;
    match &recorded.event {
        Event::WorkflowStarted(event) => {
            Ok(Run::started(recorded.workflow_id.clone(), recorded.run_id.clone(), recorded.time, event))
        }
        other => Err(HistoryFault::NotStarted { run_id: recorded.run_id.to_string(), found: other.name() }),
    }
}

/// Folds one event into the state of its run.
///
/// # Errors
/// Where the event is not the run's next; the state is then unchanged.
pub fn fold_next(run: &mut Run, recorded: &Recorded) -> Result<(), HistoryFault> {
    check_sequence(recorded, run.sequence + 1)?;
    apply(run, &recorded.event, recorded.time);
    Ok(())
}

fn check_sequence(recorded: &Recorded, expected: u64) -> Result<(), HistoryFault> {
    if recorded.sequence == expected {
        return Ok(());
    }
    Err(HistoryFault::Sequence { run_id: recorded.run_id.to_string(), expected, found: recorded.sequence })
}

/// What an event does to a run.
pub fn apply(run: &mut Run, event: &Event, time: Timestamp) {
    run.sequence += 1;
    run.time = time;
    match event {
        // Only ever the first event, which `Run::started` folds.
        Event::WorkflowStarted(_) => {}
        Event::PlanMade(event) => plan_made(run, event),
        Event::NodeScheduled(event) => node_scheduled(run, event, time),
        Event::NodeStarted(event) => node_started(run, event, time),
        Event::NodeProgressed(event) => node_progressed(run, event, time),
        Event::NodeCompleted(event) => node_completed(run, event, time),
        Event::NodeFailed(event) => node_failed(run, event, time),
        Event::NodeRetryScheduled(event) => node_retry_scheduled(run, event),
        Event::NodeRecovered(event) => node_recovered(run, event, time),
        Event::StateTransitioned(event) => state_transitioned(run, event),
        Event::WorkflowCompleted(event) => workflow_completed(run, event, time),
        Event::WorkflowFailed(event) => workflow_failed(run, event, time),
    }
}

fn plan_made(run: &mut Run, event: &PlanMade) {
    if let (Some(planner), Some(plan)) = (&event.planner, &event.plan) {
        run.plans.push(Plan { planner: planner.clone(), plan: plan.clone() });
    }
}

fn node_scheduled(run: &mut Run, event: &NodeScheduled, time: Timestamp) {
    let failed_attempts = run.nodes.remove(&event.node_id).map(past_attempts).unwrap_or_default();
    let node = NodeRun::new(event.agent_name.clone(), NodeStatus::Scheduled, event.attempt, time, run.sequence);
    let node = NodeRun {
        timeout_ms: event.timeout_ms,
        heartbeat: event.heartbeat,
        deadline: event.deadline,
        input: Some(event.input.clone()),
        failed_attempts,
        ..node
    };
    run.nodes.insert(event.node_id.clone(), node);
}

/// The attempts of a node, the latest one too.
fn past_attempts(node: NodeRun) -> Vec<FailedAttempt> {
    let mut past = node.failed_attempts;
    past.extend(node.failure.map(|failure| FailedAttempt {
        attempt: node.attempt,
        failure,
        scheduled_at: node.scheduled_at,
        started_at: node.started_at,
        ended_at: node.ended_at.unwrap_or(node.scheduled_at),
        scheduled_by: node.scheduled_by,
        ended_by: node.ended_by.unwrap_or(node.scheduled_by),
    }));
    past
}

fn node_started(run: &mut Run, event: &NodeStarted, time: Timestamp) {
    if let Some(node) = run.nodes.get_mut(&event.node_id) {
        node.status = NodeStatus::Running;
        node.started_at = Some(time);
        node.local = event.local;
    }
}

fn node_progressed(run: &mut Run, event: &NodeProgressed, time: Timestamp) {
    if let Some(node) = run.nodes.get_mut(&event.node_id) {
        node.progressed_at = Some(time);
    }
}

fn node_completed(run: &mut Run, event: &NodeCompleted, time: Timestamp) {
    has_output(run, &event.node_id, NodeStatus::Completed, &event.output, time);
}

fn node_recovered(run: &mut Run, event: &NodeRecovered, time: Timestamp) {
    let status = if event.how == Recovery::Skip { NodeStatus::Skipped } else { NodeStatus::Recovered };
    has_output(run, &event.node_id, status, &event.output, time);
}

/// Of a node with an output the state keeps what later decisions need; how it came to it is told by its events.
fn has_output(run: &mut Run, node_id: &NodeId, status: NodeStatus, output: &Json, time: Timestamp) {
    let sequence = run.sequence;
    if let Some(node) = run.nodes.get_mut(node_id) {
        *node = NodeRun {
            timeout_ms: node.timeout_ms,
            output: Some(output.clone()),
            started_at: node.started_at,
            ended_at: Some(time),
            ended_by: Some(sequence),
            ..NodeRun::new(node.agent_name.clone(), status, node.attempt, node.scheduled_at, 0)
        };
    }
}

fn node_failed(run: &mut Run, event: &NodeFailed, time: Timestamp) {
    let sequence = run.sequence;
    // A node whose input could not be made fails without having been scheduled.
    let node = run
        .nodes
        .entry(event.node_id.clone())
        .or_insert_with(|| NodeRun::new(event.agent_name.clone(), NodeStatus::Failed, event.attempt, time, sequence));
    // One whose time was up while it awaited its next attempt fails once more.
    if node.status == NodeStatus::AwaitingRetry {
        node.failed_attempts = past_attempts(node.clone());
    }
    node.input = None;
    node.failure = Some(event.failure());
    node.handling = event.handling;
    node.due_at = None;
    node.ended_at = Some(time);
    node.ended_by = Some(sequence);
    if event.final_because.is_none() {
        node.status = NodeStatus::AwaitingRetry;
        return;
    }
    node.status = NodeStatus::Failed;
    if event.fails_the_run() {
        run.failed_node.get_or_insert_with(|| event.node_id.clone());
        run.compensating |= event.handling.is_some();
    }
}

fn node_retry_scheduled(run: &mut Run, event: &NodeRetryScheduled) {
    if let Some(node) = run.nodes.get_mut(&event.node_id) {
        node.due_at = Some(event.due_at);
    }
}

fn state_transitioned(run: &mut Run, event: &StateTransitioned) {
    run.status = event.to;
}

fn workflow_completed(run: &mut Run, event: &WorkflowCompleted, time: Timestamp) {
    run.status = Status::Completed;
    run.ended_at = Some(time);
    run.outcome = Some(Outcome::Answer(event.answer.clone()));
}

fn workflow_failed(run: &mut Run, event: &WorkflowFailed, time: Timestamp) {
    run.status = Status::Failed;
    run.ended_at = Some(time);
    run.outcome = Some(Outcome::Failure(event.node_id.clone(), event.failure()));
    // What is still under way will not be heard, and what awaits its next attempt will have none.
    for node in run.nodes.values_mut().filter(|node| node.status.awaits()) {
        node.status = NodeStatus::Cancelled;
        node.input = None;
        node.due_at = None;
        node.ended_at = Some(time);
    }
}
