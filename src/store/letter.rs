//! Dead letters as rows: `orchestrator_dead_letters`, and what is asked of it and of the error log.

use crate::core::command::Origin;
use crate::core::failure::FailureClass;
use crate::core::id::{AgentName, DefinitionName, LetterId, NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::letter::LetterAction;
use crate::core::time::Timestamp;

/// What lies in the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetterKind {
    /// An exhausted node.
    Node,
    /// A refused record of an input topic.
    Input,
}

impl LetterKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Node, Self::Input];

    /// The word in columns and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Input => "input",
        }
    }
}

/// What has become of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// Nothing yet.
    Open,
    /// Handed in again as it was.
    Redriven,
    /// Repaired and handed in again.
    Edited,
    /// Its run went on without the node.
    Skipped,
    /// Its node was given a result by hand.
    Supplied,
    /// Put aside.
    Discarded,
}

impl LetterState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Redriven, Self::Edited, Self::Skipped, Self::Supplied, Self::Discarded];

    /// The word in columns and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriven => "redriven",
            Self::Edited => "edited",
            Self::Skipped => "skipped",
            Self::Supplied => "supplied",
            Self::Discarded => "discarded",
        }
    }
}

impl From<LetterAction> for LetterState {
    fn from(action: LetterAction) -> Self {
        match action {
            LetterAction::Redrive => Self::Redriven,
            LetterAction::Edit => Self::Edited,
            LetterAction::Skip => Self::Skipped,
            LetterAction::Supply => Self::Supplied,
            LetterAction::Discard => Self::Discarded,
        }
    }
}

/// What is known of a letter beside its document.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// What it is called.
    pub letter_id: LetterId,
    /// What it is of.
    pub kind: LetterKind,
    /// The run, or `partition-N`: whose event made it.
    pub subject: String,
    /// The number of that event.
    pub sequence: u64,
    /// The workflow, as far as it is known.
    pub workflow_id: Option<WorkflowId>,
    /// Of a node: the run.
    pub run_id: Option<RunId>,
    /// Of a node: which.
    pub node_id: Option<NodeId>,
    /// Of a node: who executed it.
    pub agent_name: Option<AgentName>,
    /// Of a node: the attempt that failed last.
    pub attempt: Option<u32>,
    /// Of a node: the definition of its run.
    pub definition: Option<DefinitionName>,
    /// Of a node: what may be done about it.
    pub class: Option<FailureClass>,
    /// A short stable word: the failure's code, the reason of a refusal.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// More, as JSON.
    pub details: Option<Json>,
    /// The same for letters of the same fault.
    pub fingerprint: String,
    /// Of an input: where it stood first.
    pub origin: Option<Origin>,
    /// When the failure or the refusal was decided.
    pub time: Timestamp,
}

/// A letter as the projector writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterRow {
    /// What is known of it.
    pub letter: Letter,
    /// JSON: the whole letter, as it stands in the topic `dead-letters`.
    pub document: String,
}

/// What was done with a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandledRow {
    /// Which letter.
    pub letter_id: LetterId,
    /// What has become of it; never `open`.
    pub state: LetterState,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
    /// Why, in his words.
    pub note: Option<String>,
    /// The run that this started.
    pub run_id: Option<RunId>,
}

/// A letter that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundLetter {
    /// What is known of it.
    pub letter: Letter,
    /// The partition in whose journal its event stands.
    pub partition: u32,
    /// What was last done with it.
    pub handled: Option<HandledRow>,
}

impl FoundLetter {
    /// What has become of it.
    pub fn state(&self) -> LetterState {
        self.handled.as_ref().map_or(LetterState::Open, |handled| handled.state)
    }
}

/// Which letters; everything that is none is any.
#[derive(Clone, Debug, Default)]
pub struct LetterFilter {
    /// Whose id begins so.
    pub id: Option<String>,
    /// Whose fingerprint begins so.
    pub group: Option<String>,
    /// In this state.
    pub state: Option<LetterState>,
    /// Of this kind.
    pub kind: Option<LetterKind>,
    /// Of nodes of this agent.
    pub agent: Option<String>,
    /// Of this class.
    pub class: Option<FailureClass>,
    /// With this code.
    pub code: Option<String>,
    /// Of this workflow.
    pub workflow: Option<String>,
    /// Of nodes of runs of this definition.
    pub definition: Option<String>,
    /// Decided then or later.
    pub since: Timestamp,
    /// Older than this one: the next page.
    pub below: Option<(Timestamp, LetterId)>,
    /// At most this many.
    pub limit: usize,
}

/// Letters of the same fault.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterGroup {
    /// What they have in common.
    pub fingerprint: String,
    /// What they are of.
    pub kind: LetterKind,
    /// Of nodes: the agent.
    pub agent_name: Option<AgentName>,
    /// Of inputs: the topic.
    pub topic: Option<String>,
    /// Of nodes: what may be done about it.
    pub class: Option<FailureClass>,
    /// The failure's code, or the reason of the refusal.
    pub code: String,
    /// The message of one of them.
    pub message: String,
    /// How many there are.
    pub letters: u64,
    /// How many of them are open.
    pub open: u64,
    /// When the first was decided.
    pub first_seen: Timestamp,
    /// When the last was decided.
    pub last_seen: Timestamp,
}

/// Which errors to group.
#[derive(Clone, Debug)]
pub struct ErrorFilter {
    /// The beginning of the period.
    pub since: Timestamp,
    /// The beginning of the period before, with which it is compared.
    pub before: Timestamp,
    /// Of this agent alone.
    pub agent: Option<String>,
    /// Of runs of this definition alone.
    pub definition: Option<String>,
    /// At most this many groups, the most frequent first.
    pub limit: usize,
}

/// Errors of the same fault.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorGroup {
    /// What they have in common.
    pub fingerprint: String,
    /// The event that tells of them.
    pub event: String,
    /// Who executed the node.
    pub agent_name: Option<AgentName>,
    /// What may be done about it.
    pub class: Option<FailureClass>,
    /// A short stable word.
    pub code: String,
    /// The message of one of them.
    pub message: String,
    /// How many there were in the period.
    pub errors: u64,
    /// How many there were in the period before.
    pub errors_before: u64,
    /// When the first of all was decided, in the period or ever before.
    pub first_seen: Timestamp,
    /// When the last was decided.
    pub last_seen: Timestamp,
    /// Up to two workflows that had it, in the period or the one before.
    pub workflows: Vec<WorkflowId>,
}
