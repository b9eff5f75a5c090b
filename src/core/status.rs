//! The states of a run and of a node.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of a run. While it runs, a pure function of its open nodes ([`crate::core::frontier`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Started; no node has been scheduled yet.
    Initializing,
    /// A planner is at work.
    Planning,
    /// Exactly one plain node is open.
    ExecutingSingle,
    /// Two or more plain nodes are open.
    ExecutingParallel,
    /// Only synthesizers (and responders) are open.
    Synthesizing,
    /// Only responders are open.
    Responding,
    /// Held by a person.
    Paused,
    /// Awaiting a signal or an approval.
    Waiting,
    /// Ended with an answer.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended because someone asked for it.
    Cancelled,
}

impl Status {
    /// All states, in the order of a run's life.
    pub const ALL: [Status; 11] = [
        Self::Initializing,
        Self::Planning,
        Self::ExecutingSingle,
        Self::ExecutingParallel,
        Self::Synthesizing,
        Self::Responding,
        Self::Paused,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether a run in this state never changes again.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The word used on the wire, in tables and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Planning => "planning",
            Self::ExecutingSingle => "executing_single",
            Self::ExecutingParallel => "executing_parallel",
            Self::Synthesizing => "synthesizing",
            Self::Responding => "responding",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The state of a node within its run. A node that has no state has not been scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// Dispatched; no worker has said that it works on it.
    Scheduled,
    /// A worker has said that it works on it.
    Running,
    /// An attempt has failed; the next one is due later.
    AwaitingRetry,
    /// Ended with an output.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended with a failure; another output stands in for its own.
    Recovered,
    /// Ended with a failure, and the run goes on without its output.
    Skipped,
    /// Was under way, or awaited its next attempt, when its run ended.
    Cancelled,
}

impl NodeStatus {
    /// All states, in the order of a node's life.
    pub const ALL: [NodeStatus; 8] = [
        Self::Scheduled,
        Self::Running,
        Self::AwaitingRetry,
        Self::Completed,
        Self::Failed,
        Self::Recovered,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// Whether an attempt of the node is under way.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Scheduled | Self::Running)
    }

    /// Whether more is to come of the node by itself: an attempt is under way, or the next one is awaited.
    pub fn awaits(self) -> bool {
        self.is_open() || self == Self::AwaitingRetry
    }

    /// Whether it ended, or was ended, without an output.
    pub fn has_failed(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled)
    }

    /// Whether what waits for the node can go on: there is an output, its own or one that stands in.
    pub fn has_output(self) -> bool {
        matches!(self, Self::Completed | Self::Recovered | Self::Skipped)
    }

    /// The word used on the wire, in tables and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::AwaitingRetry => "awaiting_retry",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Debug for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.as_str())
    }
}
