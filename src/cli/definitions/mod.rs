//! `orchestrator definitions apply|list|show|validate`.

pub mod apply;
pub mod find;
pub mod list;
pub mod read;
pub mod show;
pub mod validate;

use super::Context;
use super::exit::Exit;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator definitions validate examples/definitions/order-diamond.yaml
  orchestrator definitions apply examples/definitions/order-diamond.yaml
  orchestrator definitions list
  orchestrator definitions show order-diamond --graph
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with definitions.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Validate definitions and make them known to every engine; versions count up
    #[command(after_help = apply::EXAMPLES)]
    Apply(apply::Args),
    /// List the definitions that have been applied
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
    /// Show a definition: its nodes, its graph, its document
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
    /// Check definitions without a log: every fault at once, each with its place
    #[command(after_help = validate::EXAMPLES)]
    Validate(validate::Args),
}

/// Does it.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    match &args.action {
        Action::Apply(args) => apply::run(args, context),
        Action::List(args) => list::run(args, context),
        Action::Show(args) => show::run(args, context),
        Action::Validate(args) => validate::run(args, context.out),
    }
}
