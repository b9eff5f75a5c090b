//! `orchestrator definitions list`.

use crate::cli::exit::Exit;
use crate::cli::{Context, connect};
use crate::core::catalogue::{Applied, Catalogue};
use crate::ui::style::harmless;
use crate::ui::table::{lines, table};
use crate::ui::time::{rfc3339, short};
use anyhow::Result;
use serde_json::{Value, json};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator definitions list                 the newest version of each
  orchestrator definitions list --all           every version
  orchestrator definitions list --output json
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Every version, not only the newest
    #[arg(long)]
    pub all: bool,
}

/// Lists.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let (_, catalogue) = connect::installation(log.as_ref(), context.settings())?;
    let shown = chosen(&catalogue, args.all);
    if context.out.is_json() {
        context.out.json(&shown.into_iter().map(row).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let mut rows = table(&["name", "version", "nodes", "hash", "applied (utc)", "description"], context.out.paint);
    for applied in shown {
        let digits: String = applied.reference.hash.0.chars().take(12).collect();
        rows.add_row([
            applied.reference.name.to_string(),
            applied.reference.version.to_string(),
            nodes(applied).to_string(),
            digits,
            short(applied.applied_at),
            harmless(applied.document["description"].as_str().unwrap_or_default()),
        ]);
    }
    if rows.is_empty() {
        context.out.line("no definitions yet: `orchestrator definitions apply FILE` makes one known")?;
    } else {
        context.out.text(&lines(&rows))?;
    }
    Ok(Exit::Done)
}

fn chosen(catalogue: &Catalogue, all: bool) -> Vec<&Applied> {
    if all { catalogue.all().collect() } else { catalogue.all_newest().collect() }
}

fn nodes(applied: &Applied) -> usize {
    applied.document["nodes"].as_array().map_or(0, Vec::len)
}

fn row(applied: &Applied) -> Value {
    json!({
        "name": applied.reference.name.as_str(),
        "version": applied.reference.version,
        "hash": applied.reference.hash.to_string(),
        "nodes": nodes(applied),
        "applied_at": rfc3339(applied.applied_at),
        "description": applied.document["description"],
    })
}
