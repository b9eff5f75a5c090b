//! Header names, and the CloudEvents headers of the event stream (binary content mode, Kafka protocol binding 1.0.2).

use super::event::Published;
use crate::log::Header;

/// The W3C trace context, on requests, events, ready records and responses.
pub const TRACEPARENT: &str = "traceparent";
/// The first origin of a forwarded record: `topic/partition/offset/append time in ms`.
pub const ORIGIN: &str = "orchestrator_origin";
/// On events: the offset of the journal record that holds it.
pub const JOURNAL_OFFSET: &str = "orchestrator_journal_offset";
/// On events: the run's hash chain after it, 32 hexadecimal digits.
pub const CHAIN: &str = "orchestrator_chain";

/// The headers of an event's record: `ce_specversion`, `ce_id` (`run_id/sequence`, or `partition-N/sequence`),
/// `ce_type` (`orchestrator.<Name>.v1`), `ce_source`, `ce_subject` (the workflow id), `ce_time` (RFC 3339),
/// `ce_sequence`, `content-type`, then the journal offset, the chain and, where known, the trace context.
pub fn event_headers(
    _namespace: &str,
    _event: &Published,
    _journal_offset: u64,
    _chain: &[u8; 16],
    _traceparent: Option<&str>,
) -> Vec<Header> {
    todo!()
}
