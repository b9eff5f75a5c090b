//! Dead letters: what they are called, and what may be done with them.

use super::id::{LetterId, RunId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

impl LetterId {
    /// The letter of an exhausted node: of the run's event with this number, its last `NodeFailed`.
    pub fn of_node(run_id: &RunId, sequence: u64) -> Self {
        Self::of_event(&format!("{run_id}/{sequence}"))
    }

    /// The letter of a refused input: of the partition's event with this number, its `InputRefused`.
    pub fn of_input(partition: u32, sequence: u64) -> Self {
        Self::of_event(&format!("partition-{partition}/{sequence}"))
    }

    /// The first 16 hexadecimal digits of SHA-256 of the event's `ce_id`.
    fn of_event(ce_id: &str) -> Self {
        Self::new(&hex::encode(&Sha256::digest(ce_id)[..8])).expect("16 lower-case hexadecimal digits")
    }
}

/// What was done with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterAction {
    /// Handed in again as it was.
    Redrive,
    /// Repaired and handed in again.
    Edit,
    /// The run goes on without the node.
    Skip,
    /// The node was given a result by hand.
    Supply,
    /// Put aside: nothing will be done.
    Discard,
}

impl LetterAction {
    /// Every action.
    pub const ALL: [Self; 5] = [Self::Redrive, Self::Edit, Self::Skip, Self::Supply, Self::Discard];

    /// The word in events, headers and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Edit => "edit",
            Self::Skip => "skip",
            Self::Supply => "supply",
            Self::Discard => "discard",
        }
    }
}

impl fmt::Display for LetterAction {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Someone says what he does with a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterHandling {
    /// Which letter.
    pub letter_id: LetterId,
    /// What.
    pub action: LetterAction,
    /// Who.
    pub by: String,
    /// Why, in his words.
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_called_by_the_event_that_made_it() {
        // printf %s partition-3/17 | sha256sum
        assert_eq!(LetterId::of_input(3, 17), LetterId::of_event("partition-3/17"));
        let run = RunId::new(&"a".repeat(32)).expect("a run id");
        assert_ne!(LetterId::of_node(&run, 7), LetterId::of_node(&run, 8));
        for text in ["", "0123", "0123456789ABCDEF", "0123456789abcdefg"] {
            assert!(LetterId::new(text).is_err(), "{text}");
        }
    }
}
