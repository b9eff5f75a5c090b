//! `orchestrator definitions show`.

use super::find::find;
use crate::cli::Context;
use crate::cli::connect::{self, Drawing};
use crate::cli::exit::{Exit, fail};
use crate::core::catalogue::Applied;
use crate::core::definition::Definition;
use crate::ui::run::reference;
use crate::ui::style::harmless;
use crate::ui::table::{lines, table};
use crate::ui::time::{duration, rfc3339, short};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::fmt::Write;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator definitions show hello                     its nodes
  orchestrator definitions show hello --graph             its graph
  orchestrator definitions show hello --format mermaid    its graph for Markdown
  orchestrator definitions show hello --version 1 --format yaml > hello.yaml
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The definition
    pub name: String,
    /// An older version
    #[arg(long, value_name = "N")]
    pub version: Option<u32>,
    /// Draw the graph
    #[arg(long, conflicts_with = "format")]
    pub graph: bool,
    /// Print the graph or the document in a format of its own
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// Formats of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The graph for Graphviz
    Dot,
    /// The graph for Markdown
    Mermaid,
    /// The document
    Yaml,
    /// The document
    Json,
}

/// Shows.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let (_, catalogue) = connect::installation(log.as_ref(), context.settings())?;
    let applied = find(&catalogue, &args.name, args.version).map_err(|words| fail(Exit::NotFound, words))?;
    let out = context.out;
    match args.format {
        Some(Format::Dot) => out.text(&connect::draw(&compiled(applied)?, Drawing::Dot))?,
        Some(Format::Mermaid) => out.text(&connect::draw(&compiled(applied)?, Drawing::Mermaid))?,
        Some(Format::Json) => out.json(&applied.document)?,
        Some(Format::Yaml) => out.text(&serde_saphyr::to_string(&applied.document).context("the document as YAML")?)?,
        None if args.graph => out.text(&connect::draw(&compiled(applied)?, Drawing::Terminal))?,
        None if out.is_json() => out.json(&json!({
            "name": applied.reference.name.as_str(),
            "version": applied.reference.version,
            "hash": applied.reference.hash.to_string(),
            "applied_at": rfc3339(applied.applied_at),
            "document": applied.document,
        }))?,
        None => out.text(&described(applied, &compiled(applied)?, out.paint))?,
    }
    Ok(Exit::Done)
}

fn compiled(applied: &Applied) -> Result<Definition> {
    match Definition::read(&applied.document.to_string()) {
        Ok(definition) => Ok(definition),
        Err(faults) => {
            let words: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.place, fault.message)).collect();
            bail!("{} is not valid for this version: {}", reference(&applied.reference), words.join("; "))
        }
    }
}

fn described(applied: &Applied, definition: &Definition, paint: crate::ui::style::Paint) -> String {
    let mut text = format!("{}, applied {} UTC\n", reference(&applied.reference), short(applied.applied_at));
    if let Some(description) = &definition.description {
        let _ = writeln!(text, "{}", harmless(description));
    }
    let mut rows = table(&["node", "agent", "role", "depends on", "timeout"], paint);
    for node in &definition.nodes {
        let dependencies: Vec<_> = node.dependencies.iter().map(|id| id.as_str()).collect();
        rows.add_row([
            node.node_id.to_string(),
            node.agent_name.to_string(),
            node.role.as_str().to_owned(),
            dependencies.join(", "),
            node.timeout.map_or_else(String::new, duration),
        ]);
    }
    let _ = write!(text, "\n{}", lines(&rows));
    text
}
