//! The board: which node of which workflow is doing what, folded from the event stream.

use crate::core::event::{Event, NodeCompleted, NodeRecovered, Recorded};
use crate::core::id::{NodeId, WorkflowId};
use crate::core::status::Status;
use crate::core::time::Timestamp;
use std::time::Duration;

/// All workflows of the demo.
#[derive(Clone, Debug)]
pub struct Board {
    /// In the order in which they were asked for.
    pub runs: Vec<BoardRun>,
}

/// One workflow.
#[derive(Clone, Debug)]
pub struct BoardRun {
    /// Its id.
    pub id: WorkflowId,
    /// Its state; none: its request has not been taken yet.
    pub status: Option<Status>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its nodes, in the order of the definition.
    pub nodes: Vec<BoardNode>,
}

/// One node of one workflow.
#[derive(Clone, Debug)]
pub struct BoardNode {
    /// Its id.
    pub id: NodeId,
    /// What it is doing.
    pub state: NodeState,
}

/// What a node is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Its inputs are not there yet.
    Waiting,
    /// It has been handed to its agent.
    Scheduled {
        /// When.
        since: Timestamp,
    },
    /// Its agent works on it.
    Running {
        /// When it was scheduled.
        since: Timestamp,
    },
    /// It has ended.
    Ended {
        /// When it was scheduled.
        since: Timestamp,
        /// When it ended.
        at: Timestamp,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
}

impl NodeState {
    /// Since when it has been under way.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting => None,
            Self::Scheduled { since } | Self::Running { since } | Self::Ended { since, .. } => Some(*since),
        }
    }

    /// Whether it is under way.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Scheduled { .. } | Self::Running { .. })
    }

    /// From when to when it was under way.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Ended { since, at, .. } => Some((*since, *at)),
            _ => None,
        }
    }
}

impl BoardNode {
    /// From being scheduled to its end.
    pub fn took(&self) -> Option<Duration> {
        self.state.span().map(|(since, at)| at.since(since))
    }
}

impl Board {
    /// A board of workflows that have these nodes.
    pub fn new(workflows: &[WorkflowId], nodes: &[NodeId]) -> Self {
        let waiting = |id: &NodeId| BoardNode { id: id.clone(), state: NodeState::Waiting };
        let run = |id: &WorkflowId| BoardRun {
            id: id.clone(),
            status: None,
            started_at: None,
            ended_at: None,
            nodes: nodes.iter().map(waiting).collect(),
        };
        Self { runs: workflows.iter().map(run).collect() }
    }

    /// Takes an event; `false`: it is of none of these workflows.
    pub fn apply(&mut self, recorded: &Recorded) -> bool {
        let Some(run) = self.runs.iter_mut().find(|run| run.id == recorded.workflow_id) else { return false };
        let at = recorded.time;
        match &recorded.event {
            Event::WorkflowStarted(_) => (run.status, run.started_at) = (Some(Status::Initializing), Some(at)),
            Event::PlanMade(_) | Event::NodeProgressed(_) | Event::NodeRetryScheduled(_) => {}
            Event::NodeScheduled(event) => run.node(&event.node_id).state = NodeState::Scheduled { since: at },
            Event::NodeStarted(event) => {
                let node = run.node(&event.node_id);
                node.state = NodeState::Running { since: node.state.since().unwrap_or(at) };
            }
            Event::NodeCompleted(NodeCompleted { node_id, .. })
            | Event::NodeRecovered(NodeRecovered { node_id, .. }) => {
                run.node(node_id).end(at, None);
            }
            Event::NodeFailed(event) => run.node(&event.node_id).end(at, Some(event.message.clone())),
            Event::StateTransitioned(event) => run.status = Some(event.to),
            Event::WorkflowCompleted(_) => run.end(at, Status::Completed),
            Event::WorkflowFailed(_) => run.end(at, Status::Failed),
        }
        true
    }

    /// A workflow.
    pub fn run(&self, id: &WorkflowId) -> Option<&BoardRun> {
        self.runs.iter().find(|run| run.id == *id)
    }

    /// When the first workflow started.
    pub fn began_at(&self) -> Option<Timestamp> {
        self.runs.iter().filter_map(|run| run.started_at).min()
    }

    /// When the last workflow ended; none while one is under way.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.runs.iter().map(|run| run.ended_at).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// From the first start to the last end.
    pub fn took(&self) -> Option<Duration> {
        Some(self.ended_at()?.since(self.began_at()?))
    }

    /// All nodes of all workflows.
    pub fn nodes(&self) -> impl Iterator<Item = &BoardNode> {
        self.runs.iter().flat_map(|run| &run.nodes)
    }

    /// How many nodes are under way.
    pub fn open(&self) -> usize {
        self.nodes().filter(|node| node.state.is_open()).count()
    }

    /// How many nodes have ended.
    pub fn ended(&self) -> usize {
        self.nodes().filter(|node| node.state.span().is_some()).count()
    }

    /// The sum of the times of all nodes that have ended.
    pub fn work(&self) -> Duration {
        self.nodes().filter_map(BoardNode::took).sum()
    }

    /// The most nodes that were under way at one moment.
    pub fn most_at_once(&self) -> usize {
        let spans: Vec<_> = self.nodes().filter_map(|node| node.state.span()).collect();
        let at = |moment: Timestamp| spans.iter().filter(|(from, to)| *from <= moment && moment < *to).count();
        spans.iter().map(|(from, _)| at(*from)).max().unwrap_or(0)
    }
}

impl BoardRun {
    /// The node with this id; one that a plan has added comes at the end.
    fn node(&mut self, id: &NodeId) -> &mut BoardNode {
        let at = self.nodes.iter().position(|node| node.id == *id).unwrap_or_else(|| {
            self.nodes.push(BoardNode { id: id.clone(), state: NodeState::Waiting });
            self.nodes.len() - 1
        });
        &mut self.nodes[at]
    }

    fn end(&mut self, at: Timestamp, status: Status) {
        (self.ended_at, self.status) = (Some(at), Some(status));
    }
}

impl BoardNode {
    fn end(&mut self, at: Timestamp, failure: Option<String>) {
        let since = self.state.since().unwrap_or(at);
        self.state = NodeState::Ended { since, at, failure };
    }
}
