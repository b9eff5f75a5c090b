//! `orchestrator demo`.

use super::Context;
use super::exit::Exit;
use super::output::say;
use crate::core::time::millis;
use crate::demo::{self, DemoError, DemoOptions, DemoSummary, Look};
use crate::shutdown::Stop;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator demo                  three requests, live, in a temporary folder
  orchestrator demo --data coffee    keep the folder, for the other commands
  orchestrator demo --output json    the answers and the numbers as JSON
  orchestrator list --data coffee
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the demo.
pub fn run(_args: &Args, context: &Context) -> Result<Exit> {
    let stop = Stop::new();
    stop.listen().context("signals can't be listened to")?;
    let data = context.settings().data.clone();
    let options = DemoOptions { stop: stop.flag(), ..DemoOptions::for_stdout(data) };
    let out = context.out;
    let played = match out.is_json() {
        true => demo::run(&DemoOptions { look: Look::Lines, ..options }, &mut std::io::sink()),
        false => demo::run(&options, &mut std::io::stdout()),
    };
    match played {
        Ok(summary) if out.is_json() => out.json(&json(&summary)).map(|()| Exit::Done),
        Ok(_) => Ok(Exit::Done),
        Err(stopped @ DemoError::Stopped) => {
            say(stopped);
            Ok(Exit::Interrupted)
        }
        Err(error) => Err(error.into()),
    }
}

/// What the demo came to, for programs: times in milliseconds.
fn json(summary: &DemoSummary) -> Value {
    let answers = summary
        .answers
        .iter()
        .map(|(id, answer)| json!({ "workflow_id": id.as_str(), "subject": answer.subject, "text": answer.text }));
    json!({
        "answers": answers.collect::<Vec<_>>(),
        "nodes": summary.nodes,
        "work_ms": millis(summary.work),
        "took_ms": millis(summary.took),
        "at_once": summary.at_once,
        "folder": summary.folder.as_ref().map(|folder| folder.display().to_string()),
    })
}
