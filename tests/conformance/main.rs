//! What every implementation of a trait has to do, each case written once.

mod log;
