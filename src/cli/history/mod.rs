//! `orchestrator history`.

pub mod read;
pub mod unknown;

use super::exit::{self, Exit};
use super::{Context, connect};
use crate::core::event::Recorded;
use crate::core::id::{RunId, WorkflowId};
use crate::log::Log;
use crate::store::Store;
use crate::ui;
use crate::ui::style::Paint;
use anyhow::Result;
use read::History;
use std::sync::Arc;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator history greet-1                    every event of the newest run
  orchestrator history greet-1 --output json      a line of JSON each
The store says where in the journal they stand; without a store the whole event
stream is read.
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

/// Prints the events.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let found = match connect::open_store(context.settings()).and_then(|store| with_store(args, log.as_ref(), &store)) {
        Ok(found) => found,
        Err(error) if exit::is_store_away(&error) => {
            tracing::warn!("{error:#}; reading the event stream instead");
            read::from_events(log.as_ref(), &args.id, args.run.as_ref())?
        }
        Err(error) => return Err(error),
    };
    let Some(History { events, .. }) = found else {
        let known = unknown::look(context, &args.id, args.run.as_ref())?;
        return Err(unknown::error(&known, &args.id, args.run.as_ref()));
    };
    for event in &events {
        if context.out.is_json() {
            context.out.json_line(&ui::event::run_json(event))?;
        } else {
            context.out.line(line(event, &events, context.out.paint))?;
        }
    }
    // A broken history is printed all the same, and is an error all the same.
    read::folded(&events)?;
    Ok(Exit::Done)
}

fn with_store(args: &Args, log: &dyn Log, store: &Arc<dyn Store>) -> Result<Option<History>> {
    read::from_journal(log, store.as_ref(), &args.id, args.run.as_ref())
}

/// Sequence, time, time since the start, what happened.
fn line(event: &Recorded, all: &[Recorded], paint: Paint) -> String {
    let start = all.first().map_or(event.time, |first| first.time);
    let since = format!("+{}", ui::timeline::duration(event.time.since(start)));
    let time = paint.dim(&ui::time::clock(event.time));
    format!(
        "{:>4} {time} {} {}",
        event.sequence,
        paint.dim(&format!("{since:>12}")),
        ui::event::event_words(&event.event, paint)
    )
}
