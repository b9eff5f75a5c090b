//! Stack for work whose depth an author decides: parsers and interpreters of libraries recurse, and their frames are
//! large (up to 170 KB a level without optimisation, measured).

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Pages that are not touched cost nothing.
const LARGE_STACK: usize = 32 << 20;

/// The work panicked.
#[derive(Debug)]
pub(super) struct Panicked;

/// Does something on a large stack; a panic there ends there.
pub(super) fn on_large_stack<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    stacker::grow(LARGE_STACK, || catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked))
}
