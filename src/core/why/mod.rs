//! Why a run is where it is: from its state, and from what can be seen of those that carry it on. Nothing is decided
//! here, and nothing is recorded.
//!
//! [`reasons`] is a pure function of [`Facts`]; who has gathered them says how fresh they are. What could not be seen
//! is left out of the facts, and gives no reason.

mod node;
mod run;

use super::breaker::{BreakerState, BreakerStatus};
use super::definition::DefinitionRef;
use super::failure::{Failure, Handling};
use super::frontier::Frontier;
use super::id::{AgentName, LetterId, NodeId};
use super::run::Run;
use super::status::NodeStatus;
use super::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of a run and of those that carry it on.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The partition in which the run lives.
    pub partition: u32,
    /// Its state.
    pub run: &'a Run,
    /// What it can do next.
    pub next: Next,
    /// The circuit breakers of the partition that are not closed.
    pub breakers: BTreeMap<AgentName, BreakerState>,
    /// The workers of agents, as far as they were looked for.
    pub workers: BTreeMap<AgentName, Workers>,
    /// Who owns the partition.
    pub owner: Option<Owner>,
    /// How far the tables are behind the journal.
    pub behind: Option<Behind>,
    /// The dead letters of the run's nodes.
    pub letters: BTreeMap<NodeId, Letter>,
}

/// What a run can do next, by its graph.
#[derive(Clone, Debug)]
pub enum Next {
    /// Its definition could not be read.
    Unseen,
    /// It cannot go on: its definition is not there, or does not fit. A sentence.
    Aside(String),
    /// This.
    Frontier(Box<Frontier>),
}

/// The workers of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// The group that they share.
    pub group: String,
    /// How many are connected.
    pub connected: usize,
    /// How many tasks of the agent, of all runs, are not done.
    pub tasks: u64,
    /// How many tasks that are not done stand before that of a node; a node whose task was not found has none.
    pub before: BTreeMap<NodeId, u64>,
}

/// Who owns a partition, as the group of the engines says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The group.
    pub group: String,
    /// How many engines are connected.
    pub engines: usize,
    /// Whether the partition is one of theirs.
    pub is_held: bool,
}

/// How far the tables are behind the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Records of the journal that are not in the tables.
    pub records: u64,
    /// How long the first of them has been in the journal.
    pub age: Duration,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// What it is called.
    pub letter_id: LetterId,
    /// What has been done with it, in a word; none: nothing yet.
    pub handled: Option<&'static str>,
}

/// An attempt of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Who executes it.
    pub agent: AgentName,
    /// Which, counted from 1.
    pub number: u32,
    /// How many there may be; none: the definition could not be read.
    pub of: Option<u32>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The node that it is about; none: the run as a whole.
    pub node: Option<NodeId>,
    /// What it is.
    pub why: Why,
}

/// The kinds of reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The run has completed.
    Completed {
        /// When.
        at: Timestamp,
    },
    /// The run has failed; with a node: by it.
    RunFailed {
        /// When.
        at: Timestamp,
        /// Why.
        failure: Failure,
        /// The attempt that failed last, of the node.
        attempt: Option<Attempt>,
        /// Whether another attempt might have helped, and none was left.
        exhausted: bool,
        /// The node's dead letter.
        letter: Option<Letter>,
    },
    /// Someone has ended the run.
    RunCancelled {
        /// When.
        at: Timestamp,
    },
    /// A person holds the run.
    Paused,
    /// The run awaits a signal or an approval.
    AwaitingSignal,
    /// No engine has the partition.
    NoOwner(Owner),
    /// The run cannot go on, and is set aside.
    SetAside {
        /// Its definition.
        definition: DefinitionRef,
        /// A sentence.
        why: String,
    },
    /// The run fails by the node, and ends once others have ended.
    Failing {
        /// Why.
        failure: Failure,
        /// The others.
        open: Vec<NodeId>,
        /// The node's dead letter.
        letter: Option<Letter>,
    },
    /// The run fails by the node, and what had completed is being undone.
    Undoing {
        /// Why.
        failure: Failure,
        /// The node's dead letter.
        letter: Option<Letter>,
    },
    /// The node has work to do.
    Work(Work),
    /// Another node of a run that has failed, or fails, has failed for good as well.
    NodeFailed {
        /// The attempt that failed last.
        attempt: Attempt,
        /// Why.
        failure: Failure,
        /// Its dead letter.
        letter: Option<Letter>,
        /// The failure node that was to stand in for it, and has failed, too.
        failure_node: Option<NodeId>,
        /// The node whose work it was to undo.
        undoes: Option<NodeId>,
    },
    /// The node has failed for good, and the run goes on all the same.
    Handled {
        /// How; none: a person has supplied an output, or the definition gives one.
        handling: Option<Handling>,
        /// Why it failed, as long as the state knows.
        failure: Option<Failure>,
    },
    /// The node was under way, or awaited its next attempt, when the run ended.
    NodeCancelled,
    /// The run is given up at a time.
    RunDeadline {
        /// When.
        at: Timestamp,
    },
    /// The tables are behind the journal.
    ProjectorBehind(Behind),
}

/// How a node that has work to do stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// No worker of the agent is connected.
    NoWorker {
        /// The attempt.
        attempt: Attempt,
        /// Who was looked for.
        workers: Workers,
        /// Since when the attempt waits.
        since: Timestamp,
    },
    /// A worker had begun with the attempt, and none of the agent is connected any more.
    WorkerGone {
        /// The attempt.
        attempt: Attempt,
        /// Who was looked for.
        workers: Workers,
        /// When it was begun.
        since: Timestamp,
        /// When its time is up.
        until: Timestamp,
    },
    /// The breaker of the agent holds the node back.
    Breaker {
        /// The attempt that is held back.
        attempt: Attempt,
        /// The breaker.
        state: BreakerState,
        /// Why the attempt before it failed.
        last: Option<Failure>,
    },
    /// The next attempt is due later.
    AwaitingRetry {
        /// That attempt.
        attempt: Attempt,
        /// When.
        due: Timestamp,
        /// Why the attempt before it failed.
        last: Option<Failure>,
    },
    /// The next attempt is due, and has not been handed out.
    RetryDue {
        /// That attempt.
        attempt: Attempt,
        /// Since when.
        due: Timestamp,
        /// Why the attempt before it failed.
        last: Option<Failure>,
    },
    /// Workers are connected, and the attempt waits for one of them.
    WorkersBusy {
        /// The attempt.
        attempt: Attempt,
        /// The workers.
        workers: Workers,
        /// How many tasks stand before it.
        before: u64,
        /// Since when it waits.
        since: Timestamp,
    },
    /// The attempt has been handed out, and no worker has said that it works on it.
    HandedOut {
        /// The attempt.
        attempt: Attempt,
        /// The workers, if they could be looked for.
        workers: Option<Workers>,
        /// When.
        since: Timestamp,
    },
    /// A worker works on the attempt.
    Running {
        /// The attempt.
        attempt: Attempt,
        /// Since when.
        since: Timestamp,
        /// When its time is up.
        until: Timestamp,
        /// Whether a sign of life begins its time anew.
        heartbeat: bool,
    },
    /// The inputs are there, and it is handed out next.
    Ready {
        /// Who will execute it.
        agent: AgentName,
    },
    /// The inputs are there, and so few nodes are ready or running that they run one at a time.
    OneAtATime {
        /// Who will execute it.
        agent: AgentName,
        /// Fewer nodes than this.
        threshold: u32,
    },
    /// The outputs of other nodes are missing.
    AwaitingInputs {
        /// Those nodes, and how they stand; none: they have not been handed out either.
        missing: Vec<(NodeId, Option<NodeStatus>)>,
    },
}

/// Below this age nobody need hear that the tables are behind: they always are, by some milliseconds.
const BEHIND_FROM: Duration = Duration::from_secs(2);

/// The reasons, the most important first; those of one kind in the order of the graph.
pub fn reasons(facts: &Facts) -> Vec<Reason> {
    let mut reasons = run::reasons(facts);
    if facts.run.ended_at.is_some() {
        reasons.extend(node::ended(facts));
    } else {
        reasons.extend(node::reasons(facts));
    }
    if let Some(behind) = facts.behind.filter(|behind| behind.records > 0 && behind.age >= BEHIND_FROM) {
        reasons.push(Reason { node: None, why: Why::ProjectorBehind(behind) });
    }
    reasons.sort_by_key(|reason| reason.why.rank());
    reasons
}

/// The nodes that circuit breakers hold back.
pub fn held(facts: &Facts) -> Vec<Reason> {
    reasons(facts).into_iter().filter(|reason| matches!(reason.why, Why::Work(Work::Breaker { .. }))).collect()
}

impl Why {
    /// The word for programs. It stays what it is.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::RunFailed { exhausted: true, .. } => "exhausted",
            Self::RunFailed { exhausted: false, .. } => "failed",
            Self::RunCancelled { .. } => "cancelled",
            Self::Paused => "paused",
            Self::AwaitingSignal => "awaiting_signal",
            Self::NoOwner(_) => "no_owner",
            Self::SetAside { .. } => "set_aside",
            Self::Failing { .. } => "failing",
            Self::Undoing { .. } => "compensating",
            Self::Work(work) => work.word(),
            Self::NodeFailed { .. } => "node_failed",
            Self::Handled { .. } => "failure_handled",
            Self::NodeCancelled => "node_cancelled",
            Self::RunDeadline { .. } => "run_deadline",
            Self::ProjectorBehind(_) => "projector_behind",
        }
    }

    /// What keeps everything from moving comes first, then what keeps a node, then what moves, then what follows.
    fn rank(&self) -> u32 {
        match self {
            Self::Completed { .. } | Self::RunFailed { .. } | Self::RunCancelled { .. } => 0,
            Self::NoOwner(_) => 1,
            Self::SetAside { .. } => 2,
            Self::Paused | Self::AwaitingSignal => 3,
            Self::Failing { .. } | Self::Undoing { .. } => 4,
            Self::Work(work) => work.rank(),
            Self::NodeFailed { .. } => 20,
            Self::Handled { .. } | Self::NodeCancelled => 21,
            Self::RunDeadline { .. } => 22,
            Self::ProjectorBehind(_) => 23,
        }
    }
}

impl Work {
    fn word(&self) -> &'static str {
        match self {
            Self::NoWorker { .. } => "no_worker",
            Self::WorkerGone { .. } => "worker_gone",
            Self::Breaker { state, .. } if state.status == BreakerStatus::HalfOpen => "breaker_half_open",
            Self::Breaker { .. } => "breaker_open",
            Self::AwaitingRetry { .. } => "awaiting_retry",
            Self::RetryDue { .. } => "retry_due",
            Self::WorkersBusy { .. } => "worker_busy",
            Self::HandedOut { .. } => "handed_out",
            Self::Running { .. } => "running",
            Self::Ready { .. } => "ready",
            Self::OneAtATime { .. } => "one_at_a_time",
            Self::AwaitingInputs { .. } => "awaiting_inputs",
        }
    }

    fn rank(&self) -> u32 {
        match self {
            Self::NoWorker { .. } => 5,
            Self::WorkerGone { .. } => 6,
            Self::Breaker { .. } => 7,
            Self::AwaitingRetry { .. } => 8,
            Self::RetryDue { .. } => 9,
            Self::WorkersBusy { .. } => 10,
            Self::HandedOut { .. } => 11,
            Self::Running { .. } => 12,
            Self::Ready { .. } | Self::OneAtATime { .. } => 13,
            // It follows from the others.
            Self::AwaitingInputs { .. } => 30,
        }
    }
}
