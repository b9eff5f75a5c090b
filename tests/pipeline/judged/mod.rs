//! Replay, fork and verify, judged on the real thing: many random runs that fail, are tried again, time out, are helped by
//! hand, are redriven and forked, while the engine is killed (`kill -9`) again and again.
//!
//! What replay says of a run after each of its events is held against three witnesses that replay has no part in:
//!
//! 1. **The rows that live folding wrote.** A trigger in Postgres keeps every row that the projectors have ever put into
//!    `orchestrator_workflow_states`, each written while the run was there, some by processes that were killed right after.
//!    Later runs of the program cannot change what the trigger has kept. (They are as dense as the projectors' batches.)
//! 2. **A fold in Python** (`tests/python/fold.py`), after every event: written from the schemas' and the tables' comments,
//!    fed from the topic by `confluent-kafka`, `fastavro` and the `.avsc` files alone. It shares no line with ours, so a
//!    mistake in `apply`, in the decoder, or in how a history is gathered shows as a difference.
//! 3. **What the engines did with their live state**: a `NodeScheduled` holds the input that the engine made of the
//!    outputs it had in memory (after a crash: had recovered), a `StateTransitioned` the state it was in. Replay right
//!    before that event must have the same outputs and the same state.
//!
//! `replay --all --verify` then has the journal as a fourth, byte by byte.

mod agents;
mod copies;
mod forks;
mod graphs;
mod headers;
mod replays;
mod storm;

use crate::kill::dice;
use crate::support::{Installation, Leg};
use rand::RngExt;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// How many workflows there are, unless `ORCHESTRATOR_TEST_WORKFLOWS` says it.
const WORKFLOWS: usize = 1_000;

#[test]
fn replay_is_at_every_number_what_live_folding_was_there_and_damage_is_named() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let workflows = std::env::var("ORCHESTRATOR_TEST_WORKFLOWS").ok().and_then(|number| number.parse().ok());
    let workflows = workflows.unwrap_or(WORKFLOWS);
    let (mut dice, began) = (dice("judged"), Instant::now());
    let told = |what: &str| println!("{:5.1} s: {what}", began.elapsed().as_secs_f64());
    let at = Installation::new(Leg::Kafka);
    replays::keep_live_rows(&at);
    let definitions = storm::definitions(&at, &mut dice, workflows.div_ceil(10).clamp(20, 100));
    let (stop, seed) = (AtomicBool::new(false), dice.random());
    let mut storm = storm::Storm::new(&at, &definitions);
    let forked = std::thread::scope(|scope| {
        let _agents = agents::Agents::start(&at, &stop, seed, scope);
        storm.rage(&mut dice, workflows);
        told("all workflows have ended, their engines killed meanwhile");
        storm.redrive(&mut dice);
        told("letters are worked off");
        let forked = forks::at_every_node(&mut storm, &mut dice);
        told("forks have ended");
        forked
    });
    let histories = replays::histories(&at);
    forks::take_over_the_upstream(&forked, &histories);
    println!("{}", at.judge(workflows + forked.count()));
    told("the installation is sound");
    headers::are_right(&at);
    told("the headers are right");
    println!("{}", replays::agree(&at, &histories, &definitions));
    told("replay agrees with its witnesses");
    replays::program_says_the_same(&at, &histories, &mut dice);
    told("and the program with the library");
    copies::damage_is_named(&at, &mut dice);
    told("damage is named");
}
