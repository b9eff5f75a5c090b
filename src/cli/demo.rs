//! `orchestrator demo`.

use super::Context;
use super::exit::Exit;
use crate::demo::{self, DemoOptions};
use crate::shutdown::Stop;
use anyhow::{Context as _, Result};

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
pub fn run(_args: &Args, context: &Context) -> Result<Exit> {
    let stop = Stop::new();
    stop.listen().context("signals can't be listened to")?;
    let data = context.settings().data.clone();
    let options = DemoOptions { stop: stop.flag(), ..DemoOptions::for_stdout(data) };
    demo::run(&options, &mut std::io::stdout())?;
    Ok(Exit::Done)
}
