//! What librdkafka tells a member of a group, and when it is told of what was decided.

use super::faults;
use super::watch::Context;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A member's client.
pub(super) type Consuming = BaseConsumer<MemberContext>;

/// What the group has decided and the member has not been told yet.
pub(super) enum Change {
    /// Partitions are given; librdkafka has not been told to take them.
    Given(TopicPartitionList),
    /// Partitions are taken away.
    Revoked {
        /// Which.
        list: TopicPartitionList,
        /// Whether librdkafka has been told to give them up.
        given_up: bool,
        /// Whether the member was thrown out of its group.
        thrown_out: bool,
    },
}

/// What librdkafka tells a member.
pub(super) struct MemberContext {
    context: Context,
    changes: Mutex<VecDeque<Change>>,
    /// The member is leaving: nobody will take what is given from now on.
    leaving: AtomicBool,
}

impl MemberContext {
    /// With no changes yet.
    pub(super) fn new(context: Context) -> Self {
        Self { context, changes: Mutex::new(VecDeque::new()), leaving: AtomicBool::new(false) }
    }

    /// From now on what is given is taken at once, so that the consumer can be closed.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// What the member has not been told yet.
    pub(super) fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &Consuming, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            if self.leaving.load(Ordering::Relaxed) {
                return log_failure("take", take(consumer, list));
            }
            self.changes().push_back(Change::Given(list.clone()));
            return;
        }
        // What is given but not taken yet has to be taken before it can be taken away; the member never hears of it.
        let mut changes = self.changes();
        let untaken = |change: &Change| matches!(change, Change::Given(_));
        while let Some(index) = changes.iter().position(untaken) {
            if let Some(Change::Given(list)) = changes.remove(index) {
                log_failure("take", take(consumer, &list));
            }
        }
        // Asked before it is answered: giving up makes it forget.
        let thrown_out = consumer.assignment_lost();
        // Else the group waits until the member has been told and had the time to commit where it is.
        let given_up = thrown_out || self.leaving.load(Ordering::Relaxed);
        if given_up {
            log_failure("give up", give_up(consumer, list));
        }
        changes.push_back(Change::Revoked { list: list.clone(), given_up, thrown_out });
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        match result {
            Ok(()) => {}
            Err(error) => match error.rdkafka_error_code() {
                Some(Code::NoOffset) => {}
                // That Kafka is away, or has thrown this member out, others say; the next commit makes up for it.
                Some(code) if faults::is_operating(code) || faults::is_of_membership(code) => {
                    tracing::debug!("a commit that nobody waits for has failed: {error}");
                }
                _ => tracing::warn!("a commit that nobody waits for has failed: {error}"),
            },
        }
    }
}

/// Tells librdkafka to read partitions that were given.
pub(super) fn take(consumer: &Consuming, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        _ => consumer.assign(list),
    }
}

/// Tells librdkafka to give partitions up.
pub(super) fn give_up(consumer: &Consuming, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    }
}

/// Says that something which cannot be undone has failed; the group goes on.
pub(super) fn log_failure(doing: &str, result: KafkaResult<()>) {
    if let Err(error) = result {
        tracing::warn!("the group's consumer could not {doing} its partitions: {error}");
    }
}
