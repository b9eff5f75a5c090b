//! What happens to a partition rather than to a run, with the fields of each event.

use crate::core::breaker::BreakerStatus;
use crate::core::command::Origin;
use crate::core::id::{AgentName, LetterId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::letter::LetterAction;
use crate::core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What happened to a partition rather than to a run: inputs that did not become a command of a run.
/// They are published under the key `partition-N`, with a sequence of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionEvent {
    /// An input cannot be understood or is not allowed: it is in the dead letters, with the reason.
    InputRefused(InputRefused),
    /// An input changes nothing (a duplicate, a late result): it is counted, with the reason.
    InputRejected(InputRejected),
    /// An input was in the wrong partition and was sent on to the right one.
    InputForwarded(InputForwarded),
    /// An effect could not be performed.
    EffectFailed(EffectFailed),
    /// Records of an input topic are gone that had not been read, or the topic is another one.
    InputLost(InputLost),
    /// The first input after a crash is about to be decided (the fifth in a row for one input buries it).
    Trying(Trying),
    /// The circuit breaker of an agent has changed its state.
    BreakerChanged(BreakerChanged),
    /// Someone has done something with a dead letter.
    DeadLetterHandled(DeadLetterHandled),
}

/// The circuit breaker of an agent, in one partition, has changed its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerChanged {
    /// Whose.
    pub agent_name: AgentName,
    /// The state before.
    pub from: BreakerStatus,
    /// The state from here on.
    pub to: BreakerStatus,
    /// How many attempts had ended within its window, where it was closed.
    pub calls: u32,
    /// How many of them had failed.
    pub failures: u32,
    /// While it is open: until when no attempt is handed out.
    pub until: Option<Timestamp>,
}

/// An input cannot be understood or is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRefused {
    /// Where it stands.
    pub origin: Origin,
    /// A short stable word, e.g. `unknown_definition`.
    pub reason: String,
    /// A sentence for people: what was expected, what was found.
    pub message: String,
    /// More, as JSON, e.g. `{"pointer": "/total"}`.
    pub details: Option<Json>,
    /// The workflow it was meant for, as far as it could be read.
    pub workflow_id: Option<WorkflowId>,
}

/// An input changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRejected {
    /// Where it stands.
    pub origin: Origin,
    /// A short stable word, e.g. `attempt_ended`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The workflow it was meant for.
    pub workflow_id: WorkflowId,
    /// The run it was meant for, where it names one; for a duplicate start the first run.
    pub run_id: Option<RunId>,
}

/// An input was in the wrong partition and was sent on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputForwarded {
    /// Where it stands.
    pub origin: Origin,
    /// The partition of its key.
    pub to_partition: u32,
    /// The workflow it is meant for.
    pub workflow_id: WorkflowId,
}

/// An effect could not be performed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectFailed {
    /// Which kind: `dispatch`, `respond`, `dead_letter`, `forward`, `delay`.
    pub effect: String,
    /// The step whose effect it was.
    pub step: u64,
    /// The topic that did not take it.
    pub topic: String,
    /// Why.
    pub message: String,
    /// The workflow it belongs to.
    pub workflow_id: Option<WorkflowId>,
}

/// Records of an input topic are gone that had not been read, or the topic is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputLost {
    /// The topic, without the namespace.
    pub topic: String,
    /// The next offset that was to be read.
    pub expected: u64,
    /// Where reading goes on instead.
    pub resumed_at: u64,
    /// What was found.
    pub message: String,
}

/// The first input after a crash is about to be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trying {
    /// Which input.
    pub origin: Origin,
    /// Which try in a row it is, counted from 1. It stands in the record because the ones before it may lie below the
    /// place where recovery begins to read. Older versions did not say it.
    #[serde(default = "first")]
    pub times: u32,
}

fn first() -> u32 {
    1
}

/// Someone has done something with a dead letter: who, what, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterHandled {
    /// Which letter.
    pub letter_id: LetterId,
    /// What was done.
    pub action: LetterAction,
    /// Who did it.
    pub by: String,
    /// Why, in his words.
    pub note: Option<String>,
    /// The workflow that it concerns, where it names one.
    pub workflow_id: Option<WorkflowId>,
    /// The run that it started, or that the same request had started before.
    pub run_id: Option<RunId>,
}

impl PartitionEvent {
    /// The workflow that it names.
    pub fn workflow_id(&self) -> Option<&WorkflowId> {
        match self {
            Self::InputRefused(event) => event.workflow_id.as_ref(),
            Self::InputRejected(event) => Some(&event.workflow_id),
            Self::InputForwarded(event) => Some(&event.workflow_id),
            Self::EffectFailed(event) => event.workflow_id.as_ref(),
            Self::DeadLetterHandled(event) => event.workflow_id.as_ref(),
            Self::InputLost(_) | Self::Trying(_) | Self::BreakerChanged(_) => None,
        }
    }

    /// The event's name: its schema, its `ce_type` and its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InputRefused(_) => "InputRefused",
            Self::InputRejected(_) => "InputRejected",
            Self::InputForwarded(_) => "InputForwarded",
            Self::EffectFailed(_) => "EffectFailed",
            Self::InputLost(_) => "InputLost",
            Self::Trying(_) => "Trying",
            Self::BreakerChanged(_) => "BreakerChanged",
            Self::DeadLetterHandled(_) => "DeadLetterHandled",
        }
    }
}
