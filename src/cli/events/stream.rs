//! The events of a partition, one after another: each once, and whatever is not as it should be named.

use super::order::{Sequences, Verdict};
use super::place::Placed;
use crate::log::Record;

/// The events of one partition as they come.
#[derive(Debug)]
pub struct Stream {
    sequences: Sequences,
    /// How many records were left out because their event had come already.
    pub twins: u64,
}

/// What a record says.
#[derive(Debug, Default)]
pub struct Heard {
    /// Its event; none: it is a twin, or no event.
    pub event: Option<Placed>,
    /// What is wrong with it or before it, with the place.
    pub complaint: Option<String>,
}

impl Stream {
    /// Of a partition that is read from an offset on.
    pub fn from(offset: u64) -> Self {
        Self { sequences: Sequences::from(offset), twins: 0 }
    }

    /// The next record.
    pub fn hear(&mut self, record: &Record) -> Heard {
        let placed = match Placed::read(record) {
            Ok(placed) => placed,
            // What somebody else wrote into the stream is named, and does not end the view.
            Err(complaint) => return Heard { event: None, complaint: Some(complaint) },
        };
        let complaint = match self.sequences.read(&placed.published) {
            Verdict::Next => None,
            Verdict::Twin => {
                self.twins += 1;
                return Heard::default();
            }
            Verdict::Gap { expected, found } => {
                let (partition, offset, id) = (placed.partition, placed.offset, &placed.event_id);
                let of = id.split('/').next().unwrap_or_default();
                Some(format!(
                    "events/{partition}, offset {offset}: expected event {expected} of {of}, found event {found}"
                ))
            }
        };
        Heard { event: Some(placed), complaint }
    }
}

/// What is said where the log has removed records that were asked for.
pub fn lost(partition: u32, wanted: u64, low: u64) -> String {
    format!("events/{partition}: offsets {wanted} to {low} are gone")
}
