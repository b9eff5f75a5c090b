//! `orchestrator export`: the events of a stretch of the stream, up to its present end, in a file.
//!
//! | file | what it is |
//! |---|---|
//! | `read` | partition after partition, each event once |
//! | `target` | the file, which is whole or not there |
//! | `known` | what an event does not say itself, and the ones before it have said |
//! | `form` | what the file is made of: a line of JSON an event, or a row of a Parquet table |
//! | `columns` | the columns of that table |

mod columns;
mod form;
mod known;
mod read;
mod target;

use super::events::Which;
use super::exit::{Exit, fail};
use super::since::{Since, since};
use super::{Context, connect};
use anyhow::Result;
use clap::ValueEnum;
use form::Form;
use read::{Exported, Reading};
use serde_json::json;
use target::{STDOUT, Target};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator export --to parquet --out events.parquet
  orchestrator export --to jsonl --since 24h --type NodeFailed --out - | jq .data
  orchestrator export --to parquet --since 2026-02-03 --until 2026-02-04 --out day
  orchestrator export --to jsonl --where 'data.attempt > 1' --out again.jsonl
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
    /// What was published since: a duration before now (90s, 15m, 24h), a time (RFC 3339) or a date
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// What was published before, likewise
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub until: Option<Since>,
    /// What tells events apart.
    #[command(flatten)]
    pub which: Which,
}

/// What the file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// A line of JSON an event, as `tail --output json` prints it
    Jsonl,
    /// One flat table: a row an event, compressed (zstd)
    Parquet,
}

/// Exports.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let now = connect::now();
    let [since, until] = [args.since, args.until].map(|time| time.map(|time| time.before(now)));
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(fail(Exit::Usage, "--since has to be before --until"));
    }
    if args.to == To::Parquet && args.out == STDOUT {
        return Err(fail(Exit::Usage, "--out -: Parquet needs a file; --to jsonl writes to the standard output"));
    }
    let target = Target::open(&args.out, args.force)?;
    let log = connect::open_log(context.settings())?;
    let reading = Reading { log: log.as_ref(), which: &args.which, since, until };
    let mut form = Form::new(args.to, target)?;
    let exported = reading.read(|wanted| form.write(wanted))?;
    let file = form.finish()?.keep()?;
    if let Some(file) = &file {
        tell(&exported, file, context)?;
    }
    if exported.complaints > 0 {
        let what = file.map_or_else(String::new, |file| format!("; {file} holds what could be read"));
        return Err(fail(Exit::Failed, format!("not everything could be read, see above{what}")));
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
