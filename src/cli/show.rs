//! `orchestrator show`.

use super::exit::{self, Exit};
use super::history::read::{self, History};
use super::history::unknown;
use super::stand_ins::stand_ins;
use super::{Context, connect, why};
use crate::core::attempts::attempts;
use crate::core::id::{RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::why::Reason;
use crate::store::Store;
use crate::ui;
use crate::ui::used::{Used, add_used, of_attempts};
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
    let Some(Found { partition, mut run, used, log_answers }) = find(&args.id, args.run.as_ref(), context)? else {
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
    let held = if log_answers { held(context, partition, &run) } else { Vec::new() };
    let stand_ins = stand_ins(context, &run);
    let now = connect::now();
    if context.out.is_json() {
        let mut json = ui::run::json(&run, partition, &stand_ins);
        add_used(&mut json, &used);
        json["held"] = held.iter().map(|reason| ui::why::reason_json(reason, partition, now)).collect();
        context.out.json(&json)?;
    } else {
        let paint = context.out.paint;
        let held = ui::why::held_text(&held, partition, now, paint);
        context.out.text(&format!("{}{held}", ui::run::show(&run, partition, &stand_ins, &used, paint)))?;
    }
    Ok(Exit::Done)
}

/// A run as it is known.
pub struct Found {
    /// The partition that it lives in.
    pub partition: u32,
    /// The run.
    pub run: Run,
    /// What it has used.
    used: Used,
    /// Whether the log answered, as far as it was asked.
    log_answers: bool,
}

impl Found {
    fn of_store((partition, run): (u32, Run), store: &dyn Store) -> Result<Self> {
        let mut used = Used::new();
        for row in store.query().results(&run.run_id)? {
            if let Some(usage) = row.usage {
                *used.entry(row.node_id).or_default() += usage;
            }
        }
        Ok(Self { partition, run, used, log_answers: true })
    }

    fn of_history(History { partition, events, .. }: &History) -> Result<Self> {
        let (run, used) = (read::folded(events)?, of_attempts(&attempts(events)));
        Ok(Self { partition: *partition, run, used, log_answers: true })
    }
}

/// The newest run of a workflow, or the one asked for.
///
/// # Errors
/// Where neither the store nor the log answers.
pub fn find(id: &WorkflowId, run_id: Option<&RunId>, context: &Context) -> Result<Option<Found>> {
    match from_store(id, run_id, context) {
        // The tables follow the journal by some milliseconds, or by more: what is under way is folded from the journal.
        Ok(Some(projected)) if projected.run.ended_at.is_none() => {
            let fresh = from_journal(id, run_id, context);
            let log_answers = fresh.is_ok();
            let found = fresh.ok().flatten().unwrap_or(projected);
            Ok(Some(Found { log_answers, ..found }))
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

/// The nodes that circuit breakers hold back. They have no state of their own yet, or one that says nothing of it.
fn held(context: &Context, partition: u32, run: &Run) -> Vec<Reason> {
    if run.ended_at.is_some() {
        return Vec::new();
    }
    why::held(context, partition, run).unwrap_or_else(|error| {
        tracing::warn!("whether circuit breakers hold nodes back is not known: {error:#}");
        Vec::new()
    })
}

fn from_store(id: &WorkflowId, run_id: Option<&RunId>, context: &Context) -> Result<Option<Found>> {
    let store = connect::open_store(context.settings())?;
    store.query().run(id, run_id)?.map(|found| Found::of_store(found, store.as_ref())).transpose()
}

/// The run as the journal has it; an error: the journal cannot be read now.
fn from_journal(id: &WorkflowId, run_id: Option<&RunId>, context: &Context) -> Result<Option<Found>> {
    let (log, store) = (connect::open_log(context.settings())?, connect::open_store(context.settings())?);
    let history = read::from_journal(log.as_ref(), store.as_ref(), id, run_id)?;
    history.as_ref().map(Found::of_history).transpose()
}

fn from_log(id: &WorkflowId, run_id: Option<&RunId>, context: &Context) -> Result<Option<Found>> {
    let log = connect::open_log(context.settings())?;
    let history = read::from_events(log.as_ref(), id, run_id)?;
    history.as_ref().map(Found::of_history).transpose()
}
