//! Header names, and the CloudEvents headers of the event stream (binary content mode, Kafka protocol binding 1.0.2).

use super::event::Published;
use super::schema;
use crate::core::rfc3339;
use crate::log::Header;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// The W3C trace context, on requests, events, ready records and responses.
pub const TRACEPARENT: &str = "traceparent";
/// The first origin of a forwarded record: `topic/partition/offset/append time in ms`.
pub const ORIGIN: &str = "orchestrator_origin";
/// On requests that work off a dead letter: which, how and by whom ([`super::letter_handling`]).
pub const LETTER: &str = "orchestrator_letter";
/// On events: the offset of the journal record that holds it.
pub const JOURNAL_OFFSET: &str = "orchestrator_journal_offset";
/// On events: the run's hash chain after it, 32 hexadecimal digits.
pub const CHAIN: &str = "orchestrator_chain";

/// The body's media type, on events.
pub const CONTENT_TYPE: &str = "content-type";

/// The headers of an event's record: `ce_specversion`, `ce_id` (`run_id/sequence`, or `partition-N/sequence`),
/// `ce_type` (`orchestrator.<Name>.v<version>`, the schema of `body`), `ce_source` (the namespace), `ce_subject` (the workflow id, or
/// `partition-N`), `ce_time` (RFC 3339), `ce_sequence`, `content-type`, then the journal offset, the chain and, where
/// known, the trace context.
///
/// `ce_sequence` has 20 digits with leading zeros: the CloudEvents extension `sequence` asks for texts whose order is
/// that of the events, and it still reads as the number that the body holds.
pub fn event_headers(
    namespace: &str,
    event: &Published,
    body: &[u8],
    journal_offset: u64,
    chain: &[u8; 16],
    traceparent: Option<&str>,
) -> Vec<Header> {
    let (of, subject, sequence, time) = match event {
        Published::Run(event) => {
            (Cow::from(event.run_id.as_str()), Cow::from(event.workflow_id.as_str()), event.sequence, event.time)
        }
        Published::Partition(event) => {
            let of = Cow::from(partition_key(event.partition));
            (of.clone(), of, event.sequence, event.time)
        }
    };
    // What an earlier version has written to the journal is published as it stands there.
    let schema = schema::of(body).expect("an event is published with the body that it was read from or encoded to");
    let mut chain_digits = [0; 32];
    hex::encode_to_slice(chain, &mut chain_digits).expect("a byte has two digits");
    let mut block = Block::with_capacity(256 + subject.len());
    block.text("ce_specversion", "1.0");
    block.put("ce_id", format_args!("{of}/{sequence}"));
    block.text("ce_type", &schema.event_type);
    block.text("ce_source", namespace);
    block.text("ce_subject", &subject);
    block.text("ce_time", &rfc3339::write(time));
    block.put("ce_sequence", format_args!("{sequence:020}"));
    block.text(CONTENT_TYPE, "application/avro");
    block.put(JOURNAL_OFFSET, format_args!("{journal_offset}"));
    block.text(CHAIN, std::str::from_utf8(&chain_digits).expect("digits are ASCII"));
    if let Some(traceparent) = traceparent {
        block.text(TRACEPARENT, traceparent);
    }
    block.headers()
}

/// Header values one behind the other in one piece of memory.
struct Block {
    text: String,
    ends: Vec<(&'static str, usize)>,
}

impl Block {
    fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(11) }
    }

    fn put(&mut self, name: &'static str, value: fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(value);
        self.ends.push((name, self.text.len()));
    }

    /// As it stands: formatting costs several times as much.
    fn text(&mut self, name: &'static str, value: &str) {
        self.text.push_str(value);
        self.ends.push((name, self.text.len()));
    }

    fn headers(self) -> Vec<Header> {
        let text = Bytes::from(self.text);
        let mut start = 0;
        let cut = |(name, end)| (Cow::Borrowed(name), text.slice(std::mem::replace(&mut start, end)..end));
        self.ends.into_iter().map(cut).collect()
    }
}

/// The key under which a partition's own events are published.
pub fn partition_key(partition: u32) -> String {
    format!("partition-{partition}")
}
