//! A point of a run's history, and the state there. PURE.

use crate::core::apply::{HistoryFault, fold};
use crate::core::event::{Event, Recorded};
use crate::core::id::NodeId;
use crate::core::rfc3339;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Up to where to fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// The event with this number is the last.
    Sequence(u64),
    /// The last event that was decided at this time or before.
    Time(Timestamp),
    /// Right before the first attempt of the node was handed out.
    Node(NodeId),
}

/// What tells a node from a number or a date that looks like one.
const NODE: &str = "node:";

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_number = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
        if is_number && !text.is_empty() {
            let fault = |_| format!("expected the number of an event, from 1 on, found {text}");
            return text.parse().map(Self::Sequence).map_err(fault);
        }
        let midnight = || rfc3339::read(&format!("{text}T00:00:00Z"));
        if let Some(time) = rfc3339::read(text).or_else(midnight) {
            return Ok(Self::Time(time));
        }
        NodeId::new(text.strip_prefix(NODE).unwrap_or(text)).map(Self::Node).map_err(|_| {
            format!("expected the number of an event, a time like 2026-01-31T12:00:00Z, or a node, found {text:?}")
        })
    }
}

/// Why a history has no such point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPoint {
    /// There is no event with the number.
    #[error("the run has events 1 to {last}, and no event {asked}")]
    Sequence {
        /// The number.
        asked: u64,
        /// The number of the last event.
        last: u64,
    },
    /// The run had not begun.
    #[error("the run began at {}, after that time", rfc3339::write(*began))]
    Before {
        /// When it did.
        began: Timestamp,
    },
    /// The node has no first attempt.
    #[error("node {node} was never handed out; these were: {}", names(handed_out))]
    Node {
        /// The node.
        node: NodeId,
        /// Those that have one, in the order in which they were handed out.
        handed_out: Vec<NodeId>,
    },
}

fn names(nodes: &[NodeId]) -> String {
    match nodes {
        [] => "none".to_owned(),
        _ => nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", "),
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Sequence(sequence) => write!(f, "{sequence}"),
            Self::Time(time) => f.write_str(&rfc3339::write(*time)),
            Self::Node(node) => write!(f, "{NODE}{node}"),
        }
    }
}

impl To {
    /// How many of a run's events, all of which are given in order, lie before or at the point: at least one.
    ///
    /// # Errors
    /// Where there is no such point.
    pub fn events(&self, events: &[Recorded]) -> Result<usize, NoPoint> {
        match self {
            Self::Sequence(asked) => {
                let found = events.iter().position(|recorded| recorded.sequence == *asked);
                let last = events.last().map_or(0, |recorded| recorded.sequence);
                found.map(|at| at + 1).ok_or(NoPoint::Sequence { asked: *asked, last })
            }
            // An event's time is never before that of the event before it.
            Self::Time(time) => match events.partition_point(|recorded| recorded.time <= *time) {
                0 => Err(NoPoint::Before { began: events.first().map_or(*time, |recorded| recorded.time) }),
                count => Ok(count),
            },
            Self::Node(node) => {
                let found = events.iter().position(|recorded| handed_out(recorded) == Some(node));
                found.filter(|at| *at > 0).ok_or_else(|| NoPoint::Node { node: node.clone(), handed_out: all(events) })
            }
        }
    }
}

fn handed_out(recorded: &Recorded) -> Option<&NodeId> {
    match &recorded.event {
        Event::NodeScheduled(event) => Some(&event.node_id),
        _ => None,
    }
}

fn all(events: &[Recorded]) -> Vec<NodeId> {
    let mut nodes = Vec::new();
    for node in events.iter().filter_map(handed_out) {
        if !nodes.contains(node) {
            nodes.push(node.clone());
        }
    }
    nodes
}

/// The state after these events, which begin with the run's first; none: there are none.
///
/// # Errors
/// Where one of them is not the next one.
pub fn state(events: &[Recorded]) -> Result<Option<Run>, HistoryFault> {
    let mut run = None;
    for recorded in events {
        fold(&mut run, recorded)?;
    }
    Ok(run)
}
