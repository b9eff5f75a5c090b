//! What differs between the values of two records of one event, field by field.

use crate::core::diff::values::{self, Difference};
use crate::ui;
use crate::wire::event;
use bytes::Bytes;

/// The fields that differ: what each has to be (`a`), and what it is (`b`); none where one of the two is no event.
pub fn differences((expected, found): &(Bytes, Bytes)) -> Vec<Difference> {
    let read = |body: &Bytes| event::decode(body).ok().map(|event| ui::event::json(&event));
    match (read(expected), read(found)) {
        (Some(expected), Some(found)) => values::differences(&expected, &found),
        _ => Vec::new(),
    }
}
