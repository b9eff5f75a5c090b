//! `orchestrator dlq redrive`.

use super::pick::Pick;
use super::resubmit::again;
use super::work::{How, Verb, work};
use crate::cli::Context;
use crate::cli::exit::Exit;
use crate::core::letter::LetterAction;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq redrive 9c41 77ab
  orchestrator dlq redrive --fault 3f2a --rate 10
  orchestrator dlq redrive --code unknown_definition --since 1h --dry-run
A refused request is published again with its key, value and headers.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub pick: Pick,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// Hands them in again.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let verb = Verb { now: "redrive", done: "redriven" };
    work(&args.pick, &args.how, &verb, context, |found, query, partitions| {
        let handling = args.how.handling(&found.letter.letter_id, LetterAction::Redrive);
        again(found, query, &handling, partitions)
    })
}
