//! How an agent says what it has used.

use crate::core::usage::Usage;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes what an attempt has used: money, and tokens of models. Clones speak for the same attempt, from any task or
/// thread. What is said several times adds up, and is reported with the attempt's end, also where it has failed.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Option<Usage>>>);

impl Meter {
    /// Adds what was used since it was last said.
    pub fn add(&self, usage: Usage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default() += usage;
    }

    /// All of it; none: nothing was said.
    pub fn total(&self) -> Option<Usage> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
