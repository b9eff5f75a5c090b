//! The same as plain lines, for pipes and logs: one for each thing that happens.

use super::board::Board;
use super::duration;
use crate::core::event::{Event, Recorded};
use crate::core::id::NodeId;
use crate::core::time::Timestamp;
use crate::ui::style::harmless;
use std::time::Duration;

/// The line of an event that the board has just taken; none: it says nothing new to a reader.
pub fn line(board: &Board, recorded: &Recorded) -> Option<String> {
    let run = board.run(&recorded.workflow_id)?;
    let took = |node_id: &NodeId| {
        let node = run.nodes.iter().find(|node| node.id == *node_id);
        duration(node.and_then(|node| node.took()).unwrap_or_default())
    };
    let (what, how) = match &recorded.event {
        Event::WorkflowStarted(event) => {
            ("started", format!("{} version {}", event.definition.name, event.definition.version))
        }
        Event::NodeScheduled(event) => (event.node_id.as_str(), "scheduled".to_owned()),
        Event::NodeStarted(event) => (event.node_id.as_str(), format!("running{}", beside(board))),
        Event::NodeCompleted(event) => (event.node_id.as_str(), format!("completed in {}", took(&event.node_id))),
        Event::NodeFailed(event) => {
            (event.node_id.as_str(), format!("failed after {}: {}", took(&event.node_id), harmless(&event.message)))
        }
        Event::NodeRetryScheduled(event) => {
            let delay = duration(Duration::from_millis(event.delay_ms));
            (event.node_id.as_str(), format!("is tried again in {delay}"))
        }
        Event::NodeRecovered(event) => (event.node_id.as_str(), "goes on with another output".to_owned()),
        Event::WorkflowCompleted(event) => {
            ("answered", format!("after {}", duration(recorded.time.since(event.started_at))))
        }
        Event::WorkflowFailed(event) => ("failed", harmless(&event.message)),
        Event::PlanMade(_) | Event::NodeProgressed(_) | Event::StateTransitioned(_) => return None,
    };
    let ids = board.runs.iter().map(|run| run.id.as_str().chars().count()).max().unwrap_or(0);
    let nodes = board.nodes().map(|node| node.id.as_str().len()).max().unwrap_or(0).max("answered".len());
    Some(format!("{}  {:ids$}  {what:nodes$}  {how}", offset(board, recorded.time), run.id.as_str()))
}

/// Among how many others a node begins.
fn beside(board: &Board) -> String {
    match board.open().saturating_sub(1) {
        0 => String::new(),
        1 => " beside 1 other".to_owned(),
        others => format!(" beside {others} others"),
    }
}

/// `+0.412s` after the first start.
fn offset(board: &Board, time: Timestamp) -> String {
    let since = board.began_at().map_or(Duration::ZERO, |began| time.since(began));
    format!("+{:.3}s", since.as_secs_f64())
}
