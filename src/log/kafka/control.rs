//! Questions to the brokers that wait for an answer.

use super::super::{Ends, GroupSeen, LogError, SharedPartition};
use super::faults;
use super::raw;
use super::watch::{Control, Watch};
use rdkafka::consumer::Consumer;
use rdkafka::error::{IsError, KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a question waits for its answer.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// After so long without an answer it is looked whether one can be expected at all.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// Between two questions about a partition that is changing its leader.
const MOVED: Duration = Duration::from_millis(100);
/// How often the questioner's own events are looked at while nobody asks.
const SERVE: Duration = Duration::from_secs(20);

/// Asks the brokers. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub(super) struct Asker {
    control: Arc<Control>,
    watch: Arc<Watch>,
    brokers: Arc<str>,
    served: Arc<Mutex<Instant>>,
}

impl Asker {
    /// Over this client.
    pub(super) fn new(control: Control, watch: Arc<Watch>, brokers: &str) -> Self {
        let control = Arc::new(control);
        watch.probe_with(&control);
        Self { control, watch, brokers: brokers.into(), served: Arc::new(Mutex::new(Instant::now())) }
    }

    /// The state of the connection.
    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Where the brokers are.
    pub(super) fn at(&self) -> &str {
        &self.brokers
    }

    /// Takes the client's own log lines and errors off its queue, now and then.
    pub(super) fn serve(&self) {
        if let Ok(mut served) = self.served.try_lock()
            && served.elapsed() >= SERVE
        {
            *served = Instant::now();
            self.control.serve();
        }
    }

    /// What the brokers know of a topic, which need not exist.
    pub(super) fn metadata(&self, topic: &str, doing: &str, wait: Duration) -> Result<Metadata, LogError> {
        let ask = |wait| self.control.client().fetch_metadata(Some(topic), wait);
        let mut answer = ask(wait.min(FIRST_LOOK));
        if answer.is_err() && wait > FIRST_LOOK {
            self.control.serve();
            // Who is turned away need not wait for the rest.
            if !self.control.complaints().is_denial() {
                answer = ask(wait - FIRST_LOOK);
            }
        }
        match answer {
            Ok(metadata) => {
                self.control.serve();
                self.control.complaints().forget();
                Ok(metadata)
            }
            Err(error) => Err(self.fault(doing, &error)),
        }
    }

    /// What a question that failed is for the trait, with the reason that the client has heard.
    fn fault(&self, doing: &str, error: &KafkaError) -> LogError {
        let fault = faults::log_error(&self.brokers, doing, error);
        self.control.serve();
        match (&fault, self.control.complaints().told()) {
            (LogError::Unreachable { .. }, Some(told)) => faults::unreachable(&self.brokers, doing, &told),
            _ => fault,
        }
    }

    /// How many partitions a topic has.
    pub(super) fn partitions(&self, topic: &str, wait: Duration) -> Result<Option<u32>, LogError> {
        let doing = format!("asking for the partitions of {topic}");
        let metadata = self.metadata(topic, &doing, wait)?;
        if metadata.brokers().is_empty() {
            // It knows no topics then either, which says nothing about them.
            return Err(faults::unreachable(&self.brokers, &doing, "the broker that answered is starting or stopping"));
        }
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        match found.error().filter(IsError::is_error).map(Code::from) {
            Some(code) if faults::is_unknown_topic(code) => Ok(None),
            Some(code) if faults::is_operating(code) => {
                Err(faults::unreachable(&self.brokers, &doing, &code.to_string()))
            }
            Some(code) => Err(LogError::Refused(format!("{doing}: {code}"))),
            None => Ok(Some(u32::try_from(found.partitions().len()).unwrap_or(u32::MAX)).filter(|count| *count > 0)),
        }
    }

    /// Whether every partition of a topic has a leader.
    pub(super) fn is_ready(&self, topic: &str, wait: Duration) -> Result<bool, LogError> {
        let metadata = self.metadata(topic, &format!("waiting for {topic}"), wait)?;
        Ok(metadata.topics().iter().any(|found| {
            found.name() == topic
                && !found.error().is_some_and(|error| error.is_error())
                && !found.partitions().is_empty()
                && found.partitions().iter().all(|partition| partition.leader() >= 0)
        }))
    }

    /// The ends of a partition for committed readers.
    pub(super) fn ends(&self, topic: &str, partition: i32, wait: Duration) -> Result<Ends, LogError> {
        let doing = format!("asking for the ends of {topic} [{partition}]");
        let began = Instant::now();
        let answer = loop {
            let left = wait.saturating_sub(began.elapsed());
            match self.control.client().fetch_watermarks(topic, partition, left) {
                // Somebody else leads it by now, which the brokers say to who asks them.
                Err(error) if has_moved(&error) && left > MOVED => {
                    std::thread::sleep(MOVED);
                    self.metadata(topic, &doing, left - MOVED)?;
                }
                answer => break answer,
            }
        };
        let (low, high) = answer.map_err(|error| self.looked_into(topic, Some(partition), &doing, &error))?;
        match (u64::try_from(low), u64::try_from(high)) {
            (Ok(low), Ok(high)) => Ok(Ends { low, high }),
            _ => Err(faults::unreachable(&self.brokers, &doing, &format!("the answer was {low}..{high}"))),
        }
    }

    /// The first offset of a partition whose record was appended at a time or later (milliseconds since 1970); where
    /// there is none, the next offset to be written.
    pub(super) fn offset_at(&self, topic: &str, partition: i32, millis: i64, wait: Duration) -> Result<u64, LogError> {
        let doing = format!("asking for the offset of a time in {topic} [{partition}]");
        // Asked for before: what is appended between the two questions is read rather than skipped. It also knows what
        // to do where the leader has moved, and which partitions there are.
        let ends = self.ends(topic, partition, wait)?;
        let mut asked = TopicPartitionList::new();
        let fault = |error: KafkaError| self.looked_into(topic, Some(partition), &doing, &error);
        // A negative time would be one of Kafka's words for its ends.
        asked.add_partition_offset(topic, partition, Offset::Offset(millis.max(0))).map_err(fault)?;
        let answer = self.control.client().offsets_for_times(asked, wait).map_err(fault)?;
        let found = answer
            .find_partition(topic, partition)
            .ok_or_else(|| faults::unreachable(&self.brokers, &doing, "the answer does not name the partition"))?;
        found.error().map_err(fault)?;
        Ok(match found.offset() {
            Offset::Offset(offset) => u64::try_from(offset).unwrap_or(ends.low).max(ends.low),
            _ => ends.high,
        })
    }

    /// What a question that failed is for the trait. That a topic does not exist is asked for again: a client that has
    /// lost its brokers says so too.
    pub(super) fn looked_into(&self, topic: &str, partition: Option<i32>, doing: &str, error: &KafkaError) -> LogError {
        if !error.rdkafka_error_code().is_some_and(faults::is_unknown_topic) {
            return self.fault(doing, error);
        }
        match self.partitions(topic, ANSWER) {
            Ok(Some(count)) if partition.is_none_or(|partition| partition.cast_unsigned() < count) => {
                faults::unreachable(&self.brokers, doing, "its leader is not known at the moment")
            }
            Ok(Some(_)) => LogError::UnknownTopic(format!("{topic} (partition {})", partition.unwrap_or_default())),
            Ok(None) => LogError::UnknownTopic(topic.to_owned()),
            Err(error) => error,
        }
    }

    /// How many brokers there are: those that answer, and those that are away and have replicas of `topic`, which need
    /// not exist. What is created while one of three is away has to get three replicas all the same.
    pub(super) fn brokers(&self, topic: &str) -> Result<u32, LogError> {
        let doing = "asking for the brokers";
        let metadata = self.metadata(topic, doing, ANSWER)?;
        if metadata.brokers().is_empty() {
            return Err(faults::unreachable(&self.brokers, doing, "the broker that answered is starting or stopping"));
        }
        let replicas = metadata.topics().iter().flat_map(|topic| topic.partitions()).flat_map(|part| part.replicas());
        let ids: BTreeSet<i32> = metadata.brokers().iter().map(|broker| broker.id()).chain(replicas.copied()).collect();
        Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
    }

    /// Who is in a group, and how far it has come in a topic.
    pub(super) fn group(&self, group: &str, topic: &str) -> Result<GroupSeen, LogError> {
        let doing = format!("asking for the group {group}");
        let fault = |code: Code| self.fault(&doing, &KafkaError::GroupListFetch(code));
        let count = self.partitions(topic, ANSWER)?.ok_or_else(|| LogError::UnknownTopic(topic.to_owned()))?;
        let members = raw::members(self.control.client(), group, ANSWER).map_err(fault)?;
        let committed = raw::committed(self.control.client(), group, ANSWER).map_err(fault)?;
        let held: BTreeSet<i32> =
            members.iter().flatten().filter(|(name, _)| name == topic).map(|(_, partition)| *partition).collect();
        let partition = |number: u32| {
            let number = number.cast_signed();
            // What was never committed is answered with a negative offset.
            let committed = committed.get(&(topic.to_owned(), number)).and_then(|offset| u64::try_from(*offset).ok());
            let ends = self.ends(topic, number, ANSWER)?;
            Ok(SharedPartition { is_held: held.contains(&number), committed, ends })
        };
        Ok(GroupSeen { members: members.len(), partitions: (0..count).map(partition).collect::<Result<_, _>>()? })
    }

    /// The cluster's id.
    pub(super) fn cluster(&self) -> Option<String> {
        self.control.client().client().fetch_cluster_id(ANSWER)
    }
}

/// Whether a partition is led by another broker than the one that was asked.
fn has_moved(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NotLeaderForPartition | Code::LeaderNotAvailable | Code::FencedLeaderEpoch | Code::UnknownLeaderEpoch
        )
    )
}
