//! The command line, run as a user runs it: output, exit codes, JSON.

mod bad_settings;
mod definitions;
mod embedded;
mod help;
mod settings;
mod tool;
