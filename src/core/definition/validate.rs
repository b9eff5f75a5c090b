//! Validation: every fault of a document at once, each with its place.
