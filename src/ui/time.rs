//! Points in time as people and programs write them.

use crate::core::time::Timestamp;
use std::time::Duration;

/// RFC 3339 in UTC, e.g. `2025-01-31T12:00:00.123456Z`.
pub fn rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(time.0).map_or_else(|_| format!("{} µs", time.0), |time| time.to_string())
}

/// Day and time in UTC to the second, e.g. `2025-01-31 12:00:00`.
pub fn short(time: Timestamp) -> String {
    written(time, "%Y-%m-%d %H:%M:%S")
}

/// The time of day in UTC to the millisecond, e.g. `12:00:00.123`.
pub fn clock(time: Timestamp) -> String {
    written(time, "%H:%M:%S%.3f")
}

/// A duration as people say it: `340 µs`, `12 ms`, `1.25 s`, `3 min 20 s`.
pub fn duration(duration: Duration) -> String {
    // Rounded first, so that 999.6 ms is not written as 1000 ms.
    let (micros, millis) = (duration.as_micros(), (duration.as_micros() + 500) / 1_000);
    match (micros, millis) {
        (0..1_000, _) => format!("{micros} µs"),
        (_, 0..1_000) => format!("{millis} ms"),
        (_, 0..60_000) => format!("{}.{:02} s", millis / 1_000, millis % 1_000 / 10),
        _ => format!("{} min {} s", millis / 60_000, millis / 1_000 % 60),
    }
}

fn written(time: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_microsecond(time.0)
        .map_or_else(|_| format!("{} µs", time.0), |time| time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        let time = Timestamp(1_738_324_800_123_456);
        assert_eq!(rfc3339(time), "2025-01-31T12:00:00.123456Z");
        assert_eq!((short(time), clock(time)), ("2025-01-31 12:00:00".to_owned(), "12:00:00.123".to_owned()));
        assert_eq!(rfc3339(Timestamp(i64::MAX)), format!("{} µs", i64::MAX));
    }

    #[test]
    fn a_duration_is_said_in_the_unit_that_fits() {
        let micros = [0, 999, 1_000, 12_400, 999_600, 1_250_000, 59_999_499, 59_999_500, 200_000_000];
        let said = micros.map(|micros| duration(Duration::from_micros(micros)));
        let expected = ["0 µs", "999 µs", "1 ms", "12 ms", "1.00 s", "1.25 s", "59.99 s", "1 min 0 s", "3 min 20 s"];
        assert_eq!(said, expected);
    }
}
