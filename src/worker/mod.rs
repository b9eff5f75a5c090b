//! Workers: whoever executes nodes. An [`Agent`] does the work; the runner takes attempts from `ready.<agent>` and
//! reports what became of them.

pub mod agent;

pub use agent::{Agent, Call};
