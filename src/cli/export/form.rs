//! What an export is made of.

use super::To;
use super::target::Target;
use crate::cli::events::place::Placed;
use anyhow::Result;
use std::io::Write;

/// Writes events.
pub enum Form {
    /// A line of JSON each.
    Jsonl(Target),
}

impl Form {
    /// For this target.
    pub fn new(to: To, target: Target) -> Self {
        match to {
            To::Jsonl => Self::Jsonl(target),
        }
    }

    /// Writes an event.
    ///
    /// # Errors
    /// Where the target can't be written.
    pub fn write(&mut self, placed: &Placed) -> Result<()> {
        match self {
            Self::Jsonl(target) => {
                let mut line = serde_json::to_vec(&placed.json())?;
                line.push(b'\n');
                Ok(target.write_all(&line)?)
            }
        }
    }

    /// The target, with everything that was written.
    ///
    /// # Errors
    /// Where the target can't be written.
    pub fn finish(self) -> Result<Target> {
        match self {
            Self::Jsonl(target) => Ok(target),
        }
    }
}
