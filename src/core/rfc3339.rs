//! Points in time as text: RFC 3339 with microseconds, in UTC, e.g. `2026-02-03T04:05:06.000007Z`.

use crate::core::time::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// Writes a point in time. Outside the years -9999 to 9999 it is the nearest one inside.
pub fn write(time: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    let edge = if time.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    PRINTER.timestamp_to_string(&jiff::Timestamp::from_microsecond(time.0).unwrap_or(edge))
}

/// Reads a point in time, with any offset.
pub fn read(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_microsecond()))
}
