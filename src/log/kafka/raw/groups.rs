//! A consumer group from outside: its members and what it has committed, asked of its coordinator alone.
//!
//! The wrapper's own way asks every broker, and fails while any of them is away.

use super::{EventBox, Queue, millis, text};
use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::time::Duration;

/// A member, as the partitions that it has: topics by their names on the brokers.
pub(in super::super) type Share = Vec<(String, i32)>;
/// Next offsets by topic and partition.
pub(in super::super) type Offsets = BTreeMap<(String, i32), i64>;

/// The members of a group, by either of Kafka's group protocols; none where there is no such group.
///
/// # Errors
/// What the coordinator says; `OperationTimedOut` where nobody does within `wait`.
pub(in super::super) fn members<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
    wait: Duration,
) -> Result<Vec<Share>, Code> {
    let native = consumer.client().native_ptr();
    let group = CString::new(group).map_err(|_| Code::InvalidGroupId)?;
    let options = Options::new(native, ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, wait)?;
    let queue = Queue::new(native).ok_or(Code::Fail)?;
    let mut names = [group.as_ptr()];
    // SAFETY: all are alive; librdkafka copies the one name.
    unsafe {
        ffi::rd_kafka_DescribeConsumerGroups(native, names.as_mut_ptr(), 1, options.0.as_ptr(), queue.0.as_ptr())
    };
    let event = answer(&queue, wait)?;
    // SAFETY: the event is alive, and with it all that is read of it here; `count` says how many groups there are.
    unsafe {
        let result = ffi::rd_kafka_event_DescribeConsumerGroups_result(event.0.as_ptr());
        let result = NonNull::new(result.cast_mut()).ok_or(Code::BadMessage)?;
        let mut count = 0;
        let groups = ffi::rd_kafka_DescribeConsumerGroups_result_groups(result.as_ptr(), &mut count);
        if count == 0 {
            return Ok(Vec::new());
        }
        let found = *groups;
        match fault(ffi::rd_kafka_ConsumerGroupDescription_error(found)) {
            // A group is there as long as it has members, or something committed.
            Some(Code::GroupIdNotFound) => return Ok(Vec::new()),
            Some(code) => return Err(code),
            None => {}
        }
        let count = ffi::rd_kafka_ConsumerGroupDescription_member_count(found);
        Ok((0..count).map(|at| share(ffi::rd_kafka_ConsumerGroupDescription_member(found, at))).collect())
    }
}

/// What a group has committed; nothing where there is no such group.
///
/// # Errors
/// As [`members`].
pub(in super::super) fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
    wait: Duration,
) -> Result<Offsets, Code> {
    let native = consumer.client().native_ptr();
    let group = CString::new(group).map_err(|_| Code::InvalidGroupId)?;
    let options = Options::new(native, ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, wait)?;
    let queue = Queue::new(native).ok_or(Code::Fail)?;
    let question = Question::new(&group).ok_or(Code::Fail)?;
    let mut questions = [question.0.as_ptr()];
    // SAFETY: all are alive; librdkafka copies the one question.
    unsafe {
        let (questions, options) = (questions.as_mut_ptr(), options.0.as_ptr());
        ffi::rd_kafka_ListConsumerGroupOffsets(native, questions, 1, options, queue.0.as_ptr());
    }
    let event = answer(&queue, wait)?;
    // SAFETY: as in `members`.
    unsafe {
        let result = ffi::rd_kafka_event_ListConsumerGroupOffsets_result(event.0.as_ptr());
        let result = NonNull::new(result.cast_mut()).ok_or(Code::BadMessage)?;
        let mut count = 0;
        let groups = ffi::rd_kafka_ListConsumerGroupOffsets_result_groups(result.as_ptr(), &mut count);
        if count == 0 {
            return Ok(Offsets::new());
        }
        match fault(ffi::rd_kafka_group_result_error(*groups)) {
            Some(Code::GroupIdNotFound) => return Ok(Offsets::new()),
            Some(code) => return Err(code),
            None => {}
        }
        let places = places(ffi::rd_kafka_group_result_partitions(*groups));
        Ok(places.iter().map(|place| ((text(place.topic), place.partition), place.offset)).collect())
    }
}

/// Waits for the answer of an admin request.
fn answer(queue: &Queue, wait: Duration) -> Result<EventBox, Code> {
    // The request itself gives up after `wait`; its end is then an event as well.
    let patience = millis(wait.saturating_add(Duration::from_secs(1)));
    // SAFETY: the queue is alive; the event is ours to destroy.
    let event = NonNull::new(unsafe { ffi::rd_kafka_queue_poll(queue.0.as_ptr(), patience) }).map(EventBox);
    let event = event.ok_or(Code::OperationTimedOut)?;
    // SAFETY: the event is alive.
    match unsafe { ffi::rd_kafka_event_error(event.0.as_ptr()) } {
        ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(event),
        code => Err(code.into()),
    }
}

/// The code of an error; none: it is none.
///
/// # Safety
/// `error` is null or alive.
unsafe fn fault(error: *const ffi::rd_kafka_error_t) -> Option<Code> {
    // SAFETY: the caller's promise.
    (!error.is_null()).then(|| unsafe { ffi::rd_kafka_error_code(error) }.into())
}

/// What a member has.
///
/// # Safety
/// `member` is null or alive.
unsafe fn share(member: *const ffi::rd_kafka_MemberDescription_t) -> Share {
    if member.is_null() {
        return Share::new();
    }
    // SAFETY: the member is alive, and owns its assignment, which may be null, and the list in it.
    unsafe {
        let assignment = ffi::rd_kafka_MemberDescription_assignment(member);
        if assignment.is_null() {
            return Share::new();
        }
        let places = places(ffi::rd_kafka_MemberAssignment_partitions(assignment));
        places.iter().map(|place| (text(place.topic), place.partition)).collect()
    }
}

/// The elements of a list.
///
/// # Safety
/// `list` is null or stays alive for `'a`.
unsafe fn places<'a>(list: *const ffi::rd_kafka_topic_partition_list_t) -> &'a [ffi::rd_kafka_topic_partition_t] {
    // SAFETY: the caller's promise; a list with `cnt` elements has that many in `elems`.
    unsafe {
        match list.as_ref() {
            Some(list) if list.cnt > 0 => {
                std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0))
            }
            _ => &[],
        }
    }
}

/// The options of an admin request, destroyed in the end.
struct Options(NonNull<ffi::rd_kafka_AdminOptions_t>);

impl Options {
    fn new(client: *mut ffi::rd_kafka_t, of: ffi::rd_kafka_admin_op_t, wait: Duration) -> Result<Self, Code> {
        // SAFETY: the client is alive; the options are ours to destroy.
        let options = NonNull::new(unsafe { ffi::rd_kafka_AdminOptions_new(client, of) }).map(Self);
        let options = options.ok_or(Code::Fail)?;
        let mut words = [0; 256];
        // SAFETY: the options are alive, and `words` has the size that is said.
        let set = unsafe {
            let (options, words) = (options.0.as_ptr(), words.as_mut_ptr());
            ffi::rd_kafka_AdminOptions_set_request_timeout(options, millis(wait), words, 256)
        };
        if set == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(options) } else { Err(set.into()) }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: they are ours, and destroyed once.
        unsafe { ffi::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) }
    }
}

/// Asks for all that one group has committed; destroyed in the end.
struct Question(NonNull<ffi::rd_kafka_ListConsumerGroupOffsets_t>);

impl Question {
    fn new(group: &CStr) -> Option<Self> {
        // SAFETY: the name is NUL-terminated and copied; null stands for all partitions.
        NonNull::new(unsafe { ffi::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), ptr::null()) }).map(Self)
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // SAFETY: it is ours, and destroyed once.
        unsafe { ffi::rd_kafka_ListConsumerGroupOffsets_destroy(self.0.as_ptr()) }
    }
}
