//! What the tail of the event stream says of the publications that a takeover has to perform again.

use super::claim::{CountedStep, Tail};
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::perform::publications;
use crate::log::NewRecord;
use crate::wire::headers;
use std::collections::VecDeque;

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
