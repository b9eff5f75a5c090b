//! `orchestrator replay`.

mod bodies;
mod changes;
mod state;
mod verify;
mod walk;

use super::Context;
use super::exit::{Exit, fail};
use crate::core::id::{RunId, WorkflowId};
use crate::history::point::To;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator replay order-7                the newest run, folded from its events
  orchestrator replay order-7 --to 12        after its event 12
  orchestrator replay order-7 --to 2026-01-31T12:00:00Z
  orchestrator replay order-7 --to pay       right before node pay was handed out
  orchestrator replay order-7 --to node:12   the same of a node named like a number
  orchestrator replay order-7 --walk         by keys: n, p, g, G, a number, q
  orchestrator replay --all --verify         against journal, chains and tables
  orchestrator replay --all --verify --events-of copy   the same of a copy
Nothing is executed and nothing is written. A difference ends `--verify` with 1.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workflow
    #[arg(value_name = "WORKFLOW_ID", required_unless_present_any = ["all", "verify"], conflicts_with_all = ["all", "verify"])]
    pub id: Option<WorkflowId>,
    /// An older run of it
    #[arg(long, value_name = "RUN_ID", conflicts_with = "all")]
    pub run: Option<RunId>,
    /// Up to where: the number of an event, a time (RFC 3339, or a date: the state as of then), or a node (the state right
    /// before its first attempt was handed out)
    #[arg(long, value_name = "SEQ|TIME|NODE", conflicts_with = "all")]
    pub to: Option<To>,
    /// Go through the history in the terminal, forward and back, beginning at that point or at the first event
    #[arg(long, conflicts_with = "all")]
    pub walk: bool,
    /// Read the event stream rather than the journal; the circuit breakers of that time are known then
    #[arg(long, conflicts_with = "all")]
    pub from_events: bool,
    /// All workflows: with --verify
    #[arg(long, requires = "verify")]
    pub all: bool,
    /// Fold the whole event stream and hold it against the journal, the hash chains and the tables
    #[arg(long, requires = "all")]
    pub verify: bool,
    /// Verify this partition alone
    #[arg(long, value_name = "NUMBER", requires = "verify", conflicts_with = "id")]
    pub partition: Option<u32>,
    /// Verify the event stream of another namespace: a copy that was made of this one
    #[arg(long, value_name = "NAMESPACE", requires = "verify", conflicts_with = "id")]
    pub events_of: Option<String>,
}

/// Replays.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    match &args.id {
        Some(id) => state::run(args, id, context),
        None if args.verify => verify::run(args, context),
        None => Err(fail(Exit::Usage, "a workflow has to be named, or --all --verify")),
    }
}
