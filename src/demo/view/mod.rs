//! What the demo shows: a [`board`] folded from events, and pure functions from it to text. Only [`screen`] touches a
//! terminal.

pub mod answers;
pub mod board;
pub mod lines;
pub mod live;
pub mod screen;
pub mod timeline;

use crate::ui::time::duration;

/// A text in a column of so many characters: cut, or filled with spaces.
fn column(text: &str, width: usize) -> String {
    format!("{:width$}", crate::ui::style::short(text, width))
}
