//! What shall happen: a command on the state gives events, or a reason why it changes nothing.
//!
//! Pure: the state is borrowed, and what has been decided so far lies over it in a `draft::Draft`; the cost of a
//! decision is that of the change, not of the graph. One file a command.

mod complete_node;
mod context;
mod draft;
mod end;
mod expire;
mod fail_node;
mod output;
mod recover_node;
mod retry_node;
mod schedule;
mod start_node;
mod start_workflow;
mod take_over;

pub use start_workflow::{check_input, start_workflow};
pub use take_over::{TakenOver, take_over};

use super::command::Command;
use super::event::Event;
use super::frontier::Frontier;
use super::id::NodeId;
use super::rejection::Rejection;
use super::run::{NodeRun, Run};
use super::status::NodeStatus;
use crate::planted::{Bug, is_planted};
use draft::Draft;
pub use draft::Given;

/// Decides a command on a run that exists.
///
/// # Errors
/// Why it changes nothing.
pub fn decide(run: &Run, frontier: &Frontier, command: &Command, given: &Given) -> Result<Vec<Event>, Rejection> {
    if run.status.has_ended() {
        return Err(Rejection::RunEnded(run.run_id.clone()));
    }
    let mut draft = Draft::over(run, frontier, given);
    match command {
        Command::StartNode { node_id, attempt, local } => start_node::decide(&mut draft, node_id, *attempt, *local)?,
        Command::ProgressNode { node_id, attempt, local } => {
            start_node::progress(&mut draft, node_id, *attempt, *local)?;
        }
        Command::CompleteNode { node_id, attempt, output, usage } => {
            complete_node::decide(&mut draft, node_id, *attempt, output, *usage)?;
        }
        Command::FailNode { node_id, attempt, failure, usage } => {
            fail_node::decide(&mut draft, node_id, *attempt, failure.clone(), *usage)?;
        }
        Command::SupplyNode { node_id, output, by } => recover_node::supply(&mut draft, node_id, output, by)?,
        Command::ExpireAttempt { node_id, attempt } => expire::attempt(&mut draft, node_id, *attempt)?,
        Command::ExpireNode { node_id } => expire::node(&mut draft, node_id)?,
        Command::ExpireWorkflow => expire::workflow(&mut draft)?,
        Command::RetryNode { node_id, attempt } => retry_node::decide(&mut draft, node_id, *attempt)?,
        Command::ScheduleNodes => schedule::decide(&mut draft)?,
    }
    Ok(draft.into_events())
}

/// The node of an attempt that is under way.
fn open_attempt<'a>(run: &'a Run, node_id: &NodeId, attempt: u32) -> Result<&'a NodeRun, Rejection> {
    let name = || node_id.to_string();
    let node = run.nodes.get(node_id).ok_or_else(|| Rejection::UnknownNode { node: name() })?;
    let again = is_planted(Bug::AcceptsASecondCompletion) && node.status == NodeStatus::Completed;
    if attempt < node.attempt || (attempt == node.attempt && !node.status.is_open() && !again) {
        Err(Rejection::AttemptEnded { node: name(), attempt })
    } else if attempt > node.attempt {
        Err(Rejection::OtherAttempt { node: name(), found: attempt, expected: node.attempt })
    } else {
        Ok(node)
    }
}
