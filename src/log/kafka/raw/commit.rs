//! Commits with a limit.

use super::{EventBox, Queue, millis};
use rdkafka::TopicPartitionList;
use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ptr::{self, NonNull};
use std::time::Duration;

/// Commits positions with the member's generation and waits up to `wait` for the answer; `None`: there was none.
pub(in super::super) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    positions: &TopicPartitionList,
    wait: Duration,
) -> Option<Result<(), Code>> {
    let native = consumer.client().native_ptr();
    let queue = Queue::new(native)?;
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
