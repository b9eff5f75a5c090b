//! Where publication stopped, and what that says of the publications that a takeover has to perform again.

use super::claim::CountedStep;
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::perform::publications;
use crate::log::{NewRecord, Record};
use crate::wire::headers;
use bytes::Bytes;
use std::collections::VecDeque;

/// Where publication stopped: the journal offset and the chain of the last record of the event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing has been published, or nothing of it is left.
    Empty,
    /// The last publication.
    At {
        /// The journal offset of its step.
        offset: u64,
        /// The hash chain after it, by which its event is told from any other.
        chain: Bytes,
    },
}

impl Tail {
    /// What the last record of the event stream says.
    pub fn of(record: &Record) -> Self {
        let text = |name: &str| record.header(name).and_then(|value| std::str::from_utf8(value).ok());
        let offset = text(headers::JOURNAL_OFFSET).and_then(|text| text.parse().ok());
        match (offset, record.header(headers::CHAIN)) {
            (Some(offset), Some(chain)) => Self::At { offset, chain: Bytes::copy_from_slice(chain) },
            _ => {
                tracing::error!(
                    offset = record.offset,
                    "the last record of the event stream is not one of orchestrator's"
                );
                Self::Empty
            }
        }
    }
}

impl Owning {
    /// Where publication stopped, unless that was in a journal that has lost records since: what stands at that offset
    /// now is something else, and it, and what follows, is published.
    pub(super) fn of_this_journal(&self, tail: Tail, pending: &VecDeque<CountedStep>, env: &Env) -> Result<Tail, Stop> {
        let Tail::At { offset, chain } = &tail else { return Ok(tail) };
        if pending.front().is_none_or(|first| *offset < first.offset) {
            return Ok(tail);
        }
        if let Some(step) = pending.iter().find(|step| step.offset == *offset) {
            let place = self.place(*offset, env);
            if step.planned()?.iter().any(|planned| publications(planned, place).iter().any(|it| is_last(it, chain))) {
                return Ok(tail);
            }
        }
        tracing::error!(
            partition = self.claimant.partition,
            offset,
            "JournalLost: the last publication is of a step \
            that the journal does not hold; what is not known to be published is published again"
        );
        Ok(Tail::Empty)
    }
}

/// Leaves out what the tail of the event stream shows to be published.
pub(super) fn skip_published(records: &mut Vec<NewRecord>, tail: &Tail, offset: u64) {
    let Tail::At { offset: reached, chain } = tail else { return };
    if offset < *reached {
        records.clear();
    } else if offset == *reached
        && let Some(last) = records.iter().position(|record| is_last(record, chain))
    {
        records.drain(..=last);
    }
}

fn is_last(record: &NewRecord, chain: &[u8]) -> bool {
    record.headers.iter().any(|(name, value)| name == headers::CHAIN && **value == *chain)
}
