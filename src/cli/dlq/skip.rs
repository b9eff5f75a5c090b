//! `orchestrator dlq skip`.

use super::take_up::{Remedy, take_up};
use super::work::{Chosen, Verb, work};
use crate::cli::Context;
use crate::cli::exit::Exit;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq skip 9c41
  orchestrator dlq skip --fault 3f2a --rate 10 --note 'no reviews today'
A new run of the same workflow carries over what was done, and goes on as if the
exhausted node had put out null.
";

/// Lets their runs go on without them.
pub fn run(args: &Chosen, context: &Context) -> Result<Exit> {
    let verb = Verb { now: "skip", done: "skipped", takes_up: true };
    work(&args.pick, &args.how, &verb, context, |letters, bench| {
        take_up(letters, bench, &args.how, |_| Ok(Ok(Remedy::Skip)))
    })
}
