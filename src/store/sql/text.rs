//! Texts from outside, made fit for a column.

use std::borrow::Cow;

/// The text with U+0000, which Postgres cannot hold (and which SQLite's tools cut a text at), written as U+FFFD.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// [`clean`] for what may not be there.
pub fn clean_opt(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(clean)
}
