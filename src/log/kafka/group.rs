//! Membership in a consumer group.
//!
//! Librdkafka is told of a partition that is given only when what was committed for it is known ([`KafkaGroup::take`]);
//! until then the group waits for this member, which goes on polling. So it does for partitions that are taken away:
//! librdkafka is told by the poll after the one that told the member, which commits its last positions in between.

use super::super::{Committed, Group, GroupEvent, LogError, MAX_COMMIT_METADATA, Membership, Record, Topic};
use super::control::{ANSWER, Asker};
use super::faults;
use super::lifeline::Lifeline;
use super::member::{Change, Consuming, give_up, log_failure, take};
use super::names::Names;
use super::raw;
use crate::core::time::Timestamp;
use bytes::Bytes;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// At most so many records a call, so that whoever polls gets to do other things.
const MAX_RECORDS: usize = 1024;
/// How long a question inside a poll may take before it is asked again by a later call.
const QUESTION: Duration = Duration::from_secs(1);
/// How long closing a consumer may take: it says goodbye to its group, which takes milliseconds where Kafka answers.
const CLOSE: Duration = Duration::from_secs(10);

/// A [`Group`] of Kafka.
pub(super) struct KafkaGroup {
    consumer: Option<Consuming>,
    membership: Membership,
    asker: Asker,
    lifeline: Lifeline,
    names: Names,
    /// The names of the topics that are shared.
    topics: Vec<String>,
    /// What is this member's, as far as it was told.
    mine: Vec<(Topic, u32)>,
    /// What it was told by the last poll to give up, and librdkafka has not been told yet.
    giving_up: Vec<(TopicPartitionList, Vec<(Topic, u32)>)>,
    /// A broker said that a topic does not exist, and that has not been looked into yet.
    doubted: bool,
    /// The group has said what is this member's.
    settled: bool,
}

impl KafkaGroup {
    /// Joins.
    pub(super) fn join(
        consumer: Consuming,
        topics: &[Topic],
        membership: Membership,
        asker: Asker,
        names: Names,
    ) -> Result<Self, LogError> {
        let all: Vec<String> = topics.iter().map(|topic| names.name(topic)).collect();
        let subscribed = consumer.subscribe(&all.iter().map(String::as_str).collect::<Vec<_>>());
        subscribed.map_err(|error| LogError::Refused(format!("joining the group: {error}")))?;
        let lifeline = Lifeline::new(Arc::clone(asker.watch()));
        Ok(Self {
            consumer: Some(consumer),
            membership,
            asker,
            lifeline,
            names,
            topics: all,
            mine: Vec::new(),
            giving_up: Vec::new(),
            doubted: false,
            settled: false,
        })
    }

    fn consumer(&self) -> Result<&Consuming, LogError> {
        self.consumer.as_ref().ok_or_else(|| LogError::Refused("this member has left its group".into()))
    }

    fn is_mine(&self, topic: &Topic, partition: u32) -> bool {
        self.mine.iter().any(|(t, p)| *p == partition && t == topic)
    }

    fn is_being_given_up(&self, topic: &Topic, partition: u32) -> bool {
        self.giving_up.iter().flat_map(|(_, places)| places).any(|(t, p)| *p == partition && t == topic)
    }

    /// The group need not wait any longer for what the member was told to give up.
    fn give_up_told(&mut self) {
        let Some(consumer) = &self.consumer else { return };
        for (list, _) in self.giving_up.drain(..) {
            log_failure("give up", give_up(consumer, &list));
        }
    }

    fn place(&self, topic: &Topic, partition: u32) -> Result<(String, i32), LogError> {
        match i32::try_from(partition) {
            Ok(number) if self.is_mine(topic, partition) || self.is_being_given_up(topic, partition) => {
                Ok((self.names.name(topic), number))
            }
            _ => Err(LogError::Refused(format!("{topic}/{partition} is not (or no longer) this member's"))),
        }
    }

    /// Tells the member what has changed, in order; stops at partitions whose committed position is not known yet.
    fn tell(&mut self, out: &mut Vec<GroupEvent>) -> Result<(), LogError> {
        loop {
            let consumer = self.consumer()?;
            let Some(change) = consumer.context().changes().pop_front() else { return Ok(()) };
            match change {
                Change::Revoked { list, given_up, thrown_out } => {
                    self.settled &= !thrown_out;
                    let told = self.tell_revoked(&list, thrown_out, out);
                    if !given_up {
                        self.giving_up.push((list, told));
                    }
                }
                Change::Given(list) => match self.given(&list) {
                    Some(events) => {
                        self.settled = true;
                        out.extend(events);
                    }
                    None => {
                        self.consumer()?.context().changes().push_front(Change::Given(list));
                        return Ok(());
                    }
                },
            }
        }
    }

    /// Tells the member what is taken away from it; of what it was not told yet it never hears.
    fn tell_revoked(
        &mut self,
        list: &TopicPartitionList,
        thrown_out: bool,
        out: &mut Vec<GroupEvent>,
    ) -> Vec<(Topic, u32)> {
        let mut told = Vec::new();
        for place in list.elements() {
            let Some(topic) = self.names.topic(place.topic()) else { continue };
            let partition = place.partition().cast_unsigned();
            if let Some(index) = self.mine.iter().position(|(t, p)| *p == partition && *t == topic) {
                self.mine.swap_remove(index);
                told.push((topic.clone(), partition));
                out.push(GroupEvent::Revoked { topic, partition, thrown_out });
            }
        }
        told
    }

    /// Takes partitions and says what was committed for them; none: that is not known yet.
    fn given(&mut self, list: &TopicPartitionList) -> Option<Vec<GroupEvent>> {
        let consumer = self.consumer.as_ref()?;
        let mut committed = list.clone();
        if list.count() > 0 {
            committed = match consumer.committed_offsets(committed, QUESTION) {
                Ok(committed) if committed.elements().iter().all(|place| place.error().is_ok()) => committed,
                Ok(_) => return None,
                Err(error) => {
                    tracing::debug!("the committed positions are not known yet: {error}");
                    return None;
                }
            };
        }
        let events: Vec<GroupEvent> =
            committed.elements().iter().filter_map(|place| given_event(&self.names, place)).collect();
        for mut place in committed.elements() {
            if !matches!(place.offset(), Offset::Offset(_)) {
                log_failure("place", place.set_offset(Offset::Beginning));
            }
        }
        log_failure("take", take(consumer, &committed));
        if self.membership == Membership::AssignOnly {
            log_failure("pause", consumer.pause(&committed));
        }
        for event in &events {
            if let GroupEvent::Given { topic, partition, .. } = event {
                self.mine.push((topic.clone(), *partition));
            }
        }
        Some(events)
    }

    /// Finds out whether doubted topics exist.
    fn serve_doubts(&mut self) -> Result<(), LogError> {
        for name in self.topics.iter().filter(|_| self.doubted) {
            match self.asker.partitions(name, QUESTION) {
                Ok(Some(_)) => {}
                Ok(None) => return Err(LogError::UnknownTopic(name.clone())),
                // Nobody answers: the next call asks again.
                Err(_) => return Ok(()),
            }
        }
        self.doubted = false;
        Ok(())
    }

    /// An error that came instead of a record.
    fn fault(&mut self, error: &KafkaError) -> Result<(), LogError> {
        let Some(code) = error.rdkafka_error_code() else { return Err(LogError::Refused(error.to_string())) };
        match code {
            code if faults::is_unknown_topic(code) => {
                self.doubted = true;
                Ok(())
            }
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::InconsistentGroupProtocol
            | Code::InvalidSessionTimeout
            | Code::InvalidGroupId
            | Code::Fatal => Err(LogError::Refused(format!("the group cannot be joined: {error}"))),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                Err(LogError::Refused(format!("the group's consumer has failed for good: {error}")))
            }
            // The rest heals by itself: the member is thrown out and joins again, a broker is away.
            code => {
                tracing::debug!("the group's consumer: {code}");
                Ok(())
            }
        }
    }
}

fn given_event(names: &Names, place: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> Option<GroupEvent> {
    let topic = names.topic(place.topic())?;
    let committed = match place.offset() {
        Offset::Offset(offset) => {
            u64::try_from(offset).ok().map(|offset| Committed { offset, metadata: place.metadata().to_owned() })
        }
        _ => None,
    };
    Some(GroupEvent::Given { topic, partition: place.partition().cast_unsigned(), committed })
}

fn record(topic: Topic, message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        let own = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned().into(), header.value.map(Bytes::copy_from_slice).unwrap_or_default())
        };
        headers.iter().map(own).collect()
    });
    Record {
        topic,
        partition: message.partition().cast_unsigned(),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        time: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(-1)),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
    }
}

impl Group for KafkaGroup {
    fn poll(&mut self, wait: Duration, out: &mut Vec<GroupEvent>) -> Result<(), LogError> {
        let (before, began) = (out.len(), Instant::now());
        self.asker.serve();
        self.give_up_told();
        if let Some(consumer) = &self.consumer {
            self.lifeline.tend(consumer.client());
        }
        self.serve_doubts()?;
        self.tell(out)?;
        while out.len() - before < MAX_RECORDS {
            let nothing_yet = out.len() == before;
            let left = if nothing_yet { wait.saturating_sub(began.elapsed()) } else { Duration::ZERO };
            match self.consumer()?.poll(left) {
                Some(Ok(message)) => {
                    let topic = self.names.topic(message.topic());
                    let mine = |topic: &Topic| self.is_mine(topic, message.partition().cast_unsigned());
                    // A member that only takes partitions reads nothing; what slipped through before the pause goes.
                    if self.membership == Membership::Fetch
                        && let Some(topic) = topic.filter(mine)
                    {
                        out.push(GroupEvent::Record(record(topic, &message)));
                    }
                }
                Some(Err(error)) => {
                    self.fault(&error)?;
                    self.serve_doubts()?;
                }
                None => {
                    let told = out.len();
                    self.tell(out)?;
                    if out.len() == told && began.elapsed() >= wait || !nothing_yet {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.settled
    }

    fn commit(&mut self, topic: &Topic, partition: u32, committed: &Committed, wait: bool) -> Result<(), LogError> {
        let (name, number) = self.place(topic, partition)?;
        let consumer = self.consumer()?;
        if consumer.assignment_lost() {
            return Err(LogError::Refused(format!(
                "{topic}/{partition} is no longer this member's: it was thrown out"
            )));
        }
        if committed.metadata.len() > MAX_COMMIT_METADATA {
            let size = committed.metadata.len();
            return Err(LogError::Refused(format!("{size} bytes of metadata, at most {MAX_COMMIT_METADATA} are kept")));
        }
        let doing = format!("committing {topic}/{partition}");
        let failed = |error: &KafkaError| faults::log_error(self.asker.at(), &doing, error);
        let offset = i64::try_from(committed.offset)
            .map_err(|_| LogError::Refused(format!("{doing}: the offset is too large")))?;
        let mut list = TopicPartitionList::with_capacity(1);
        let mut place = list.add_partition(&name, number);
        place.set_offset(Offset::Offset(offset)).map_err(|error| failed(&error))?;
        place.set_metadata(&committed.metadata);
        if !wait {
            return consumer.commit(&list, CommitMode::Async).map_err(|error| failed(&error));
        }
        match raw::commit(consumer, &list, ANSWER) {
            Some(Err(code)) if faults::is_unknown_topic(code) => {
                // A coordinator that is just starting may not know its topics. The next poll asks whether it is so.
                self.doubted = true;
                Err(faults::unreachable(
                    self.asker.at(),
                    &doing,
                    "the coordinator does not know the topic at the moment",
                ))
            }
            Some(answer) => answer.map_err(|code| failed(&KafkaError::ConsumerCommit(code))),
            None => Err(faults::unreachable(self.asker.at(), &doing, "no answer in time")),
        }
    }

    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        let list = self.one(topic, partition)?;
        self.consumer()?.pause(&list).map_err(|error| LogError::Refused(error.to_string()))
    }

    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        let list = self.one(topic, partition)?;
        if self.membership == Membership::AssignOnly {
            return Ok(());
        }
        self.consumer()?.resume(&list).map_err(|error| LogError::Refused(error.to_string()))
    }

    fn leave(&mut self) {
        self.give_up_told();
        let Some(consumer) = self.consumer.take() else { return };
        self.mine.clear();
        // The group waits for partitions that were given to be taken, and leaving would wait for the group.
        consumer.context().leave();
        let untaken: Vec<Change> = consumer.context().changes().drain(..).collect();
        for change in untaken {
            match change {
                Change::Given(list) => log_failure("take", take(&consumer, &list)),
                Change::Revoked { list, given_up: false, .. } => log_failure("give up", give_up(&consumer, &list)),
                Change::Revoked { .. } => {}
            }
        }
        close(consumer);
    }
}

/// Closes a consumer, which leaves the group. Seldom librdkafka never comes back from it (it was seen to wait for an
/// answer of its own to `incremental_unassign` in a consumer that was being closed): that is left behind then, and the
/// group misses the member after its session timeout.
fn close(consumer: Consuming) {
    let (closed, is_closed) = std::sync::mpsc::sync_channel(1);
    let closing = std::thread::Builder::new().name("leave".to_owned()).spawn(move || {
        drop(consumer);
        // Nobody may listen any more.
        let _ = closed.send(());
    });
    // Without a thread the consumer is dropped with the closure, here.
    if closing.is_ok() && is_closed.recv_timeout(CLOSE).is_err() {
        tracing::warn!("the group's consumer was not closed within {CLOSE:?} and is left behind");
    }
}

impl KafkaGroup {
    fn one(&self, topic: &Topic, partition: u32) -> Result<TopicPartitionList, LogError> {
        let (name, number) = self.place(topic, partition)?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&name, number);
        Ok(list)
    }
}

impl Drop for KafkaGroup {
    fn drop(&mut self) {
        self.leave();
    }
}
