//! The pure heart: what a workflow is, what may happen to it, what follows from it.
//!
//! ```text
//! decide(&Run, Command, now) -> Result<Vec<Event>, Rejection>   what shall happen  (decide/)
//! apply(&mut Run, &Event)                                       what has happened  (apply.rs)
//! effects(&Recorded)         -> Vec<Effect>                     what follows       (effect.rs)
//! ```
//!
//! Nothing here reads a clock, a socket, a file or a random number. Recovery, replay and the projector
//! call `apply` alone; only live input goes through `decide`.
//!
//! Reading order: [`id`], [`definition`], [`command`], [`event`], [`run`], [`apply`], [`frontier`],
//! [`decide`], [`effect`].

pub mod apply;
pub mod attempts;
pub mod breaker;
pub mod catalogue;
pub mod classify;
pub mod command;
pub mod decide;
pub mod definition;
pub mod effect;
pub mod event;
pub mod failure;
pub mod fingerprint;
pub mod frontier;
pub mod gate;
pub mod id;
pub mod json;
pub mod letter;
pub mod limits;
pub mod lineage;
pub mod mask;
pub mod partition;
pub mod rejection;
pub mod retry;
pub mod rfc3339;
pub mod run;
pub mod status;
pub mod time;
pub mod usage;
pub mod why;
