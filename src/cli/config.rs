//! `orchestrator config`.

use super::Context;
use super::exit::Exit;
use super::output::Out;
use crate::config::report;
use crate::ui::table::{lines, table};
use anyhow::Result;
use serde_json::json;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator config                          every setting and its source
  orchestrator config --output json            the same for programs
  orchestrator config --data .orchestrator     what another flag would change
  orchestrator config --markdown               the page docs/configuration.md
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the page of the documentation instead
    #[arg(long)]
    pub markdown: bool,
}

/// Prints the settings.
pub fn run(_args: &Args, context: &Context) -> Result<Exit> {
    let rows = &context.config.rows;
    if context.out.is_json() {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "flag": row.flag,
                    "value": row.value,
                    "source": row.source.to_string(),
                    "default": row.default,
                    "allowed": row.allowed,
                    "meaning": row.meaning,
                })
            })
            .collect();
        context.out.json(&rows)?;
    } else {
        let mut shown = table(&["setting", "value", "from", "default", "meaning"], context.out.paint);
        for row in rows {
            let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
            let source = row.source.to_string();
            shown.add_row([&row.name, &or_none(&row.value), &source, &or_none(&row.default), &row.meaning]);
        }
        context.out.text(&lines(&shown))?;
    }
    for warning in &context.config.warnings {
        super::output::say(format!("warning: {warning}"));
    }
    Ok(Exit::Done)
}

/// Prints `docs/configuration.md`.
pub fn markdown(out: Out) -> Result<Exit> {
    out.text(&report::markdown())?;
    Ok(Exit::Done)
}
