//! The one place that talks to librdkafka past its Rust wrapper, and so the one with `unsafe`.
//!
//! Why: the wrapper does not say at which offset a partition ends ([`Event::Partition`] with `PartitionEOF`), cannot
//! wait for a commit with a limit, drains delivery reports one event a call, and has no way to stop a partition that
//! is certain to be over when it returns. The interface below is safe: pointers never leave this file, everything that
//! librdkafka lends is borrowed for the call of a closure, and a queue or topic never outlives its client.

#![allow(unsafe_code)]

use rdkafka::TopicPartitionList;
use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

/// Something that a client reports.
pub(super) enum Event<'a> {
    /// A record was read.
    Record(Message<'a>),
    /// Appends have ended.
    Delivered(Reports<'a>),
    /// Something about one partition: its end (`PartitionEOF`), or an error.
    Partition {
        /// The topic's name on the brokers.
        topic: &'a str,
        /// The partition.
        partition: i32,
        /// Where; negative: not known.
        offset: i64,
        /// What.
        code: Code,
        /// What, for people.
        reason: String,
    },
    /// An error of the whole client.
    Client {
        /// What.
        code: Code,
        /// What, for people.
        reason: String,
    },
    /// A line of librdkafka's log.
    Log {
        /// What part of it speaks.
        facility: String,
        /// What it says.
        line: String,
    },
    /// Nothing of interest.
    Other,
}

/// A record, or the report of one, lent by librdkafka.
#[derive(Clone, Copy)]
pub(super) struct Message<'a>(&'a ffi::rd_kafka_message_t);

impl<'a> Message<'a> {
    /// The topic's name on the brokers.
    pub(super) fn topic(&self) -> &'a str {
        // SAFETY: a message that was read or reported has a topic, whose name is NUL-terminated and lives as long as
        // the topic, to which the message holds a reference.
        let name = unsafe { CStr::from_ptr(ffi::rd_kafka_topic_name(self.0.rkt)) };
        name.to_str().unwrap_or_default()
    }

    /// The partition.
    pub(super) fn partition(&self) -> i32 {
        self.0.partition
    }

    /// The offset.
    pub(super) fn offset(&self) -> i64 {
        self.0.offset
    }

    /// What went wrong with its append.
    pub(super) fn error(&self) -> Option<Code> {
        (self.0.err != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| self.0.err.into())
    }

    /// The number that its append was given.
    pub(super) fn token(&self) -> usize {
        self.0._private as usize
    }

    /// Milliseconds since the epoch.
    pub(super) fn millis(&self) -> i64 {
        // SAFETY: the message is valid for `'a`; a null pointer for the kind of time is allowed.
        unsafe { ffi::rd_kafka_message_timestamp(self.0, ptr::null_mut()) }
    }

    /// The key.
    pub(super) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: librdkafka gives the pair of pointer and length of memory that the message owns.
        unsafe { bytes(self.0.key, self.0.key_len) }
    }

    /// The value.
    pub(super) fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.0.payload, self.0.len) }
    }

    /// Hands out the headers in order; a header without a value as an empty one.
    pub(super) fn headers(&self, mut visit: impl FnMut(&'a CStr, &'a [u8])) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is valid for `'a`, and `headers` is written only when there are some. They stay the
        // message's own.
        let found = unsafe { ffi::rd_kafka_message_headers(self.0, &mut headers) };
        if found != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null::<c_char>(), ptr::null::<c_void>(), 0);
            // SAFETY: `headers` is valid while the message is; an index past the last one is answered with an error
            // and writes nothing.
            let found = unsafe { ffi::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size) };
            if found != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: a header's name is NUL-terminated, and name and value belong to the message.
            let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value, size)) };
            visit(name, value.unwrap_or_default());
        }
    }
}

/// The reports of one event.
pub(super) struct Reports<'a>(&'a EventBox);

impl<'a> Iterator for Reports<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        // SAFETY: the event is alive for `'a`; the messages that it lends stay valid until it is destroyed.
        unsafe { ffi::rd_kafka_event_message_next(self.0.0.as_ptr()).as_ref() }.map(Message)
    }
}

/// Memory that librdkafka lends; null is none.
///
/// # Safety
/// `data` is null or points to `len` bytes that stay unchanged for `'a`.
unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// An event, destroyed in the end.
struct EventBox(NonNull<ffi::rd_kafka_event_t>);

impl Drop for EventBox {
    fn drop(&mut self) {
        // SAFETY: it was handed to us by `rd_kafka_queue_poll` and is destroyed once.
        unsafe { ffi::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

impl EventBox {
    /// Shows what it holds.
    fn visit(&self, visit: impl FnOnce(Event<'_>)) {
        let event = self.0.as_ptr();
        // SAFETY (the calls of this function): the event is alive, and each is asked for what its type has.
        match unsafe { ffi::rd_kafka_event_type(event) } {
            ffi::RD_KAFKA_EVENT_FETCH => match Reports(self).next() {
                Some(message) => visit(Event::Record(message)),
                None => visit(Event::Other),
            },
            ffi::RD_KAFKA_EVENT_DR => visit(Event::Delivered(Reports(self))),
            ffi::RD_KAFKA_EVENT_ERROR => self.visit_error(visit),
            ffi::RD_KAFKA_EVENT_LOG => {
                let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
                // SAFETY: the pointers are written when the answer is 0, and live as long as the event.
                if unsafe { ffi::rd_kafka_event_log(event, &mut facility, &mut line, &mut level) } == 0 {
                    // SAFETY: as above; both are NUL-terminated.
                    let (facility, line) = unsafe { (text(facility), text(line)) };
                    visit(Event::Log { facility, line });
                }
            }
            _ => visit(Event::Other),
        }
    }

    fn visit_error(&self, visit: impl FnOnce(Event<'_>)) {
        let event = self.0.as_ptr();
        // SAFETY: the event is alive; the text is its own.
        let (code, reason) =
            unsafe { (ffi::rd_kafka_event_error(event).into(), text(ffi::rd_kafka_event_error_string(event))) };
        // SAFETY: null, or a partition that we own and destroy below.
        let Some(place) = NonNull::new(unsafe { ffi::rd_kafka_event_topic_partition(event) }) else {
            return visit(Event::Client { code, reason });
        };
        let place = PlaceBox(place);
        // SAFETY: valid until `place` is dropped, at the end of this function.
        let (topic, partition, offset) = unsafe {
            let place = place.0.as_ref();
            (CStr::from_ptr(place.topic).to_str().unwrap_or_default(), place.partition, place.offset)
        };
        visit(Event::Partition { topic, partition, offset, code, reason });
    }
}

/// A topic and partition, destroyed in the end.
struct PlaceBox(NonNull<ffi::rd_kafka_topic_partition_t>);

impl Drop for PlaceBox {
    fn drop(&mut self) {
        // SAFETY: `rd_kafka_event_topic_partition` made it for us; it is destroyed once.
        unsafe { ffi::rd_kafka_topic_partition_destroy(self.0.as_ptr()) }
    }
}

/// A text of librdkafka's.
///
/// # Safety
/// `text` is null or NUL-terminated.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned()
}

/// A queue of a client's events. Must be dropped before its client.
struct Queue(NonNull<ffi::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread, and from several at once.
unsafe impl Send for Queue {}

impl Queue {
    /// Waits up to `wait` for an event and shows it; false: there was none.
    fn poll(&self, wait: Duration, visit: impl FnOnce(Event<'_>)) -> bool {
        // SAFETY: the queue is alive; the event is ours to destroy.
        let event = unsafe { ffi::rd_kafka_queue_poll(self.0.as_ptr(), millis(wait)) };
        let Some(event) = NonNull::new(event).map(EventBox) else { return false };
        event.visit(visit);
        true
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: we hold one reference, and give it back once.
        unsafe { ffi::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

/// Whole milliseconds, rounded up: a wait of half a millisecond must not become a busy loop.
fn millis(wait: Duration) -> i32 {
    i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

/// A producer whose reports are read directly.
pub(super) struct Outbox<C: ProducerContext + 'static> {
    queue: Queue,
    producer: BaseProducer<C>,
}

impl<C: ProducerContext> Outbox<C> {
    /// Takes the producer over.
    pub(super) fn new(producer: BaseProducer<C>) -> Option<Self> {
        // SAFETY: the client is alive; the answer is a reference that the queue gives back before the client goes.
        let queue = unsafe { ffi::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        Some(Self { queue: Queue(NonNull::new(queue)?), producer })
    }

    /// The producer itself.
    pub(super) fn producer(&self) -> &BaseProducer<C> {
        &self.producer
    }

    /// Shows the next event that is there; false: there is none.
    pub(super) fn poll(&self, visit: impl FnOnce(Event<'_>)) -> bool {
        self.queue.poll(Duration::ZERO, visit)
    }
}

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
pub(super) struct Fetcher<C: ConsumerContext + 'static> {
    started: Vec<(usize, i32)>,
    topics: Vec<TopicHandle>,
    queue: Queue,
    main: Queue,
    client: BaseConsumer<C>,
}

impl<C: ConsumerContext> Fetcher<C> {
    /// Takes over a consumer that was made without a group.
    pub(super) fn new(client: BaseConsumer<C>) -> Option<Self> {
        let native = client.client().native_ptr();
        // SAFETY: the client is alive; both are references that are given back before it goes.
        let (queue, main) = unsafe { (ffi::rd_kafka_queue_new(native), ffi::rd_kafka_queue_get_main(native)) };
        let (queue, main) = (Queue(NonNull::new(queue)?), Queue(NonNull::new(main)?));
        // SAFETY: both queues are alive; undone in `drop`.
        unsafe { ffi::rd_kafka_queue_forward(main.0.as_ptr(), queue.0.as_ptr()) };
        Some(Self { started: Vec::new(), topics: Vec::new(), queue, main, client })
    }

    /// Starts to read a partition that is not being read.
    pub(super) fn start(&mut self, topic: &str, partition: i32, offset: i64) -> Result<(), String> {
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
    pub(super) fn stop(&mut self, topic: &str, partition: i32) -> Result<(), String> {
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
    pub(super) fn poll(&self, wait: Duration, visit: impl FnOnce(Event<'_>)) -> bool {
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

/// Commits positions with the member's generation and waits up to `wait` for the answer; `None`: there was none.
pub(super) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    positions: &TopicPartitionList,
    wait: Duration,
) -> Option<Result<(), Code>> {
    let native = consumer.client().native_ptr();
    // SAFETY: the client is alive and outlives the queue, which is dropped at the end of this function.
    let queue = Queue(NonNull::new(unsafe { ffi::rd_kafka_queue_new(native) })?);
    // SAFETY: all three are alive; librdkafka copies the positions; without a callback the answer comes as an event.
    let queued =
        unsafe { ffi::rd_kafka_commit_queue(native, positions.ptr(), queue.0.as_ptr(), None, ptr::null_mut()) };
    if queued != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Some(Err(queued.into()));
    }
    // SAFETY: the queue is alive; the event is ours to destroy.
    let event = EventBox(NonNull::new(unsafe { ffi::rd_kafka_queue_poll(queue.0.as_ptr(), millis(wait)) })?);
    // SAFETY: the event is alive; the list is its own, with `cnt` elements.
    let codes = unsafe {
        let list = ffi::rd_kafka_event_topic_partition_list(event.0.as_ptr()).as_ref();
        let each = list.map_or(&[][..], |list| match list.cnt {
            0 => &[],
            count => std::slice::from_raw_parts(list.elems, usize::try_from(count).unwrap_or(0)),
        });
        std::iter::once(ffi::rd_kafka_event_error(event.0.as_ptr())).chain(each.iter().map(|place| place.err))
    };
    let no_error = ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let failed = { codes }.find(|code| *code != no_error);
    Some(failed.map_or(Ok(()), |code| Err(code.into())))
}
