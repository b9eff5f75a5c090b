//! Rows laid out as columns, the same for both databases.

use super::{int, state};
use crate::core::failure::Failure;
use crate::core::id::NodeId;
use crate::core::run::{Outcome, Run};
use crate::store::row::{Operation, OperationRow, RunRow};
use crate::store::{JournalMark, StoreError};

/// A run's row with what has to be worked out for it.
pub struct FlatRun<'a> {
    /// The run.
    pub run: &'a Run,
    /// The hash chain over its events.
    pub chain: &'a [u8],
    /// JSON: what the columns do not hold.
    pub state: String,
    /// Nodes completed, failed, open.
    pub nodes: [i64; 3],
}

impl<'a> FlatRun<'a> {
    /// Works out a row.
    pub fn new(row: &'a RunRow) -> Result<Self, StoreError> {
        let state = state::encode(&row.run)
            .map_err(|e| StoreError::Refused(format!("run {} cannot be written as JSON: {e}", row.run.run_id)))?;
        let mut nodes = [0; 3];
        for node in row.run.nodes.values() {
            let kinds = [node.status.has_output(), node.status.has_failed(), node.status.awaits()];
            nodes.iter_mut().zip(kinds).for_each(|(count, is)| *count += i64::from(is));
        }
        Ok(Self { run: &row.run, chain: &row.chain, state, nodes })
    }

    /// All rows of a batch.
    pub fn all(rows: &'a [RunRow]) -> Result<Vec<Self>, StoreError> {
        rows.iter().map(Self::new).collect()
    }

    /// The answer, if it has one.
    pub fn answer(&self) -> Option<&'a str> {
        match &self.run.outcome {
            Some(Outcome::Answer(answer)) => Some(answer.as_str()),
            Some(Outcome::Failure(..)) | None => None,
        }
    }

    /// How it failed, if it did.
    pub fn failure(&self) -> Option<(Option<&'a NodeId>, &'a Failure)> {
        match &self.run.outcome {
            Some(Outcome::Failure(node_id, failure)) => Some((node_id.as_ref(), failure)),
            Some(Outcome::Answer(_)) | None => None,
        }
    }

    /// About how many bytes its columns have.
    pub fn weight(&self) -> usize {
        512 + self.state.len() + self.run.input.len() + self.answer().map_or(0, str::len)
    }
}

/// The columns of an operation that depend on its kind.
#[derive(Default)]
pub struct FlatOperation<'a> {
    /// The kind.
    pub operation: &'static str,
    /// `agent_call`: the node.
    pub node_id: Option<&'a str>,
    /// `agent_call`: the agent.
    pub agent_name: Option<&'a str>,
    /// `agent_call`: the attempt.
    pub attempt: Option<i64>,
    /// `agent_call`: how it ended.
    pub status: Option<&'static str>,
    /// `agent_call`: how long it took.
    pub duration_us: Option<i64>,
    /// `state_transition`: before.
    pub from_status: Option<&'static str>,
    /// `state_transition`: after.
    pub to_status: Option<&'static str>,
    /// `input_rejected`: a word.
    pub reason: Option<&'a str>,
    /// `input_rejected`: a sentence.
    pub message: Option<&'a str>,
    /// `input_forwarded`: where to.
    pub to_partition: Option<i64>,
}

impl<'a> From<&'a OperationRow> for FlatOperation<'a> {
    fn from(row: &'a OperationRow) -> Self {
        match &row.operation {
            Operation::AgentCall { node_id, agent_name, attempt, status, duration_us } => Self {
                operation: "agent_call",
                node_id: Some(node_id.as_str()),
                agent_name: Some(agent_name.as_str()),
                attempt: Some(i64::from(*attempt)),
                status: Some(status.as_str()),
                duration_us: Some(int(*duration_us)),
                ..Self::default()
            },
            Operation::StateTransition { from, to } => Self {
                operation: "state_transition",
                from_status: Some(from.as_str()),
                to_status: Some(to.as_str()),
                ..Self::default()
            },
            Operation::InputRejected { reason, message } => {
                Self { operation: "input_rejected", reason: Some(reason), message: Some(message), ..Self::default() }
            }
            Operation::InputForwarded { to_partition } => {
                Self { operation: "input_forwarded", to_partition: Some(i64::from(*to_partition)), ..Self::default() }
            }
        }
    }
}

/// The columns of a mark: offset, term, number.
pub fn mark(mark: Option<&JournalMark>) -> [Option<i64>; 3] {
    match mark {
        Some(mark) => [Some(int(mark.offset)), Some(int(mark.term)), mark.number.map(int)],
        None => [None; 3],
    }
}
