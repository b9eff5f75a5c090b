//! `orchestrator diff`.

use super::exit::Exit;
use super::frontier::frontier;
use super::history::{self, read};
use super::{Context, connect};
use crate::core::diff::{Side, diff};
use crate::core::id::{RunId, WorkflowId};
use crate::ui;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator diff order-7 order-7.fork-1a2b3c4d
  orchestrator diff order-7 order-7 --run-a 0123456789abcdef0123456789abcdef
  orchestrator diff order-7 order-8 --output json | jq .first
Time and money stand beside, and are no difference by themselves. The exit code is 0
whether they differ or not; JSON says which by `differs`.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A workflow
    #[arg(value_name = "A")]
    pub a: WorkflowId,
    /// Another one, or the same
    #[arg(value_name = "B")]
    pub b: WorkflowId,
    /// An older run of A
    #[arg(long, value_name = "RUN_ID")]
    pub run_a: Option<RunId>,
    /// An older run of B
    #[arg(long, value_name = "RUN_ID")]
    pub run_b: Option<RunId>,
}

/// Compares.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let (_, catalogue) = connect::installation(log.as_ref(), context.settings())?;
    let load = |id: &WorkflowId, run_id: Option<&RunId>| {
        let history = history::find(id, run_id, log.as_ref(), context)?;
        let run = read::folded(&history.events)?;
        let graph = frontier(&catalogue, &run).inspect_err(|why| {
            let (name, version) = (&run.definition.name, run.definition.version);
            tracing::warn!("what waits for what is not compared: {name} version {version} {why}");
        });
        Ok::<_, anyhow::Error>((history, run, graph.ok()))
    };
    let (history_a, run_a, graph_a) = load(&args.a, args.run_a.as_ref())?;
    let (history_b, run_b, graph_b) = load(&args.b, args.run_b.as_ref())?;
    let a = Side::new(&run_a, &history_a.events, graph_a.as_ref());
    let b = Side::new(&run_b, &history_b.events, graph_b.as_ref());
    let found = diff(&a, &b);
    match context.out.is_json() {
        true => context.out.json(&ui::diff::json(&found, &a, &b))?,
        false => context.out.text(&ui::diff::text(&found, &a, &b, context.out.paint))?,
    }
    Ok(Exit::Done)
}
