//! The engine on the log in memory, in virtual time, with one thing at a time that goes wrong: what the simulation's
//! dice do not throw, or do not hold against a definite answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod aside;
mod careful;
mod claims;
mod desk;
mod effects;
mod faults;
mod letters;
mod lines;
mod local;
mod losses;
mod storm;
mod take_up;
mod town;
mod twice;
mod waits;
mod wires;
