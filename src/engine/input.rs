//! The input topics of an owned partition: what has been read and not been decided, and where reading stands.

use super::owner::Stop;
use super::partition::Env;
use super::state::PartitionState;
use crate::core::time::Timestamp;
use crate::journal::record::{Below, InputPosition};
use crate::log::{LogError, Record, Topic};
use std::collections::VecDeque;

/// The topics that an engine decides on. Results come first: they finish what has begun.
pub const INPUT_TOPICS: [Topic; 3] = [Topic::Results, Topic::Signals, Topic::Requests];

/// An input record, and when it came in by the local clock.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The record.
    pub record: Record,
    /// When it came in.
    pub at: Timestamp,
}

/// The input topics of one partition.
pub struct Inputs {
    partition: u32,
    topics: [Input; 3],
}

/// One input topic.
struct Input {
    topic: Topic,
    queue: VecDeque<Arrived>,
    /// The next offset to be read.
    next: u64,
    /// The record below it, by which a lost topic is recognised; checked once, at the start.
    expected: Option<Below>,
    paused: bool,
    lost: Option<Loss>,
    /// The reader stands elsewhere and has to be sent to `next`.
    misplaced: bool,
}

/// What was lost of an input topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The topic.
    pub topic: Topic,
    /// The next offset that was to be read.
    pub expected: u64,
    /// Where reading goes on.
    pub resumed_at: u64,
    /// What was found.
    pub message: String,
}

impl Inputs {
    /// Reads every input topic on from its recorded position, beginning with the record below it.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn begin(partition: u32, state: &PartitionState, env: &mut Env) -> Result<Self, Stop> {
        let input = |topic: Topic| {
            let position = state.inputs.get(&topic.to_string());
            let next = position.map_or(0, |position| position.next);
            let expected = position.and_then(|position| position.below);
            Input { topic, queue: VecDeque::new(), next, expected, paused: false, lost: None, misplaced: false }
        };
        let topics = INPUT_TOPICS.map(input);
        for input in &topics {
            let from = input.expected.map_or(input.next, |below| below.offset);
            env.io.reader().assign(&input.topic, partition, from).map_err(Stop::Log)?;
        }
        Ok(Self { partition, topics })
    }

    /// A record was read.
    pub fn push(&mut self, record: Record, now: Timestamp) {
        let Some(input) = self.topics.iter_mut().find(|input| input.topic == record.topic) else { return };
        if let Some(below) = input.expected.take() {
            if record.offset == below.offset && record.time != below.time {
                input.restart(0, format!("the record at offset {} is not the one that was read", below.offset));
                input.misplaced = true;
            } else if record.offset > input.next {
                let message = format!("records {} to {} are gone", input.next, record.offset);
                input.restart(record.offset, message);
            }
        }
        if record.offset >= input.next && !input.misplaced {
            input.next = record.offset + 1;
            input.queue.push_back(Arrived { record, at: now });
        }
    }

    /// A topic has been read to its end.
    pub fn reached(&mut self, topic: &Topic, offset: u64) {
        if let Some(input) = self.topics.iter_mut().find(|input| input.topic == *topic) {
            if input.expected.take().is_some_and(|below| offset <= below.offset) {
                input.restart(0, format!("the topic ends at offset {offset}, below what was read"));
                input.misplaced = true;
            } else if !input.misplaced {
                input.next = input.next.max(offset);
            }
        }
    }

    /// The offset that was to be read next is not there, or what stood below it is not there any more.
    pub fn lost(&mut self, topic: &Topic, wanted: u64, low: u64, high: u64) {
        let Some(input) = self.topics.iter_mut().find(|input| input.topic == *topic) else { return };
        input.expected = None;
        if wanted >= low {
            input.restart(low, format!("the topic ends at offset {high}: it is another one, or has lost records"));
        } else if low > input.next {
            input.restart(low, format!("records {} to {low} are gone", input.next));
        }
        // Else retention has removed records that had been read.
    }

    /// A loss that has not been recorded.
    pub fn take_loss(&mut self) -> Option<Loss> {
        self.topics.iter_mut().find_map(|input| input.lost.take())
    }

    /// The next record of a topic, left where it is.
    pub fn peek(&self, topic: &Topic) -> Option<&Arrived> {
        self.of(topic).and_then(|input| input.queue.front())
    }

    /// Takes the next record of a topic.
    pub fn pop(&mut self, topic: &Topic) -> Option<Arrived> {
        self.topics.iter_mut().find(|input| input.topic == *topic).and_then(|input| input.queue.pop_front())
    }

    /// Up to where a topic has been decided: everything below has been, markers of transactions included.
    pub fn decided_to(&self, topic: &Topic) -> u64 {
        self.of(topic).map_or(0, |input| input.queue.front().map_or(input.next, |first| first.record.offset))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.topics.iter().all(|input| input.queue.is_empty() && input.lost.is_none())
    }

    /// Pauses what has too much waiting, and requests while they are held back; resumes the others.
    ///
    /// # Errors
    /// Where the reader refuses.
    pub fn flow(&mut self, hold_requests: bool, max_inbox: usize, env: &mut Env) -> Result<(), LogError> {
        for input in &mut self.topics {
            if std::mem::take(&mut input.misplaced) {
                env.io.reader().assign(&input.topic, self.partition, input.next)?;
                input.paused = false;
            }
            let limit = if input.paused { max_inbox / 2 } else { max_inbox };
            let hold = input.queue.len() >= limit.max(1) || (hold_requests && input.topic == Topic::Requests);
            if hold != input.paused {
                input.paused = hold;
                if hold {
                    env.io.reader().pause(&input.topic, self.partition)?;
                } else {
                    env.io.reader().resume(&input.topic, self.partition)?;
                }
            }
        }
        Ok(())
    }

    /// Whether requests are held back.
    pub fn requests_held(&self) -> bool {
        self.of(&Topic::Requests).is_some_and(|input| input.paused)
    }

    fn of(&self, topic: &Topic) -> Option<&Input> {
        self.topics.iter().find(|input| input.topic == *topic)
    }
}

impl Input {
    fn restart(&mut self, at: u64, message: String) {
        tracing::error!(topic = %self.topic, expected = self.next, resumed_at = at, why = message, "InputLost");
        self.lost = Some(Loss { topic: self.topic.clone(), expected: self.next, resumed_at: at, message });
        self.next = at;
        self.queue.clear();
    }
}

/// The position after a record.
pub fn position_after(record: &Record) -> InputPosition {
    InputPosition {
        topic: record.topic.to_string(),
        next: record.offset + 1,
        below: Some(Below { offset: record.offset, time: record.time }),
    }
}
