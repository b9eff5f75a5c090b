//! What is decided together: the transitions of a step, with the events that their effects follow from.

use crate::core::event::Event;
use crate::core::time::Timestamp;
use crate::journal::record::{Cause, InputRecord, JournalRecord, Transition};
use crate::wire::WireError;
use crate::wire::event::{Published, decode};
use bytes::Bytes;

/// A transition whose events are still at hand.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What caused it.
    pub cause: Cause,
    /// The hash chain before its first event.
    pub chain: [u8; 16],
    /// The W3C trace context of the run.
    pub traceparent: Option<String>,
    /// The events, each with its bytes.
    pub events: Vec<(Published, Bytes)>,
    /// The input record, where an effect needs it.
    pub input: Option<InputRecord>,
}

impl Planned {
    /// Reads a recorded transition.
    ///
    /// # Errors
    /// Where an event cannot be read.
    pub fn of(transition: &Transition) -> Result<Self, WireError> {
        let read = |body: &Bytes| Ok((decode(body)?, body.clone()));
        Ok(Self {
            cause: transition.cause.clone(),
            chain: transition.chain,
            traceparent: transition.traceparent.clone(),
            events: transition.events.iter().map(read).collect::<Result<_, WireError>>()?,
            input: transition.input.clone(),
        })
    }

    fn transition(&self) -> Transition {
        Transition {
            cause: self.cause.clone(),
            chain: self.chain,
            traceparent: self.traceparent.clone(),
            events: self.events.iter().map(|(_, body)| body.clone()).collect(),
            input: self.input.clone(),
        }
    }
}

/// A step in the making.
#[derive(Debug, Default)]
pub struct StepDraft {
    /// What was decided so far.
    pub planned: Vec<Planned>,
    /// Failed effects (by the number of their step) that are done when this step counts.
    pub settles: Vec<u64>,
    bytes: usize,
    nodes: usize,
}

impl StepDraft {
    /// Adds a transition.
    pub fn push(&mut self, planned: Planned) {
        let kept = planned.input.as_ref().map_or(0, InputRecord::size);
        self.bytes += kept + planned.events.iter().map(|(_, body)| body.len()).sum::<usize>();
        let is_scheduling = |event: &&(Published, Bytes)| matches!(&event.0, Published::Run(recorded) if matches!(recorded.event, Event::NodeScheduled(_)));
        self.nodes += planned.events.iter().filter(is_scheduling).count();
        self.planned.push(planned);
    }

    /// Whether nothing has been decided.
    pub fn is_empty(&self) -> bool {
        self.planned.is_empty()
    }

    /// Whether what follows from an input of so many bytes could make it larger than a step may be. What an input says
    /// may stand twice in its events.
    pub fn would_overflow(&self, input_bytes: usize, max_bytes: usize) -> bool {
        !self.is_empty() && self.bytes + 2 * input_bytes > max_bytes
    }

    /// Whether it holds as much as a step may.
    pub fn is_full(&self, max_bytes: usize, max_nodes: usize) -> bool {
        self.bytes >= max_bytes || self.nodes >= max_nodes
    }

    /// The transitions as they are recorded.
    pub fn transitions(&self) -> Vec<Transition> {
        self.planned.iter().map(Planned::transition).collect()
    }
}

/// A step that has been appended and not been read back.
#[derive(Debug)]
pub struct PendingStep {
    /// Its number.
    pub number: u64,
    /// When it was appended, by the local clock.
    pub sent: Timestamp,
    /// The record, and the bytes that were appended: what is read back is compared with them, and not decoded.
    pub record: JournalRecord,
    /// See `record`.
    pub bytes: Bytes,
    /// What it holds.
    pub planned: Vec<Planned>,
    /// Failed effects that are done when it counts.
    pub settles: Vec<u64>,
}
