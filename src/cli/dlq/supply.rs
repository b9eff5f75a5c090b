//! `orchestrator dlq supply`.

use super::pick::Pick;
use super::take_up::{Remedy, take_up};
use super::work::{How, Verb, work};
use crate::cli::Context;
use crate::cli::exit::Exit;
use crate::cli::submit::input;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq supply 9c41 --value '{\"total\": 12}'
  orchestrator dlq supply 9c41 --value @examples/requests/hello.json
  orchestrator dlq supply --fault 3f2a --value '[]'
A new run of the same workflow carries over what was done, and goes on with this
output of the exhausted node. What breaks the node's contract is not published.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub pick: Pick,
    /// The output: JSON, @FILE, or - for the standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub value: String,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// Gives their nodes an output.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let verb = Verb { now: "supply", done: "supplied", takes_up: true };
    let output = input::read("--value", &args.value)?;
    work(&args.pick, &args.how, &verb, context, |letters, bench| {
        take_up(letters, bench, &args.how, |_| Ok(Ok(Remedy::Supply(output.clone()))))
    })
}
