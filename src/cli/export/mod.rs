//! `orchestrator export`: the events of a stretch of the stream, up to its present end, in a file.
//!
//! | file | what it is |
//! |---|---|
//! | `read` | partition after partition, each event once |
//! | `target` | the file, which is whole or not there |
//! | `form` | what the file is made of: a line of JSON an event … |

mod form;
mod read;
mod target;

use super::events::Which;
use super::exit::{Exit, fail};
use super::{Context, connect};
use anyhow::Result;
use clap::ValueEnum;
use form::Form;
use read::{Exported, Reading};
use serde_json::json;
use target::Target;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator export --to jsonl --out events.jsonl
  orchestrator export --to jsonl --type NodeFailed --out - | jq .data.code
  orchestrator export --to jsonl --workflow greet-1 --out greet-1.jsonl --force
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the file is made of
    #[arg(long, value_enum)]
    pub to: To,
    /// The file; `-`: the standard output
    #[arg(long, value_name = "FILE")]
    pub out: String,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
    /// What tells events apart.
    #[command(flatten)]
    pub which: Which,
}

/// What the file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// A line of JSON an event, as `tail --output json` prints it
    Jsonl,
}

/// Exports.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let target = Target::open(&args.out, args.force)?;
    let log = connect::open_log(context.settings())?;
    let reading = Reading { log: log.as_ref(), which: &args.which };
    let mut form = Form::new(args.to, target);
    let exported = reading.read(|placed| form.write(placed))?;
    let file = form.finish()?.keep()?;
    if let Some(file) = &file {
        tell(&exported, file, context)?;
    }
    if exported.complaints > 0 {
        let what = file.map_or_else(String::new, |file| format!("; {file} holds what could be read"));
        return Err(fail(Exit::Failed, format!("the event stream is not whole, see above{what}")));
    }
    Ok(Exit::Done)
}

fn tell(exported: &Exported, file: &str, context: &Context) -> Result<()> {
    let Exported { events, twins, complaints } = exported;
    if context.out.is_json() {
        return context.out.json(&json!({ "file": file, "events": events, "twins": twins, "faults": complaints }));
    }
    let of = if *events == 1 { "event" } else { "events" };
    let left_out = match twins {
        0 => String::new(),
        _ => format!(", {twins} that came twice left out"),
    };
    Ok(context.out.line(format!("{file}: {events} {of}{left_out}"))?)
}
