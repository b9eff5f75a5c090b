//! `orchestrator dlq list|groups|show|redrive|edit|skip|supply|discard`: dead letters, found and worked off.

pub mod discard;
pub mod edit;
pub mod filter;
pub mod groups;
pub mod list;
pub mod pick;
pub mod redrive;
pub mod repair;
pub mod report;
pub mod resubmit;
mod settle;
pub mod show;
pub mod skip;
pub mod supply;
pub mod take_up;
pub mod work;

use super::Context;
use super::exit::Exit;
use anyhow::Result;
use work::Chosen;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq groups                    what goes wrong, and how often
  orchestrator dlq list --fault 3f2a
  orchestrator dlq show 9c41
  orchestrator dlq redrive --fault 3f2a --rate 10 --dry-run
  orchestrator dlq edit 9c41 --set /input/total=12
  orchestrator dlq skip 9c41
  orchestrator dlq supply 9c41 --value '{\"total\": 12}'
  orchestrator dlq discard 9c41 --note 'sent by mistake'
Letters and faults may be named by the first digits, at least 4, if they are enough.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// List dead letters, the newest first
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
    /// List what goes wrong: dead letters of the same fault, those with most open ones first
    #[command(after_help = groups::EXAMPLES)]
    Groups(groups::Args),
    /// Show a dead letter whole, and what has been done with it
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
    /// Run exhausted nodes again, and hand in refused requests again, as they were
    #[command(after_help = redrive::EXAMPLES)]
    Redrive(Chosen),
    /// Repair the input of exhausted nodes, or refused requests, and hand them in
    #[command(after_help = edit::EXAMPLES)]
    Edit(edit::Args),
    /// Let runs go on without their exhausted nodes
    #[command(after_help = skip::EXAMPLES)]
    Skip(Chosen),
    /// Give exhausted nodes an output by hand, with which their runs go on
    #[command(after_help = supply::EXAMPLES)]
    Supply(supply::Args),
    /// Put dead letters aside: nothing will be done about them
    #[command(after_help = discard::EXAMPLES)]
    Discard(Chosen),
}

/// Does it.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    match &args.action {
        Action::List(args) => list::run(args, context),
        Action::Groups(args) => groups::run(args, context),
        Action::Show(args) => show::run(args, context),
        Action::Redrive(args) => redrive::run(args, context),
        Action::Edit(args) => edit::run(args, context),
        Action::Skip(args) => skip::run(args, context),
        Action::Supply(args) => supply::run(args, context),
        Action::Discard(args) => discard::run(args, context),
    }
}
