//! What may go wrong, and how often.

use std::time::Duration;

/// Probabilities (0 to 1) of each fault, and how far it goes. All zero, the default, is the plain log: every append
/// lands at the next poll of anything, in order, and is acknowledged at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// An append is not taken: the appender says that it is full.
    pub full: f64,
    /// An append stays under way for up to `land_delay`; those behind it wait.
    pub land_late: f64,
    /// The longest that an append stays under way.
    pub land_delay: Duration,
    /// A record lands, and its acknowledgement is late by up to `ack_delay`.
    pub ack_late: f64,
    /// The longest that an acknowledgement is late.
    pub ack_delay: Duration,
    /// A record lands, and is reported as unconfirmed.
    pub ack_lost: f64,
    /// A record is reported as unconfirmed and never lands.
    pub never_lands: f64,
    /// A record is reported as unconfirmed and lands later, behind records that were appended after it. For a
    /// gapless appender (`Purpose::Events`) it is as `never_lands`.
    pub lands_after_error: f64,
    /// A record lands twice, one copy behind the other.
    pub twice_at_once: f64,
    /// A record lands twice, the second time behind what else its appender had under way for the partition.
    pub twice_behind: f64,
    /// A record lands and is reported as unconfirmed, and a copy of it stays under way for up to `stray_delay`,
    /// whatever happens to its appender. For a gapless appender it is as if nothing went wrong.
    pub twice_late: f64,
    /// The log refuses a record for good, at once or by its acknowledgement. Never a client's own.
    pub refused: f64,
    /// The appender fails for good; what it had under way may land later (not where it is gapless).
    pub fatal: f64,
    /// What was under way when its appender was dropped may land later: of each partition a beginning, in order.
    pub orphans: bool,
    /// The longest that a record stays under way that nobody waits for any more: most take up to `land_delay`, some
    /// up to this.
    pub stray_delay: Duration,
    /// A reader is shown the partition as it was earlier, for up to `delivery_delay`.
    pub delivery_late: f64,
    /// The longest that a reader is held back.
    pub delivery_delay: Duration,
    /// A poll hands out only some of what there is.
    pub delivery_partial: f64,
    /// A member is given a partition that others have too, or loses one that nobody else has.
    pub group_lies: f64,
    /// A commit fails although the member has the partition.
    pub commit_fails: f64,
    /// A question (ends, partitions, settings) is not answered.
    pub unreachable: f64,
}

impl Faults {
    /// Everything goes wrong, each now and then.
    pub fn all() -> Self {
        Self {
            full: 0.01,
            land_late: 0.2,
            land_delay: Duration::from_secs(3),
            ack_late: 0.1,
            ack_delay: Duration::from_secs(2),
            ack_lost: 0.01,
            never_lands: 0.01,
            lands_after_error: 0.01,
            twice_at_once: 0.02,
            twice_behind: 0.02,
            twice_late: 0.01,
            refused: 0.003,
            fatal: 0.005,
            orphans: true,
            stray_delay: Duration::from_secs(45),
            delivery_late: 0.1,
            delivery_delay: Duration::from_secs(2),
            delivery_partial: 0.2,
            group_lies: 0.02,
            commit_fails: 0.05,
            unreachable: 0.02,
        }
    }
}
