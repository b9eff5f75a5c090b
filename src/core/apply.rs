//! The fold: the only thing that makes state. Total, deterministic, and never in need of a definition.

use super::event::{
    Event, NodeCompleted, NodeFailed, NodeRetryScheduled, NodeScheduled, NodeStarted, PlanMade, Recorded,
    StateTransitioned, WorkflowCompleted, WorkflowFailed,
};
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
        Event::NodeCompleted(event) => node_completed(run, event, time),
        Event::NodeFailed(event) => node_failed(run, event, time),
        Event::NodeRetryScheduled(event) => node_retry_scheduled(run, event),
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
    run.nodes.insert(
        event.node_id.clone(),
        NodeRun {
            status: NodeStatus::Scheduled,
            agent_name: event.agent_name.clone(),
            attempt: event.attempt,
            timeout_ms: event.timeout_ms,
            input: Some(event.input.clone()),
            output: None,
            failure: None,
            due_at: None,
            failed_attempts,
            scheduled_at: time,
            started_at: None,
            ended_at: None,
        },
    );
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
    }));
    past
}

fn node_started(run: &mut Run, event: &NodeStarted, time: Timestamp) {
    if let Some(node) = run.nodes.get_mut(&event.node_id) {
        node.status = NodeStatus::Running;
        node.started_at = Some(time);
    }
}

fn node_completed(run: &mut Run, event: &NodeCompleted, time: Timestamp) {
    if let Some(node) = run.nodes.get_mut(&event.node_id) {
        node.status = NodeStatus::Completed;
        node.input = None;
        // They are told by their events; a store keeps what is open or has failed.
        node.failed_attempts = Vec::new();
        node.output = Some(event.output.clone());
        node.ended_at = Some(time);
    }
}

fn node_failed(run: &mut Run, event: &NodeFailed, time: Timestamp) {
    // A node whose input could not be made fails without having been scheduled.
    let node = run.nodes.entry(event.node_id.clone()).or_insert_with(|| NodeRun {
        status: NodeStatus::Failed,
        agent_name: event.agent_name.clone(),
        attempt: event.attempt,
        timeout_ms: 0,
        input: None,
        output: None,
        failure: None,
        due_at: None,
        failed_attempts: Vec::new(),
        scheduled_at: time,
        started_at: None,
        ended_at: None,
    });
    node.input = None;
    node.failure = Some(event.failure());
    node.ended_at = Some(time);
    if event.final_because.is_none() {
        node.status = NodeStatus::AwaitingRetry;
        return;
    }
    node.status = NodeStatus::Failed;
    run.failed_node.get_or_insert_with(|| event.node_id.clone());
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
    // What was awaited does not come any more.
    for node in run.nodes.values_mut().filter(|node| node.status == NodeStatus::AwaitingRetry) {
        node.status = NodeStatus::Failed;
    }
}
