//! The one place that talks to librdkafka past its Rust wrapper, and so the one with `unsafe`.
//!
//! Why: the wrapper does not say at which offset a partition ends ([`Event::Partition`] with `PartitionEOF`), cannot
//! wait for a commit with a limit, drains delivery reports one event a call, has no way to stop a partition that
//! is certain to be over when it returns, and asks every broker for a group that one of them knows. The interface below is safe: pointers never leave this file, everything that
//! librdkafka lends is borrowed for the call of a closure, and a queue or topic never outlives its client.

#![allow(unsafe_code)]

mod commit;
mod fetcher;
mod groups;

pub(super) use commit::commit;
pub(super) use fetcher::Fetcher;
pub(super) use groups::{committed, members};

use rdkafka::bindings as ffi;
use rdkafka::client::{Client, ClientContext};
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
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// The main queue of a client that is alive, and stays so for longer than the queue.
    fn main(client: *mut ffi::rd_kafka_t) -> Option<Self> {
        // SAFETY: the callers of this module hand in a client that they own and drop after the queue; the answer is a
        // reference that is given back by `drop`.
        NonNull::new(unsafe { ffi::rd_kafka_queue_get_main(client) }).map(Self)
    }

    /// A new queue of such a client.
    fn new(client: *mut ffi::rd_kafka_t) -> Option<Self> {
        // SAFETY: as for `main`.
        NonNull::new(unsafe { ffi::rd_kafka_queue_new(client) }).map(Self)
    }

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

/// Names the brokers to begin with to a client anew; those that it still knows stay as they are.
pub(super) fn add_brokers<C: ClientContext>(client: &Client<C>, brokers: &str) {
    let Ok(brokers) = CString::new(brokers) else { return };
    // SAFETY: the client is alive and the text is NUL-terminated; librdkafka copies it.
    unsafe { ffi::rd_kafka_brokers_add(client.native_ptr(), brokers.as_ptr()) };
}

/// A client whose own events (log lines, errors, delivery reports) are read directly.
pub(super) struct Tap<C> {
    queue: Queue,
    client: C,
}

impl<C: ProducerContext> Tap<BaseProducer<C>> {
    /// Takes a producer over.
    pub(super) fn producer(producer: BaseProducer<C>) -> Option<Self> {
        let queue = Queue::main(producer.client().native_ptr())?;
        Some(Self { queue, client: producer })
    }
}

impl<C: ConsumerContext> Tap<BaseConsumer<C>> {
    /// Takes a consumer without a group over.
    pub(super) fn consumer(consumer: BaseConsumer<C>) -> Option<Self> {
        let queue = Queue::main(consumer.client().native_ptr())?;
        Some(Self { queue, client: consumer })
    }
}

impl<C> Tap<C> {
    /// The client itself.
    pub(super) fn client(&self) -> &C {
        &self.client
    }

    /// Shows the next event that is there; false: there is none.
    pub(super) fn poll(&self, visit: impl FnOnce(Event<'_>)) -> bool {
        self.queue.poll(Duration::ZERO, visit)
    }
}
