//! Partitions without a group.

use super::{Event, Queue};
use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::time::Duration;

/// A handle to a topic of a client. Must be dropped before its client.
struct TopicHandle {
    name: String,
    topic: NonNull<ffi::rd_kafka_topic_t>,
}

// SAFETY: librdkafka's topics may be used from any thread.
unsafe impl Send for TopicHandle {}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: `rd_kafka_topic_new` gave us one reference, and it is given back once.
        unsafe { ffi::rd_kafka_topic_destroy(self.topic.as_ptr()) }
    }
}

/// A consumer without a group: partitions are started and stopped one by one, and all of them, with the client's own
/// events, come by one queue.
///
/// `rd_kafka_consume_stop` returns when the fetcher has stopped, and what it had fetched is void from then on (each
/// message carries the version of its start). The group's `incremental_unassign` promises neither, and aborts the
/// process when a partition is unassigned, assigned and unassigned again faster than it stops.
pub(in super::super) struct Fetcher<C: ConsumerContext + 'static> {
    started: Vec<(usize, i32)>,
    topics: Vec<TopicHandle>,
    queue: Queue,
    main: Queue,
    client: BaseConsumer<C>,
}

impl<C: ConsumerContext> Fetcher<C> {
    /// Takes over a consumer that was made without a group.
    pub(in super::super) fn new(client: BaseConsumer<C>) -> Option<Self> {
        let native = client.client().native_ptr();
        let (queue, main) = (Queue::new(native)?, Queue::main(native)?);
        // SAFETY: both queues are alive; undone in `drop`.
        unsafe { ffi::rd_kafka_queue_forward(main.0.as_ptr(), queue.0.as_ptr()) };
        Some(Self { started: Vec::new(), topics: Vec::new(), queue, main, client })
    }

    /// The consumer itself.
    pub(in super::super) fn client(&self) -> &BaseConsumer<C> {
        &self.client
    }

    /// Starts to read a partition that is not being read.
    pub(in super::super) fn start(&mut self, topic: &str, partition: i32, offset: i64) -> Result<(), String> {
        let index = self.topic(topic)?;
        // SAFETY: topic and queue are alive.
        let failed = unsafe {
            let topic = self.topics[index].topic.as_ptr();
            ffi::rd_kafka_consume_start_queue(topic, partition, offset, self.queue.0.as_ptr())
        };
        if failed != 0 {
            return Err(last_error());
        }
        self.started.push((index, partition));
        Ok(())
    }

    /// Stops to read a partition; nothing of it comes afterwards. Nothing happens when it is not being read.
    pub(in super::super) fn stop(&mut self, topic: &str, partition: i32) -> Result<(), String> {
        let is_it = |&(index, p): &(usize, i32)| p == partition && self.topics[index].name == topic;
        let Some(found) = self.started.iter().position(is_it) else { return Ok(()) };
        let (index, _) = self.started.swap_remove(found);
        self.stop_started(index, partition)
    }

    fn stop_started(&self, index: usize, partition: i32) -> Result<(), String> {
        // SAFETY: the topic is alive, and this partition of it was started.
        let failed = unsafe { ffi::rd_kafka_consume_stop(self.topics[index].topic.as_ptr(), partition) };
        if failed == 0 { Ok(()) } else { Err(last_error()) }
    }

    /// Waits up to `wait` for an event and shows it; false: there was none.
    pub(in super::super) fn poll(&self, wait: Duration, visit: impl FnOnce(Event<'_>)) -> bool {
        self.queue.poll(wait, visit)
    }

    /// The handle of a topic, made when it is first asked for.
    fn topic(&mut self, name: &str) -> Result<usize, String> {
        if let Some(index) = self.topics.iter().position(|handle| handle.name == name) {
            return Ok(index);
        }
        let text = CString::new(name).map_err(|_| format!("{name:?} is no name of a topic"))?;
        // SAFETY: the client is alive, the name is NUL-terminated, and no settings are handed over.
        let topic =
            unsafe { ffi::rd_kafka_topic_new(self.client.client().native_ptr(), text.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic).ok_or_else(last_error)?;
        self.topics.push(TopicHandle { name: name.to_owned(), topic });
        Ok(self.topics.len() - 1)
    }
}

impl<C: ConsumerContext> Drop for Fetcher<C> {
    fn drop(&mut self) {
        for (index, partition) in std::mem::take(&mut self.started) {
            if let Err(reason) = self.stop_started(index, partition) {
                tracing::debug!("a partition could not be stopped: {reason}");
            }
        }
        // SAFETY: the main queue is alive; null ends what `new` began. The fields then go in their order: topics,
        // queues, client.
        unsafe { ffi::rd_kafka_queue_forward(self.main.0.as_ptr(), ptr::null_mut()) };
    }
}

/// Why the call before this one, on this thread, failed.
fn last_error() -> String {
    // SAFETY: no preconditions; it reads a value of this thread.
    Code::from(unsafe { ffi::rd_kafka_last_error() }).to_string()
}
