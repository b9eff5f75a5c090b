//! The journal: the record of a step, and the rule by which every reader knows what counts. PURE.

pub mod record;
pub mod rule;
