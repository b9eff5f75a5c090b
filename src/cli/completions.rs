//! `orchestrator completions SHELL`.

use super::exit::Exit;
use super::output::Out;
use anyhow::Result;
use clap_complete::Shell;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator completions bash > /etc/bash_completion.d/orchestrator
  orchestrator completions zsh > ~/.zfunc/_orchestrator
  orchestrator completions fish > ~/.config/fish/completions/orchestrator.fish
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args, out: Out) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "orchestrator", &mut script);
    out.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
