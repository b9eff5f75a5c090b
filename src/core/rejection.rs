//! Why an input changes nothing, or is not understood.

use super::id::{RunId, WorkflowId};
use super::json::Json;

/// Why a command changes nothing. It is counted and recorded, and never stops a partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No run with this id is known: it never started, or it has ended long ago.
    #[error("no unfinished run of workflow {0:?} is known here")]
    UnknownWorkflow(WorkflowId),
    /// The command is meant for another run of the workflow.
    #[error("it is meant for run {found}, the current run is {expected}")]
    OtherRun {
        /// The run that it names.
        found: RunId,
        /// The run that is there.
        expected: RunId,
    },
    /// The run has ended; a run that has ended never changes.
    #[error("run {0} has ended")]
    RunEnded(RunId),
    /// The run has no such node, or it has not been scheduled.
    #[error("node {node:?} of this run has not been scheduled")]
    UnknownNode {
        /// The node it names.
        node: String,
    },
    /// The attempt has ended already; the first result counts.
    #[error("attempt {attempt} of node {node:?} has already ended; the first result counts")]
    AttemptEnded {
        /// The node.
        node: String,
        /// The attempt.
        attempt: u32,
    },
    /// The attempt is not the one under way.
    #[error("attempt {found} of node {node:?} is not under way, attempt {expected} is")]
    OtherAttempt {
        /// The node.
        node: String,
        /// The attempt it names.
        found: u32,
        /// The attempt under way.
        expected: u32,
    },
    /// The attempt is known to run; a repeated `started` extends nothing.
    #[error("attempt {attempt} of node {node:?} has already started")]
    AlreadyStarted {
        /// The node.
        node: String,
        /// The attempt.
        attempt: u32,
    },
    /// The same request was accepted before.
    #[error("the same request was accepted before, as run {0}")]
    DuplicateStart(RunId),
    /// What it takes up is not the last run of its workflow: that has been taken up already.
    #[error("it takes up run {found}, which is not the last of its workflow any more: run {last} is")]
    NotTheLast {
        /// The run that it takes up.
        found: RunId,
        /// The last one.
        last: RunId,
    },
    /// The run cannot go on here: its definition is missing or not valid, or deciding it has failed again and again.
    #[error("run {0} is set aside; the engine's log says why")]
    SetAside(RunId),
    /// The very same request has come again: it was forwarded twice, or its topic is read anew. The answer of its run
    /// answers it.
    #[error("this very request was accepted before, as run {0}, whose answer is its answer")]
    AlreadyAccepted(RunId),
    /// The attempt is not awaited, or not due.
    #[error("attempt {attempt} of node {node:?} is not due")]
    NotAwaited {
        /// The node.
        node: String,
        /// The attempt.
        attempt: u32,
    },
    /// Its time has not come, or does not count any more.
    #[error("attempt {attempt} of node {node:?} has time left")]
    NotYet {
        /// The node.
        node: String,
        /// The attempt.
        attempt: u32,
    },
    /// The breaker of its agent is open.
    #[error("attempt {attempt} of node {node:?} waits: the circuit breaker of its agent is open")]
    Held {
        /// The node.
        node: String,
        /// The attempt.
        attempt: u32,
    },
    /// Its node does not ask for heartbeats.
    #[error(
        "a heartbeat of attempt {attempt} of node {node:?} extends nothing: its definition does not say `heartbeat: true`"
    )]
    NoHeartbeat {
        /// The node.
        node: String,
        /// The attempt.
        attempt: u32,
    },
    /// An output is supplied for a node that does not wait for one.
    #[error("node {node:?} does not wait for an output: it has not been handed out, or has ended")]
    NotSuppliable {
        /// The node.
        node: String,
    },
    /// An output is supplied that the node may not have.
    #[error("the output supplied for node {node:?} is refused: {message}")]
    OutputRefused {
        /// The node.
        node: String,
        /// Why.
        message: String,
    },
    /// There is nothing to go on with.
    #[error("no node is ready")]
    NothingReady,
}

impl Rejection {
    /// The reason of the one rejection of a request that is not answered.
    pub const ALREADY_ACCEPTED: &str = "already_accepted";
    /// The reason of the rejection of a request that takes up a run which has been taken up.
    pub const NOT_THE_LAST: &str = "resume";

    /// The short stable word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownWorkflow(_) => "unknown_workflow",
            Self::OtherRun { .. } => "other_run",
            Self::RunEnded(_) => "run_ended",
            Self::UnknownNode { .. } => "unknown_node",
            Self::AttemptEnded { .. } => "attempt_ended",
            Self::OtherAttempt { .. } => "other_attempt",
            Self::AlreadyStarted { .. } => "already_started",
            Self::DuplicateStart(_) => "duplicate",
            Self::NotTheLast { .. } => Self::NOT_THE_LAST,
            Self::SetAside(_) => "set_aside",
            Self::AlreadyAccepted(_) => Self::ALREADY_ACCEPTED,
            Self::NotAwaited { .. } => "not_awaited",
            Self::NotYet { .. } => "not_yet",
            Self::Held { .. } => "held",
            Self::NoHeartbeat { .. } => "no_heartbeat",
            Self::NotSuppliable { .. } => "not_suppliable",
            Self::OutputRefused { .. } => "output_refused",
            Self::NothingReady => "nothing_ready",
        }
    }
}

/// Why an input goes to the dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind.
    pub reason: RefusalReason,
    /// A sentence for people: what was expected, what was found.
    pub message: String,
    /// More, as JSON, e.g. `{"pointer": "/total"}`.
    pub details: Option<Json>,
    /// The workflow it was meant for, as far as it could be read.
    pub workflow_id: Option<WorkflowId>,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// A record without value.
    NoValue,
    /// Neither JSON nor Avro, or not of the expected form.
    Malformed,
    /// Nested deeper than allowed.
    TooDeep,
    /// Larger than allowed.
    TooLarge,
    /// An id or a name that is not legal.
    IllegalId,
    /// The key and the body name different workflows.
    KeyMismatch,
    /// A definition, or a version of it, that nobody has applied.
    UnknownDefinition,
    /// The input breaks the definition's input contract.
    Contract,
    /// The id is taken by a request with another payload.
    IdConflict,
    /// It takes up a run that has not ended, or nodes that there are not.
    Resume,
    /// It was forwarded before and is still in the wrong partition.
    WrongPartition,
    /// It names a format version or a command that this version does not know.
    Unsupported,
    /// It is meant for a run that is set aside.
    SetAside,
    /// Deciding it failed: a fault of the engine.
    EngineFault,
}

impl RefusalReason {
    /// The short stable word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoValue => "no_value",
            Self::Malformed => "malformed",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::IllegalId => "illegal_id",
            Self::KeyMismatch => "key_mismatch",
            Self::UnknownDefinition => "unknown_definition",
            Self::Contract => "contract",
            Self::IdConflict => "id_conflict",
            Self::Resume => "resume",
            Self::WrongPartition => "wrong_partition",
            Self::Unsupported => "unsupported",
            Self::SetAside => "set_aside",
            Self::EngineFault => "engine_fault",
        }
    }
}

impl Refusal {
    /// A refusal without details or workflow.
    pub fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: None, workflow_id: None }
    }
}
