//! `orchestrator definitions validate`.

use super::read;
use crate::cli::exit::Exit;
use crate::cli::output::Out;
use crate::ui::counted;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator definitions validate examples/definitions/hello.yaml examples/definitions/research.yaml
  cat examples/definitions/hello.yaml | orchestrator definitions validate -
  orchestrator definitions validate examples/definitions/hello.yaml --output json
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, YAML or JSON; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
}

/// Validates.
pub fn run(args: &Args, out: Out) -> Result<Exit> {
    let sources = read::all(&args.files)?;
    let mut exit = Exit::Done;
    for source in &sources {
        match &source.result {
            Ok(definition) if !out.is_json() => {
                let nodes = counted(definition.nodes.len(), "node");
                out.line(format!("{}: {}, {nodes}, valid", source.name, definition.name))?;
            }
            Ok(_) => {}
            Err(_) => exit = Exit::Refused,
        }
    }
    if out.is_json() {
        out.json(&sources.iter().map(read::json).collect::<Vec<_>>())?;
    } else {
        read::say_faults(&sources);
    }
    Ok(exit)
}
