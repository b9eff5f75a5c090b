//! The owner's clock, corrected by the log's append times. A client's clock decides nothing.

use crate::core::time::Timestamp;
use crate::planted::{Bug, is_planted};

/// Turns local times into the log's time, and never runs backwards.
#[derive(Clone, Debug, Default)]
pub struct CorrectedClock {
    /// Microseconds to add to the local clock.
    correction: i64,
    last: Timestamp,
}

impl CorrectedClock {
    /// The log's time at a local time.
    pub fn at(&mut self, local: Timestamp) -> Timestamp {
        self.last = self.last.max(Timestamp(local.0.saturating_add(self.correction)));
        self.last
    }

    /// Time has come at least so far.
    pub fn not_before(&mut self, time: Timestamp) {
        self.last = self.last.max(time);
    }

    /// Learns from a record of one's own: it was sent and read back at local times, and appended in between by the
    /// log's clock (which counts whole milliseconds).
    pub fn observe(&mut self, sent: Timestamp, received: Timestamp, appended: Timestamp) {
        let least = appended.0.saturating_sub(received.0);
        let most = appended.0.saturating_add(999).saturating_sub(sent.0);
        if least <= most && !is_planted(Bug::TrustsItsClock) {
            self.correction = self.correction.clamp(least, most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_right_is_left_alone() {
        let mut clock = CorrectedClock::default();
        clock.observe(Timestamp(10_200), Timestamp(11_900), Timestamp::from_millis(11));
        assert_eq!(clock.at(Timestamp(20_000)), Timestamp(20_000));
    }

    #[test]
    fn a_wrong_clock_is_corrected_and_time_never_runs_backwards() {
        let mut clock = CorrectedClock::default();
        let hour = 3_600_000_000;
        assert_eq!(clock.at(Timestamp(hour + 1_000)), Timestamp(hour + 1_000));
        clock.observe(Timestamp(hour + 1_000), Timestamp(hour + 3_000), Timestamp::from_millis(2));
        assert_eq!(clock.at(Timestamp(hour + 4_000)), Timestamp(hour + 1_000));
        assert_eq!(clock.at(Timestamp(2 * hour + 4_000)), Timestamp(hour + 4_000 + 1_999));
    }
}
