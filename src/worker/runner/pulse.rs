//! The heartbeats of an attempt on their way to the engine: few reports for many beats.

use super::super::heartbeat::Heartbeat;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How many reports a timeout has room for: some may be late before the attempt's time is up, and each is an event
/// that is kept for ever.
const REPORTS_PER_TIMEOUT: u32 = 10;
/// Not more than one report a second, however short the timeout …
const SHORTEST: Duration = Duration::from_secs(1);
/// … unless fewer than this many would come within it: one that is late should not end the attempt.
const AT_LEAST: u32 = 3;
/// At least one report a minute, however long the timeout: a history shows that the attempt goes on.
const LONGEST: Duration = Duration::from_secs(60);

/// The heartbeats of one attempt.
pub(super) struct Pulse {
    heartbeat: Heartbeat,
    interval: Duration,
    /// Before it nothing is reported.
    not_before: Instant,
    /// Held by the last report until the log has confirmed it.
    on_its_way: Weak<()>,
    felt: bool,
}

/// PURE. How far the reports of an attempt are apart, at least.
fn interval(timeout: Duration) -> Duration {
    (timeout / REPORTS_PER_TIMEOUT).clamp(SHORTEST.min(timeout / AT_LEAST), LONGEST)
}

impl Pulse {
    /// Of an attempt that has begun at this time, as which it says the same as by a heartbeat. Without `asked` nobody
    /// listens to it.
    pub fn new(asked: bool, timeout: Duration, begun: Instant) -> Self {
        let heartbeat = if asked { Heartbeat::listened() } else { Heartbeat::default() };
        let interval = interval(timeout);
        Self { heartbeat, interval, not_before: begun + interval, on_its_way: Weak::new(), felt: false }
    }

    /// What the agent beats with.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Waits until the agent has beaten and that may be reported. Dropped in between, it loses nothing.
    pub async fn due(&self) {
        self.heartbeat.heard().await;
        tokio::time::sleep_until(self.not_before.into()).await;
    }

    /// Takes what the agent has beaten, at this time. Hands out what the report is to hold until it is confirmed; none:
    /// the last one is still under way, and another behind it would say nothing more.
    pub fn take(&mut self, now: Instant) -> Option<Arc<()>> {
        self.heartbeat.take();
        (self.not_before, self.felt) = (now + self.interval, true);
        let report = (self.on_its_way.strong_count() == 0).then(Arc::default);
        if let Some(report) = &report {
            self.on_its_way = Arc::downgrade(report);
        }
        report
    }

    /// Whether it has beaten at all.
    pub fn was_felt(&self) -> bool {
        self.felt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_a_few_per_timeout_and_not_more_than_one_a_second() {
        let ms = Duration::from_millis;
        for (timeout, expected) in [
            (ms(60_000), ms(6_000)),
            (ms(10_000), ms(1_000)),
            (ms(5_000), ms(1_000)),
            (ms(3_000), ms(1_000)),
            (ms(1_500), ms(500)),
            (ms(30), ms(10)),
            (ms(0), ms(0)),
            (Duration::from_secs(600), LONGEST),
            (Duration::MAX, LONGEST),
        ] {
            assert_eq!(interval(timeout), expected, "{timeout:?}");
        }
    }

    #[test]
    fn a_report_is_not_followed_by_another_before_it_is_confirmed() {
        let begun = Instant::now();
        let mut pulse = Pulse::new(true, Duration::from_secs(60), begun);
        assert_eq!((pulse.was_felt(), pulse.not_before), (false, begun + Duration::from_secs(6)));
        let later = begun + Duration::from_secs(100);
        let report = pulse.take(later);
        assert!(report.is_some() && pulse.was_felt());
        assert_eq!(pulse.not_before, later + Duration::from_secs(6));
        assert!(pulse.take(later).is_none());
        drop(report);
        assert!(pulse.take(later).is_some());
    }
}
