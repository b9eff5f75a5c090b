//! Workers: what becomes of tasks, whatever agents, engines and the log do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test both mean that it fails")]

#[path = "worker/exec.rs"]
mod exec;
#[path = "worker/fake_log.rs"]
mod fake_log;
#[path = "worker/heartbeats.rs"]
mod heartbeats;
#[path = "worker/house.rs"]
mod house;
#[path = "worker/http.rs"]
mod http;
#[path = "worker/outcomes.rs"]
mod outcomes;
#[path = "worker/progress.rs"]
mod progress;
#[path = "worker/trouble.rs"]
mod trouble;
