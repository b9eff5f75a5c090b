//! One suite for all implementations of a trait.

mod store;
