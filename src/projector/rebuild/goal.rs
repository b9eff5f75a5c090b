//! How far the shadow is to be filled.

use super::{RebuildError, Wanted};
use crate::log::{Log, Topic};
use crate::store::Position;
use crate::store::rebuild::Which;
use std::collections::BTreeMap;

/// Positions by partition.
pub type Positions = BTreeMap<u32, Position>;

/// In a map.
pub fn by_partition(positions: Vec<(u32, Position)>) -> Positions {
    positions.into_iter().collect()
}

/// What a rebuild works towards.
pub struct Goals<'a> {
    pub log: &'a dyn Log,
    pub wanted: Wanted,
    pub partitions: u32,
}

impl Goals<'_> {
    /// The offsets below which all is to be in the shadow: where the live tables stand. Where they do not stand
    /// anywhere, or are not to be gone by, the journal's end of this moment.
    pub fn of_now(&self, live: &Positions) -> Result<BTreeMap<u32, u64>, RebuildError> {
        let of = |partition| {
            let end = self.log.ends(&Topic::Journal, partition)?.high;
            match live.get(&partition).map(|position| position.next_offset) {
                Some(live) if live > end => Err(RebuildError::LiveAhead { partition, live, end }),
                Some(live) => Ok((partition, live)),
                // An empty journal is projected to nowhere.
                None if end > 0 && matches!(self.wanted.which, Which::One(_)) => {
                    Err(RebuildError::NoPosition(partition))
                }
                None => Ok((partition, end)),
            }
        };
        (0..self.partitions).map(of).collect()
    }
}
