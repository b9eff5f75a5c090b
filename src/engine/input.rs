//! The input topics of an owned partition: what has been read and not been decided, and where reading stands.

use super::owner::Stop;
use super::partition::Env;
use super::state::PartitionState;
use crate::core::time::Timestamp;
use crate::journal::record::{Below, InputPosition};
use crate::log::{LogError, Record, Topic};
use bytes::Bytes;
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

impl Arrived {
    /// How many bytes its key and value have.
    pub fn size(&self) -> usize {
        size(&self.record)
    }
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
    /// How many bytes of keys and values are in the queue.
    bytes: usize,
    paused: bool,
    /// Losses that have not been recorded, the oldest first.
    lost: VecDeque<Loss>,
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
            Input {
                topic,
                queue: VecDeque::new(),
                next,
                expected,
                bytes: 0,
                paused: false,
                lost: VecDeque::new(),
                misplaced: false,
            }
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
            input.bytes += size(&record);
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
        self.topics.iter_mut().find_map(|input| input.lost.pop_front())
    }

    /// The next record of a topic, left where it is.
    pub fn peek(&self, topic: &Topic) -> Option<&Arrived> {
        self.of(topic).and_then(|input| input.queue.front())
    }

    /// Takes the next record of a topic.
    pub fn pop(&mut self, topic: &Topic) -> Option<Arrived> {
        let input = self.topics.iter_mut().find(|input| input.topic == *topic)?;
        let arrived = input.queue.pop_front()?;
        input.bytes -= size(&arrived.record);
        Some(arrived)
    }

    /// Up to where a topic has been decided: everything below has been, markers of transactions included.
    pub fn decided_to(&self, topic: &Topic) -> u64 {
        self.of(topic).map_or(0, |input| input.queue.front().map_or(input.next, |first| first.record.offset))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.topics.iter().all(|input| input.queue.is_empty() && input.lost.is_empty())
    }

    /// Pauses what has too much waiting, and requests while they are held back; resumes the others.
    ///
    /// # Errors
    /// Where the reader refuses.
    pub fn flow(&mut self, hold_requests: bool, env: &mut Env) -> Result<(), LogError> {
        for input in &mut self.topics {
            if std::mem::take(&mut input.misplaced) {
                env.io.reader().assign(&input.topic, self.partition, input.next)?;
                input.paused = false;
            }
            let full = input.is_full(env.settings.max_inbox, env.settings.max_inbox_bytes);
            let hold = full || (hold_requests && input.topic == Topic::Requests);
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

    fn of(&self, topic: &Topic) -> Option<&Input> {
        self.topics.iter().find(|input| input.topic == *topic)
    }
}

impl Input {
    fn restart(&mut self, at: u64, message: String) {
        // What was read and not decided goes with the rest: where it stood there may be something else by now.
        let expected = self.queue.front().map_or(self.next, |first| first.record.offset);
        tracing::error!(topic = %self.topic, expected, resumed_at = at, why = message, "InputLost");
        self.lost.push_back(Loss { topic: self.topic.clone(), expected, resumed_at: at, message });
        self.next = at;
        self.queue.clear();
        self.bytes = 0;
    }

    /// Whether so much waits that reading pauses; once it does, it goes on when half of that is left.
    fn is_full(&self, records: usize, bytes: usize) -> bool {
        let share = if self.paused { 2 } else { 1 };
        self.queue.len() >= (records / share).max(1) || self.bytes >= (bytes / share).max(1)
    }
}

fn size(record: &Record) -> usize {
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    length(&record.key) + length(&record.value)
}

/// The position after a record.
pub fn position_after(record: &Record) -> InputPosition {
    InputPosition {
        topic: record.topic.to_string(),
        next: record.offset + 1,
        below: Some(Below { offset: record.offset, time: record.time }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Inputs {
        let input = |topic| Input {
            topic,
            queue: VecDeque::new(),
            next: 3,
            expected: None,
            bytes: 0,
            paused: false,
            lost: VecDeque::new(),
            misplaced: false,
        };
        Inputs { partition: 0, topics: INPUT_TOPICS.map(input) }
    }

    fn record(offset: u64, bytes: usize) -> Record {
        let value = Some(Bytes::from(vec![0; bytes]));
        let time = Timestamp::default();
        Record { topic: Topic::Requests, partition: 0, offset, time, key: None, value, headers: vec![] }
    }

    #[test]
    fn a_second_loss_does_not_hide_one_that_has_not_been_recorded() {
        let mut inputs = inputs();
        inputs.lost(&Topic::Requests, 3, 5, 9);
        inputs.lost(&Topic::Requests, 5, 8, 9);
        let losses: Vec<_> = std::iter::from_fn(|| inputs.take_loss()).collect();
        let places: Vec<_> = losses.iter().map(|loss| (loss.expected, loss.resumed_at)).collect();
        assert_eq!(places, [(3, 5), (5, 8)]);
    }

    #[test]
    fn reading_pauses_by_number_and_by_size_until_half_is_left() {
        let mut inputs = inputs();
        let full = |inputs: &Inputs| inputs.of(&Topic::Requests).unwrap().is_full(4, 1_000);
        for offset in 3..6 {
            inputs.push(record(offset, 10), Timestamp::default());
        }
        assert!(!full(&inputs));
        inputs.push(record(6, 970), Timestamp::default());
        assert!(full(&inputs), "four records");
        inputs.pop(&Topic::Requests);
        assert!(!full(&inputs), "three records of 990 bytes");
        inputs.push(record(7, 10), Timestamp::default());
        inputs.pop(&Topic::Requests);
        inputs.push(record(8, 10), Timestamp::default());
        inputs.topics[2].paused = true;
        inputs.pop(&Topic::Requests);
        assert!(full(&inputs), "still more than half of the bytes");
        inputs.pop(&Topic::Requests);
        inputs.pop(&Topic::Requests);
        assert!(!full(&inputs));
    }
}
