//! Points in time on the command line: RFC 3339, a date, or a duration before now.

use super::connect;
use crate::config::kind::{self, Kind};
use crate::core::rfc3339;
use crate::core::time::Timestamp;
use std::time::Duration;

/// A point in time as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Ago(Duration),
    /// At this point.
    At(Timestamp),
}

impl Since {
    /// The point in time, by this machine's clock.
    pub fn time(self) -> Timestamp {
        self.before(connect::now())
    }

    /// The point in time, where `now` is now.
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ago) => Timestamp(now.0.saturating_sub(i64::try_from(ago.as_micros()).unwrap_or(i64::MAX))),
            Self::At(time) => time,
        }
    }
}

/// As settings are written; ten years is longer than any history here.
const PERIOD: Kind = Kind::Duration { min_ms: 1, max_ms: 3_650 * 86_400_000 };

/// Reads a duration before now (`90s`, `15m`, `24h`), a time (RFC 3339) or a date (midnight in UTC).
///
/// # Errors
/// Where it is none of these.
pub fn since(text: &str) -> Result<Since, String> {
    if let Some(kind::Value::Duration(duration)) = PERIOD.parse(text) {
        return Ok(Since::Ago(duration));
    }
    let midnight = || rfc3339::read(&format!("{text}T00:00:00Z"));
    let time = rfc3339::read(text).or_else(midnight).map(Since::At);
    time.ok_or_else(|| format!("allowed {}, or a time such as 2026-02-03T04:05:06Z or 2026-02-03", PERIOD.allowed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_is_a_duration_a_time_or_a_date() {
        let seconds = |seconds| Ok(Since::Ago(Duration::from_secs(seconds)));
        assert_eq!((since("90s"), since("2h")), (seconds(90), seconds(7_200)));
        let at = Ok(Since::At(Timestamp(1_738_324_800_000_000)));
        for text in ["2025-01-31T12:00:00Z", "2025-01-31T13:00:00+01:00", "2025-01-31T12:00:00.000Z"] {
            assert_eq!(since(text), at, "{text}");
        }
        assert_eq!(since("2025-01-31"), Ok(Since::At(Timestamp(1_738_281_600_000_000))));
        for bad in ["soon", "", "12:00", "2025-13-01", "-1h", "2025-01-31T12:00:00"] {
            let refusal = since(bad).unwrap_err();
            assert!(refusal.contains("2026-02-03T04:05:06Z"), "{bad}: {refusal}");
        }
    }

    #[test]
    fn a_duration_counts_back_from_now() {
        let now = Timestamp(10_000_000);
        assert_eq!(Since::Ago(Duration::from_secs(3)).before(now), Timestamp(7_000_000));
        assert_eq!(Since::At(Timestamp(5)).before(now), Timestamp(5));
    }
}
