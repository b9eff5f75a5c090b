//! Workers: whoever executes nodes. An [`Agent`] does the work; the [`Runner`] takes attempts from `ready.<agent>` and
//! reports what became of them.
//!
//! Reading order: [`agent`], [`heartbeat`], [`meter`], [`registry`], [`settings`], [`attempts`] and [`progress`] (pure), [`runner`], then the
//! agents that come with it: [`builtin`] and [`exec`].

pub mod agent;
pub mod attempts;
pub mod builtin;
pub mod exec;
pub mod heartbeat;
pub mod meter;
pub mod progress;
pub mod registry;
pub mod runner;
mod said;
pub mod settings;

pub use agent::{Agent, Call};
pub use builtin::BuiltinSettings;
pub use exec::ExecAgent;
pub use heartbeat::Heartbeat;
pub use meter::Meter;
pub use registry::{Agents, agent_fn};
pub use runner::{LocalDesk, Runner, RunnerError, Standing};
pub use settings::RunnerSettings;
