//! `orchestrator demo`.

use super::Context;
use super::exit::Exit;
use anyhow::{Result, bail};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator demo                  three requests, live, in a temporary folder
  orchestrator demo --data coffee    keep the folder, for the other commands
  orchestrator list --data coffee
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the demo.
pub fn run(_args: &Args, _context: &Context) -> Result<Exit> {
    bail!("the demo is not part of this build")
}
