//! What happened, for whoever looks for the reason of a failed simulation.

use super::ProcessId;
use crate::core::time::Timestamp;
use crate::log::{Token, Topic};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// Happenings that are kept; older ones are forgotten.
const KEPT: usize = 100_000;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A record landed, as it should.
    Landed,
    /// A record landed a second time.
    LandedAgain,
    /// A record landed after its appender was told that it is not known to.
    LandedAfterError,
    /// A record landed after its appender was dropped.
    LandedAfterDeath,
    /// A record stays under way for a while.
    HeldUnderWay,
    /// A record landed; the acknowledgement comes later.
    AckLate,
    /// A record landed; its appender was told that it is not known to.
    AckLost,
    /// A record did not land; its appender was told that it is not known to.
    Unlanded,
    /// A record was reported as unconfirmed and is still under way.
    ErrorWhileUnderWay,
    /// A record vanished with its appender, or behind an error of a gapless one.
    Vanished,
    /// A copy of a record that has landed is under way for long.
    TwinUnderWay,
    /// The log refused a record for good.
    Refused,
    /// An appender failed for good.
    Fatal,
    /// An appender said that it is full.
    Full,
    /// A reader is shown an earlier state.
    DeliveryHeld,
    /// Every member was told at once to take a partition.
    Stampede,
    /// A member was given a partition, or lost one, against the group's real assignment.
    GroupLied,
    /// A member was given a partition.
    Given,
    /// A member lost a partition.
    Revoked,
    /// A commit was refused.
    CommitRefused,
    /// A question was not answered.
    Unreachable,
    /// A reader was told that its offset is not there.
    Lost,
    /// A partition lost its last records.
    SuffixLost,
    /// A process was frozen.
    Frozen,
    /// A process was thawed.
    Thawed,
    /// A process was dropped.
    Dropped,
}

/// One happening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// To whom.
    pub process: Option<ProcessId>,
    /// In which partition.
    pub place: Option<(Topic, u32)>,
    /// At which offset.
    pub offset: Option<u64>,
    /// Which append.
    pub token: Option<Token>,
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {:?}", self.at.0, self.what)?;
        if let Some(process) = self.process {
            write!(f, " process {}", process.0)?;
        }
        if let Some((topic, partition)) = &self.place {
            write!(f, " {topic}[{partition}]")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " at {offset}")?;
        }
        self.token.map_or(Ok(()), |token| write!(f, " token {token}"))
    }
}

/// All happenings of a world.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) happenings: VecDeque<Happening>,
    pub(super) counts: BTreeMap<What, u64>,
}

impl Trace {
    pub(super) fn push(&mut self, happening: Happening) {
        *self.counts.entry(happening.what).or_default() += 1;
        if self.happenings.len() == KEPT {
            self.happenings.pop_front();
        }
        self.happenings.push_back(happening);
    }
}
