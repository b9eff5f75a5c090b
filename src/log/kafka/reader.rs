//! Reads partitions over a consumer without a group.

use super::super::{Delivery, LogError, Reader, Topic};
use super::control::Asker;
use super::faults;
use super::lifeline::Lifeline;
use super::names::Names;
use super::raw::{Event, Fetcher, Message};
use super::record;
use super::watch::{Context, log_line};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// At most so many deliveries a call, so that whoever reads gets to do other things.
const MAX_DELIVERIES: usize = 4096;
/// At most so many bytes of keys and values a call, for the same reason.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How long a question inside a poll may take before it is asked again by a later call.
const QUESTION: Duration = Duration::from_secs(1);

/// A [`Reader`] of Kafka.
pub(super) struct KafkaReader {
    fetcher: Fetcher<Context>,
    asker: Asker,
    lifeline: Lifeline,
    names: Names,
    parts: Vec<Part>,
    /// The part that the last record was of: the next one most likely is, too.
    last: usize,
}

/// A partition that was assigned.
struct Part {
    topic: Topic,
    name: String,
    partition: i32,
    /// The next offset to hand out.
    next: u64,
    state: State,
    /// A broker said that there is no such partition, and that has not been looked into yet. One that lags behind
    /// may not know a topic that was made a moment ago, or that it has just begun to lead.
    doubted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Being read.
    Reading,
    /// Held back: not being read, its position is `next`.
    Paused,
    /// Its position is not there; where to go on is not known yet. `held`: and it is paused, too.
    Lost { held: bool },
}

/// What an event came to.
enum Found {
    Nothing,
    Delivered(usize),
    Failed(LogError),
}

impl KafkaReader {
    /// Over a fetcher that reads nothing yet.
    pub(super) fn new(fetcher: Fetcher<Context>, asker: Asker, names: Names) -> Self {
        let lifeline = Lifeline::new(Arc::clone(asker.watch()));
        Self { fetcher, asker, lifeline, names, parts: Vec::new(), last: 0 }
    }

    fn find(&self, topic: &Topic, partition: u32) -> Option<usize> {
        let is_it = |part: &Part| part.partition == partition.cast_signed() && part.topic == *topic;
        self.parts.iter().position(is_it)
    }

    fn assigned(&self, topic: &Topic, partition: u32) -> Result<usize, LogError> {
        let missing = || LogError::Refused(format!("{topic}/{partition} is not assigned to this reader"));
        self.find(topic, partition).ok_or_else(missing)
    }

    fn start(&mut self, index: usize) -> Result<(), LogError> {
        let part = &mut self.parts[index];
        // An offset that Kafka cannot count to is beyond every end, and reported as lost.
        let offset = i64::try_from(part.next).unwrap_or(i64::MAX);
        part.state = State::Reading;
        part.doubted = false;
        let started = self.fetcher.start(&part.name, part.partition, offset);
        started.map_err(|reason| refused(&self.parts[index], &reason))
    }

    fn stop(&mut self, index: usize) -> Result<(), LogError> {
        let part = &self.parts[index];
        let stopped = self.fetcher.stop(&part.name, part.partition);
        stopped.map_err(|reason| refused(&self.parts[index], &reason))
    }

    /// Finds out where lost partitions go on.
    fn serve_lost(&mut self, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        for index in 0..self.parts.len() {
            let part = &self.parts[index];
            if part.state != (State::Lost { held: false }) {
                continue;
            }
            let Ok(ends) = self.asker.ends(&part.name, part.partition, QUESTION) else { continue };
            if !(ends.low..=ends.high).contains(&part.next) {
                out.push(Delivery::Lost {
                    topic: part.topic.clone(),
                    partition: part.partition.cast_unsigned(),
                    wanted: part.next,
                    low: ends.low,
                    high: ends.high,
                });
                self.parts[index].next = ends.low;
            }
            self.start(index)?;
        }
        Ok(())
    }

    /// Finds out whether doubted partitions exist.
    fn serve_doubts(&mut self) -> Result<(), LogError> {
        for part in self.parts.iter_mut().filter(|part| part.doubted) {
            match self.asker.partitions(&part.name, QUESTION) {
                Ok(Some(count)) if part.partition.cast_unsigned() < count => part.doubted = false,
                Ok(_) => {
                    return Err(LogError::UnknownTopic(format!("{} (partition {})", part.name, part.partition)));
                }
                // Nobody answers: the next call asks again.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Takes one event; waits up to `wait` for it.
    fn take(&mut self, wait: Duration, out: &mut Vec<Delivery>) -> Option<Found> {
        let Self { fetcher, asker, parts, last, .. } = self;
        let mut found = Found::Nothing;
        let any = fetcher.poll(wait, |event| match event {
            Event::Record(message) => {
                if let Some(part) = reading(parts, last, message.topic(), message.partition()) {
                    found = Found::Delivered(hand_out(part, &message, out));
                }
            }
            Event::Partition { topic, partition, offset, code, reason } => {
                if let Some(part) = reading(parts, last, topic, partition) {
                    found = happened(part, asker, (offset, code, &reason), out);
                }
            }
            Event::Client { code, reason } => asker.watch().suspect(&format!("{code}: {reason}")),
            Event::Log { facility, line } => log_line(&facility, &line),
            Event::Delivered(_) | Event::Other => {}
        });
        any.then_some(found)
    }
}

/// The part that something is of, if it is being read.
fn reading<'p>(parts: &'p mut [Part], last: &mut usize, name: &str, partition: i32) -> Option<&'p mut Part> {
    let is_it = |part: &Part| part.partition == partition && part.name == name;
    if !parts.get(*last).is_some_and(is_it) {
        *last = parts.iter().position(is_it)?;
    }
    parts.get_mut(*last).filter(|part| part.state == State::Reading)
}

/// Hands a record out; says how many bytes it has.
fn hand_out(part: &mut Part, message: &Message<'_>, out: &mut Vec<Delivery>) -> usize {
    let record = record::copy(part.topic.clone(), message);
    part.next = record.offset + 1;
    let size = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    let bytes = size(&record.key) + size(&record.value);
    out.push(Delivery::Record(record));
    bytes
}

/// Something that is no record happened to a part.
fn happened(
    part: &mut Part,
    asker: &Asker,
    (offset, code, reason): (i64, Code, &str),
    out: &mut Vec<Delivery>,
) -> Found {
    match code {
        Code::PartitionEOF => {
            part.next = u64::try_from(offset).unwrap_or(part.next).max(part.next);
            let partition = part.partition.cast_unsigned();
            out.push(Delivery::End { topic: part.topic.clone(), partition, offset: part.next });
            Found::Delivered(0)
        }
        Code::AutoOffsetReset => {
            part.state = State::Lost { held: false };
            Found::Nothing
        }
        code if faults::is_unknown_topic(code) => {
            part.doubted = true;
            Found::Nothing
        }
        code if faults::is_operating(code) => {
            asker.watch().suspect(&format!("{code}: {reason}"));
            Found::Nothing
        }
        _ => Found::Failed(refused(part, &format!("at offset {}: {code}: {reason}", part.next))),
    }
}

fn refused(part: &Part, reason: &str) -> LogError {
    LogError::Refused(format!("{} [{}] cannot be read: {reason}", part.name, part.partition))
}

impl Reader for KafkaReader {
    fn assign(&mut self, topic: &Topic, partition: u32, offset: u64) -> Result<(), LogError> {
        let number = i32::try_from(partition)
            .map_err(|_| LogError::UnknownTopic(format!("{} (partition {partition})", self.names.name(topic))))?;
        let index = match self.find(topic, partition) {
            Some(index) => {
                self.stop(index)?;
                index
            }
            None => {
                let name = self.names.name(topic);
                let state = State::Paused;
                self.parts.push(Part {
                    topic: topic.clone(),
                    name,
                    partition: number,
                    next: offset,
                    state,
                    doubted: false,
                });
                self.parts.len() - 1
            }
        };
        self.parts[index].next = offset;
        self.start(index)
    }

    fn unassign(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        let Some(index) = self.find(topic, partition) else { return Ok(()) };
        self.stop(index)?;
        self.parts.swap_remove(index);
        Ok(())
    }

    /// Stops the partition and remembers where it stood, rather than librdkafka's own pause: after that one an end
    /// that had been reported already, but not been handed out, would never come.
    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        let index = self.assigned(topic, partition)?;
        match self.parts[index].state {
            State::Reading => {
                self.stop(index)?;
                self.parts[index].state = State::Paused;
            }
            State::Lost { .. } => self.parts[index].state = State::Lost { held: true },
            State::Paused => {}
        }
        Ok(())
    }

    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        let index = self.assigned(topic, partition)?;
        match self.parts[index].state {
            State::Paused => self.start(index)?,
            State::Lost { .. } => self.parts[index].state = State::Lost { held: false },
            State::Reading => {}
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        let (before, began) = (out.len(), Instant::now());
        self.asker.serve();
        self.lifeline.tend(self.fetcher.client().client());
        self.serve_doubts()?;
        self.serve_lost(out)?;
        let mut bytes = 0;
        loop {
            let nothing_yet = out.len() == before;
            let left = if nothing_yet { wait.saturating_sub(began.elapsed()) } else { Duration::ZERO };
            match self.take(left, out) {
                Some(Found::Delivered(size)) => bytes += size,
                Some(Found::Failed(error)) => return Err(error),
                Some(Found::Nothing) => self.after_nothing(out)?,
                None if nothing_yet && !left.is_zero() && began.elapsed() < wait => {}
                None => return Ok(()),
            }
            if out.len() - before >= MAX_DELIVERIES || bytes >= MAX_BYTES {
                return Ok(());
            }
        }
    }
}

impl KafkaReader {
    /// An event that handed nothing out may have been a loss: that is answered at once, stopped partitions first.
    fn after_nothing(&mut self, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        for index in 0..self.parts.len() {
            if self.parts[index].state == (State::Lost { held: false }) {
                self.stop(index)?;
            }
        }
        self.serve_doubts()?;
        self.serve_lost(out)
    }
}
