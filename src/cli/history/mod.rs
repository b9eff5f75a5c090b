//! `orchestrator history`.

pub mod read;
pub mod unknown;

use super::exit::Exit;
use super::{Context, connect};
use crate::core::id::{RunId, WorkflowId};
use crate::core::time::Timestamp;
use crate::ui;
use crate::ui::style::Paint;
use crate::wire::event::Published;
use anyhow::Result;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator history greet-1                    every event of the newest run
  orchestrator history greet-1 --output json      a line of JSON each
Inputs for the workflow that were rejected or refused, and what was done with its
dead letters, stand among them without a number (in JSON: with a `partition`).
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
    let found = read::find(log.as_ref(), context, &args.id, args.run.as_ref())?;
    let Some(history) = found else {
        let known = unknown::look(context, &args.id, args.run.as_ref())?;
        return Err(unknown::error(&known, &args.id, args.run.as_ref()));
    };
    let start = history.events.first().map_or(Timestamp(0), |first| first.time);
    for event in history.in_order() {
        if context.out.is_json() {
            context.out.json_line(&ui::event::json(&event))?;
        } else {
            context.out.line(line(&event, start, context.out.paint))?;
        }
    }
    // A broken history is printed all the same, and is an error all the same.
    read::folded(&history.events)?;
    Ok(Exit::Done)
}

/// Sequence, time, time since the start, what happened. An event beside the run has no number of it.
fn line(event: &Published, start: Timestamp, paint: Paint) -> String {
    let (sequence, time, words) = match event {
        Published::Run(recorded) => {
            (recorded.sequence.to_string(), recorded.time, ui::event::event_words(&recorded.event, paint))
        }
        Published::Partition(recorded) => ("-".to_owned(), recorded.time, ui::event::partition_words(recorded, paint)),
    };
    let since = format!("+{}", ui::time::duration(time.since(start)));
    let clock = paint.dim(&ui::time::clock(time));
    format!("{sequence:>4} {clock} {} {words}", paint.dim(&format!("{since:>12}")))
}
