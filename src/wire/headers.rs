//! Header names, and the CloudEvents headers of the event stream (binary content mode, Kafka protocol binding 1.0.2).

use super::event::Published;
use super::rfc3339;
use crate::log::Header;
use bytes::Bytes;

/// The W3C trace context, on requests, events, ready records and responses.
pub const TRACEPARENT: &str = "traceparent";
/// The first origin of a forwarded record: `topic/partition/offset/append time in ms`.
pub const ORIGIN: &str = "orchestrator_origin";
/// On events: the offset of the journal record that holds it.
pub const JOURNAL_OFFSET: &str = "orchestrator_journal_offset";
/// On events: the run's hash chain after it, 32 hexadecimal digits.
pub const CHAIN: &str = "orchestrator_chain";

/// The body's media type, on events.
pub const CONTENT_TYPE: &str = "content-type";

/// The headers of an event's record: `ce_specversion`, `ce_id` (`run_id/sequence`, or `partition-N/sequence`),
/// `ce_type` (`orchestrator.<Name>.v1`), `ce_source` (the namespace), `ce_subject` (the workflow id, or
/// `partition-N`), `ce_time` (RFC 3339), `ce_sequence`, `content-type`, then the journal offset, the chain and, where
/// known, the trace context.
///
/// `ce_sequence` has 20 digits with leading zeros: the CloudEvents extension `sequence` asks for texts whose order is
/// that of the events, and it still reads as the number that the body holds.
pub fn event_headers(
    namespace: &str,
    event: &Published,
    journal_offset: u64,
    chain: &[u8; 16],
    traceparent: Option<&str>,
) -> Vec<Header> {
    let (of, subject, name, sequence, time) = match event {
        Published::Run(event) => {
            let (of, subject) = (event.run_id.as_str().to_owned(), event.workflow_id.as_str().to_owned());
            (of, subject, event.event.name(), event.sequence, event.time)
        }
        Published::Partition(event) => {
            let of = partition_key(event.partition);
            (of.clone(), of, event.event.name(), event.sequence, event.time)
        }
    };
    let mut headers = Vec::with_capacity(11);
    let mut put = |name: &str, value: Bytes| headers.push((name.to_owned(), value));
    put("ce_specversion", Bytes::from_static(b"1.0"));
    put("ce_id", format!("{of}/{sequence}").into());
    put("ce_type", format!("orchestrator.{name}.v1").into());
    put("ce_source", namespace.to_owned().into());
    put("ce_subject", subject.into());
    put("ce_time", rfc3339::write(time).into());
    put("ce_sequence", format!("{sequence:020}").into());
    put(CONTENT_TYPE, Bytes::from_static(b"application/avro"));
    put(JOURNAL_OFFSET, journal_offset.to_string().into());
    put(CHAIN, hex::encode(chain).into());
    if let Some(traceparent) = traceparent {
        put(TRACEPARENT, traceparent.to_owned().into());
    }
    headers
}

/// The key under which a partition's own events are published.
pub fn partition_key(partition: u32) -> String {
    format!("partition-{partition}")
}
