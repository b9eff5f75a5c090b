//! `orchestrator show`.

use super::exit::{self, Exit};
use super::history::read::{self, History};
use super::history::unknown;
use super::{Context, connect};
use crate::core::id::{RunId, WorkflowId};
use crate::core::run::Run;
use crate::ui;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator show greet-1                  the newest run of the workflow
  orchestrator show greet-1 --run 0123456789abcdef0123456789abcdef
  orchestrator show greet-1 --output json
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workflow
    #[arg(value_name = "WORKFLOW_ID")]
    pub id: WorkflowId,
    /// An older run of it
    #[arg(long, value_name = "RUN_ID")]
    pub run: Option<RunId>,
}

/// Shows.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let Some((partition, mut run)) = find(&args.id, args.run.as_ref(), context)? else {
        let known = unknown::look(context, &args.id, args.run.as_ref())?;
        if let (true, Some(json)) = (context.out.is_json(), unknown::json(&known, &args.id)) {
            context.out.json(&json)?;
        }
        return Err(unknown::error(&known, &args.id, args.run.as_ref()));
    };
    if run.ended_at.is_none() && !context.out.is_json() {
        // What is under way is measured up to now.
        run.time = run.time.max(connect::now());
    }
    if context.out.is_json() {
        context.out.json(&ui::run::json(&run, partition))?;
    } else {
        context.out.text(&ui::run::show(&run, partition, context.out.paint))?;
    }
    Ok(Exit::Done)
}

/// The newest run of a workflow, or the one asked for, and its partition.
///
/// # Errors
/// Where neither the store nor the log answers.
pub fn find(id: &WorkflowId, run_id: Option<&RunId>, context: &Context) -> Result<Option<(u32, Run)>> {
    match from_store(id, run_id, context) {
        // The tables follow the journal by some milliseconds, or by more: what is under way is folded from the journal.
        Ok(Some(found)) if found.1.ended_at.is_none() => {
            Ok(from_journal(id, run_id, context).ok().flatten().or(Some(found)))
        }
        Ok(Some(found)) => Ok(Some(found)),
        // Not projected yet, or no store: the log knows.
        Ok(None) => from_log(id, run_id, context),
        Err(error) if exit::is_store_away(&error) => {
            tracing::warn!("{error:#}; reading the event stream instead");
            from_log(id, run_id, context)
        }
        Err(error) => Err(error),
    }
}

fn from_store(id: &WorkflowId, run_id: Option<&RunId>, context: &Context) -> Result<Option<(u32, Run)>> {
    let store = connect::open_store(context.settings())?;
    Ok(store.query().run(id, run_id)?)
}

/// The run as the journal has it; an error: the journal cannot be read now.
fn from_journal(id: &WorkflowId, run_id: Option<&RunId>, context: &Context) -> Result<Option<(u32, Run)>> {
    let (log, store) = (connect::open_log(context.settings())?, connect::open_store(context.settings())?);
    let history = read::from_journal(log.as_ref(), store.as_ref(), id, run_id)?;
    folded(history)
}

fn folded(history: Option<History>) -> Result<Option<(u32, Run)>> {
    history.map(|History { partition, events, .. }| Ok((partition, read::folded(&events)?))).transpose()
}

fn from_log(id: &WorkflowId, run_id: Option<&RunId>, context: &Context) -> Result<Option<(u32, Run)>> {
    let log = connect::open_log(context.settings())?;
    let history = read::from_events(log.as_ref(), id, run_id)?;
    folded(history)
}
