//! `orchestrator definitions apply`.

use super::read;
use crate::cli::exit::{Exit, fail};
use crate::cli::{Context, connect};
use crate::installation::apply::{self, Outcome};
use crate::ui::run::reference;
use anyhow::Result;
use serde_json::json;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator definitions apply examples/definitions/hello.yaml
  cat examples/definitions/hello.yaml | orchestrator definitions apply -
If one has a fault, none is applied. The same content again keeps its version.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, YAML or JSON; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
}

/// Applies.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let sources = read::all(&args.files)?;
    if sources.iter().any(|source| source.result.is_err()) {
        read::say_faults(&sources);
        return Err(fail(Exit::Refused, "nothing was applied: correct the faults above"));
    }
    let definitions: Vec<_> = sources.into_iter().filter_map(|source| source.result.ok()).collect();
    let log = connect::open_log(context.settings())?;
    let place = connect::place(context.settings());
    let outcomes = apply::apply(log.as_ref(), &place, &definitions, connect::now())?;
    if context.out.is_json() {
        let words = |outcome: &Outcome| {
            json!({
                "name": outcome.reference.name.as_str(),
                "version": outcome.reference.version,
                "hash": outcome.reference.hash.to_string(),
                "applied": !outcome.known,
                "newest": outcome.newest,
            })
        };
        context.out.json(&outcomes.iter().map(words).collect::<Vec<_>>())?;
    } else {
        for outcome in &outcomes {
            context.out.line(words(outcome))?;
        }
    }
    Ok(Exit::Done)
}

fn words(outcome: &Outcome) -> String {
    let reference = reference(&outcome.reference);
    match (outcome.known, outcome.newest == outcome.reference.version) {
        (false, _) => format!("{reference} applied"),
        (true, true) => format!("{reference} was there already"),
        (true, false) => {
            format!("{reference} was there already; requests without a version get the newest, v{}", outcome.newest)
        }
    }
}
