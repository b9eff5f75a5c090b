//! `orchestrator dlq redrive`.

use super::resubmit::again;
use super::take_up::{Remedy, take_up};
use super::work::{Chosen, Made, Verb, work};
use crate::cli::Context;
use crate::cli::exit::Exit;
use crate::core::letter::LetterAction;
use crate::store::letter::LetterKind;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq redrive 9c41 77ab
  orchestrator dlq redrive --fault 3f2a --rate 10
  orchestrator dlq redrive --code unknown_definition --since 1h --dry-run
A refused request is published again with its key, value and headers, unless it
would be refused again. Of an exhausted node the run is taken up: a new run of
the same workflow carries over what was done, and goes on from the nodes that
are exhausted.
";

/// Hands them in again.
pub fn run(args: &Chosen, context: &Context) -> Result<Exit> {
    let verb = Verb { now: "redrive", done: "redriven", takes_up: true };
    work(&args.pick, &args.how, &verb, context, |letters, bench| {
        let found = &letters[0];
        match found.letter.kind {
            LetterKind::Node => take_up(letters, bench, &args.how, |_| Ok(Ok(Remedy::Again))),
            LetterKind::Input => {
                let handling = args.how.handling(found, LetterAction::Redrive);
                Ok(again(found, bench, &handling)?.map(|record| Made::request(found, record)))
            }
        }
    })
}
