//! Kinds of trouble: each can be spared, to see whether a violation needs it.

use crate::log::memory::Faults;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The log loses its last records.
    Losses,
    /// Clocks are wrong, or set.
    Clocks,
    /// Operators do what cannot be done, too.
    Operators,
    /// The store is away, or loses commits.
    Store,
    /// Projectors crash.
    ProjectorCrashes,
    /// Workers crash, and lie.
    Workers,
    /// Processes stand still.
    Freezes,
    /// Engines crash.
    EngineCrashes,
    /// The group lies; all of its members are called at once.
    Group,
    /// Readers see an earlier state, or a part of what there is.
    Deliveries,
    /// Appends are refused.
    Refusals,
    /// Appends land twice.
    Twins,
    /// Appends are not confirmed, or their appender breaks.
    Errors,
    /// Appends and acknowledgements are late.
    Delays,
    /// Time passes in leaps.
    Leaps,
}

impl Trouble {
    /// All kinds: what is easiest to do without comes first.
    pub const ALL: [Self; 15] = [
        Self::Losses,
        Self::Clocks,
        Self::Operators,
        Self::Store,
        Self::ProjectorCrashes,
        Self::Workers,
        Self::Freezes,
        Self::EngineCrashes,
        Self::Group,
        Self::Deliveries,
        Self::Refusals,
        Self::Twins,
        Self::Errors,
        Self::Delays,
        Self::Leaps,
    ];

    /// The log's faults without this kind.
    pub fn spare(self, faults: &mut Faults) {
        let none = Faults::default();
        match self {
            Self::Group => (faults.group_lies, faults.commit_fails) = (0.0, 0.0),
            Self::Deliveries => (faults.delivery_late, faults.delivery_partial) = (0.0, 0.0),
            Self::Refusals => faults.refused = 0.0,
            Self::Twins => (faults.twice_at_once, faults.twice_behind, faults.twice_late) = (0.0, 0.0, 0.0),
            Self::Errors => {
                (faults.ack_lost, faults.never_lands, faults.lands_after_error, faults.fatal, faults.unreachable) =
                    (none.ack_lost, none.never_lands, none.lands_after_error, none.fatal, none.unreachable);
            }
            Self::Delays => (faults.land_late, faults.ack_late, faults.full) = (0.0, 0.0, 0.0),
            _ => {}
        }
    }
}
