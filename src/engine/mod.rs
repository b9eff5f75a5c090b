//! One partition's life: take, recover, drain, decide, append, read back, perform.
//!
//! The protocol is DESIGN's "write ahead, read back, then act": a step is appended to the journal, and only when the
//! owner reads its own step back, and the readers' rule says that it counts, are its effects performed.
//!
//! Reading order: [`settings`], [`state`] (the fold of a journal), [`partition`] (the phases), [`claim`] (taking and
//! recovering), [`owner`] (one turn of deciding), `decide` and `record` (inputs become events), `act` (a step counts),
//! `aside` and `faults` (what cannot go on), [`input`] (what an input record asks for), [`step`] (what is decided
//! together), [`perform`] (effects as records), [`tracker`] (which effects are done), [`io`] and [`shell`] (clients and
//! threads).

mod act;
mod aside;
mod breakers;
pub mod claim;
pub mod clock;
mod decide;
pub mod definitions;
mod delays;
mod faults;
mod handled;
pub mod input;
pub mod io;
mod kept;
mod local;
pub mod owner;
pub mod partition;
pub mod perform;
mod record;
mod report;
pub mod settings;
pub mod shell;
mod signal;
pub mod snapshots;
mod start;
pub mod state;
pub mod step;
pub mod tail;
pub mod thread;
pub mod timer;
pub mod tracker;
pub mod window;

pub use settings::EngineSettings;
pub use shell::{Engine, EngineParts};
