//! `orchestrator list`.

use super::definitions::find::find;
use super::exit::{Exit, fail};
use super::output::{cut, say};
use super::{Context, connect};
use crate::core::status::Status;
use crate::store::query::{Filter, Summary};
use crate::ui::style::{harmless, short};
use crate::ui::table::{lines, state, table};
use crate::ui::time::{duration, rfc3339, short as short_time};
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator list
  orchestrator list --status failed --definition hello --limit 100
  orchestrator list --data .orchestrator --output json
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// In this state alone
    #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
    pub status: Option<String>,
    /// Of this definition alone
    #[arg(long, value_name = "NAME")]
    pub definition: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// Lists.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let status = args.status.as_deref().and_then(|word| Status::ALL.into_iter().find(|s| s.as_str() == word));
    let filter = Filter { status, definition: args.definition.clone(), limit: args.limit as usize + 1 };
    let store = connect::open_store(context.settings())?;
    let mut runs = store.query().runs(&filter)?;
    let more = cut(&mut runs, args.limit);
    if runs.is_empty() {
        known(args, context)?;
    }
    if context.out.is_json() {
        context.out.json(&runs.iter().map(row).collect::<Vec<_>>())?;
    } else if runs.is_empty() {
        context.out.line(none(args))?;
    } else {
        context.out.text(&shown(&runs, context.out.paint))?;
        more.into_iter().for_each(say);
    }
    Ok(Exit::Done)
}

/// Whether the definition is known that has no runs; a log that does not answer now leaves it open.
fn known(args: &Args, context: &Context) -> Result<()> {
    let Some(name) = &args.definition else { return Ok(()) };
    let read = || connect::installation(connect::open_log(context.settings())?.as_ref(), context.settings());
    match read() {
        Ok((_, catalogue)) => find(&catalogue, name, None).map(drop).map_err(|words| fail(Exit::NotFound, words)),
        Err(error) => {
            tracing::warn!("{error:#}; whether there is a definition {name:?} is not known");
            Ok(())
        }
    }
}

/// What to say where there is nothing to list.
fn none(args: &Args) -> String {
    let of = args.definition.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    match &args.status {
        Some(status) => format!("no {status} runs{of}"),
        None => {
            let name = args.definition.as_deref().unwrap_or("NAME");
            format!("no runs{of} yet: `orchestrator submit {name} --input '{{}}'` starts one")
        }
    }
}

fn shown(runs: &[Summary], paint: crate::ui::style::Paint) -> String {
    let mut rows = table(&["workflow", "definition", "state", "nodes", "started (utc)", "took", "run"], paint);
    for run in runs {
        let (completed, failed, open) = run.nodes;
        let mut nodes = format!("{completed} done");
        for (count, word) in [(open, "open"), (failed, "failed")] {
            if count > 0 {
                nodes.push_str(&format!(", {count} {word}"));
            }
        }
        rows.add_row(vec![
            short(&harmless(run.workflow_id.as_str()), 48).into(),
            format!("{} v{}", run.definition, run.version).into(),
            state(run.status.as_str()),
            nodes.into(),
            short_time(run.started_at).into(),
            run.ended_at.map_or_else(String::new, |ended| duration(ended.since(run.started_at))).into(),
            run.run_id.as_str().into(),
        ]);
    }
    lines(&rows)
}

fn row(run: &Summary) -> Value {
    let (completed, failed, open) = run.nodes;
    json!({
        "workflow_id": run.workflow_id.as_str(),
        "run_id": run.run_id.as_str(),
        "partition": run.partition,
        "definition": run.definition,
        "version": run.version,
        "status": run.status.as_str(),
        "nodes": { "completed": completed, "failed": failed, "open": open },
        "started_at": rfc3339(run.started_at),
        "ended_at": run.ended_at.map(rfc3339),
    })
}
