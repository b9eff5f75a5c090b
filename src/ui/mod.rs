//! How things look in a terminal. Pure: values in, text out.

pub mod diff;
pub mod event;
pub mod fork;
pub mod graph;
pub mod money;
pub mod replay;
pub mod run;
pub mod stand_in;
pub mod style;
pub mod table;
pub mod time;
pub mod timeline;
pub mod used;
pub mod why;

/// A number of things: `1 node`, `2 nodes`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
