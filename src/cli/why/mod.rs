//! `orchestrator why`: why a run is where it is. What is known is gathered here; what follows from it, and how it is
//! said, is [`crate::core::why`] and [`crate::ui::why`].

pub mod journal;
mod request;
mod seen;
mod workers;

use super::Context;
use super::exit::{Exit, fail};
use super::history::unknown;
use crate::core::id::{RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::why::{self, Reason};
use crate::ui::why::{Answer, why_json};
use anyhow::{Result, anyhow};
use seen::Seen;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator why order-7                   the newest run of the workflow
  orchestrator why order-7 --run 0123456789abcdef0123456789abcdef
  orchestrator why 0123456789abcdef0123456789abcdef
  orchestrator why order-7 --output json     `reason`: a word that stays the same
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workflow, or a run
    #[arg(value_name = "ID")]
    pub id: WorkflowId,
    /// An older run of the workflow
    #[arg(long, value_name = "RUN_ID")]
    pub run: Option<RunId>,
}

/// Says it.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let mut seen = Seen::open(context)?;
    let found = match seen.run(&args.id, args.run.as_ref())? {
        Some(found) => Some(found),
        None => match seen.workflow_of(&args.id)? {
            Some((workflow_id, run_id)) => seen.run(&workflow_id, Some(&run_id))?,
            None => None,
        },
    };
    let Some((partition, run)) = found else { return without_run(args, context, &seen) };
    let facts = seen.facts(partition, &run)?;
    let reasons = why::reasons(&facts);
    let answer = Answer { run: &run, partition, now: facts.now, reasons: &reasons, unseen: &seen.unseen };
    if context.out.is_json() {
        context.out.json(&why_json(&answer))?;
    } else {
        context.out.text(&answer.text(context.out.paint))?;
    }
    Ok(Exit::Done)
}

/// The nodes of a run that goes on which circuit breakers hold back.
///
/// # Errors
/// Where neither log nor store answers.
pub fn held(context: &Context, partition: u32, run: &Run) -> Result<Vec<Reason>> {
    Ok(Seen::open(context)?.held(partition, run))
}

/// There is no such run: its request may say why.
fn without_run(args: &Args, context: &Context, seen: &Seen) -> Result<Exit> {
    let Some(log) = &seen.log else {
        let unseen = seen.unseen.join("; ");
        let words = format!("the tables have no run of {:?}, and more cannot be seen: {unseen}", args.id.as_str());
        return Err(fail(Exit::Unreachable, words));
    };
    if args.run.is_none()
        && let Some(found) = request::look(log.as_ref(), context, &args.id)?
    {
        if context.out.is_json() {
            context.out.json(&found.json(&args.id))?;
        } else {
            context.out.text(&found.text(&args.id, context.out.paint))?;
        }
        return Ok(Exit::Done);
    }
    let error = unknown::error(&unknown::Known::Nothing, &args.id, args.run.as_ref());
    match seen.unseen.as_slice() {
        [] => Err(error),
        unseen => Err(error.context(anyhow!("not seen: {}", unseen.join("; ")))),
    }
}
