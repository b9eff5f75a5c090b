//! What the demo shows: a [`board`] folded from events, and pure functions from it to text. Only [`screen`] touches a
//! terminal.

pub mod answers;
pub mod board;
pub mod lines;
pub mod live;
pub mod screen;
pub mod timeline;

use std::time::Duration;

/// A duration of nodes and runs: `389 ms`, `2.31 s`.
fn short_duration(duration: Duration) -> String {
    // Rounded first, so that 999.6 ms is not written as 1000 ms.
    let millis = (duration.as_micros() + 500) / 1_000;
    if millis < 1_000 { format!("{millis} ms") } else { format!("{}.{:02} s", millis / 1_000, millis % 1_000 / 10) }
}

/// A text in a column of so many characters: cut, or filled with spaces.
fn column(text: &str, width: usize) -> String {
    format!("{:width$}", crate::ui::style::short(text, width))
}
