//! The command line, run as a user runs it: output, exit codes, JSON.

#![allow(clippy::panic, reason = "a test that cannot go on says why")]

mod bad_settings;
mod definitions;
mod demo;
mod dlq;
mod embedded;
mod export;
mod fork;
mod help;
mod replay;
mod settings;
mod take_up;
mod tool;
mod why;
