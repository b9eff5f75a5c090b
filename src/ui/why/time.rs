//! Points in time and durations as they are said of something that is awaited.

use crate::core::time::Timestamp;
use crate::ui::time::short;
use std::time::Duration;

/// The time of day, `12:00:05 UTC`; with the day where that is another one than today.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (short(at), short(now));
    match (at.split_once(' '), now.split_once(' ')) {
        (Some((day, time)), Some((today, _))) if day == today => format!("{time} UTC"),
        _ => format!("{at} UTC"),
    }
}

/// A duration in its largest units, rounded up: `8 s`, `3 min`, `5 h`, `2 days`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_millis().div_ceil(1_000);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} h", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_said_where_it_is_another_one() {
        let now = Timestamp::from_millis(1_738_324_800_000);
        let at = |seconds: u64| moment(now.after(Duration::from_secs(seconds)), now);
        assert_eq!([at(5), at(43_200)], ["12:00:05 UTC", "2025-02-01 00:00:00 UTC"]);
    }

    #[test]
    fn a_duration_is_rounded_up_in_its_largest_unit() {
        let seconds = [0, 1, 119, 120, 121, 7_199, 7_201, 172_800];
        let said = seconds.map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(said, ["0 s", "1 s", "119 s", "2 min", "3 min", "120 min", "3 h", "2 days"]);
        assert_eq!(span(Duration::from_millis(7_001)), "8 s");
    }
}
