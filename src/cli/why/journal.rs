//! What the end of a journal says that is not in the tables yet.

use crate::cli::history::read::unprojected;
use crate::core::breaker::{self, BreakerState};
use crate::core::event::PartitionEvent;
use crate::core::id::AgentName;
use crate::core::time::Timestamp;
use crate::core::why::Behind;
use crate::journal::record::JournalRecord;
use crate::log::{Log, Record};
use crate::store::Position;
use crate::wire::event::{self, Published};
use anyhow::Result;
use std::collections::BTreeMap;

/// How a partition stands at the end of its journal.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The circuit breakers that are not closed.
    pub breakers: BTreeMap<AgentName, BreakerState>,
    /// How far the tables are behind.
    pub behind: Option<Behind>,
}

/// Reads on from where the tables stand; none: they hold nothing of the partition.
///
/// # Errors
/// Where the log does not answer, or the journal is not readable.
pub fn standing(log: &dyn Log, partition: u32, position: Option<&Position>, now: Timestamp) -> Result<Standing> {
    let mut breakers = position.map(|position| position.breakers.clone()).unwrap_or_default();
    let next = position.map_or(0, |position| position.next_offset);
    let (mut records, mut oldest) = (0, now);
    unprojected(log, partition, position, |record, decoded, counts| {
        if record.offset >= next {
            records += 1;
            oldest = oldest.min(record.time);
        }
        if counts { follow(record, decoded, &mut breakers) } else { Ok(()) }
    })?;
    Ok(Standing { breakers, behind: Some(Behind { records, age: now.since(oldest) }) })
}

fn follow(record: &Record, decoded: &JournalRecord, breakers: &mut BTreeMap<AgentName, BreakerState>) -> Result<()> {
    use anyhow::Context as _;
    let JournalRecord::Step(step) = decoded else { return Ok(()) };
    for body in step.transitions.iter().flat_map(|transition| &transition.events) {
        let place = || format!("journal/{}, offset {}", record.partition, record.offset);
        if let Published::Partition(recorded) = event::decode(body).with_context(place)?
            && let PartitionEvent::BreakerChanged(change) = &recorded.event
        {
            breaker::record(breakers, change, recorded.time);
        }
    }
    Ok(())
}
