//! What a running process answers over HTTP: how it is.

pub mod health;
pub mod status;

pub use status::Status;
