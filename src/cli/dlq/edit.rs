//! `orchestrator dlq edit`.

use super::pick::{Pick, pick};
use super::repair::{Repair, by_hand, check};
use super::resubmit::{record, refused_request};
use super::work::{How, Verb, work};
use crate::cli::exit::{Exit, fail};
use crate::cli::submit::input;
use crate::cli::{Context, connect};
use crate::core::id::WorkflowId;
use crate::core::letter::LetterAction;
use anyhow::Result;
use bytes::Bytes;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq edit 9c41                 in the editor that $EDITOR names
  orchestrator dlq edit 9c41 --value -       the request from the standard input
  orchestrator dlq edit --fault 3f2a --set /input/total=12 --set /version=2
What would be refused again is not published.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub pick: Pick,
    /// The whole request anew: JSON, @FILE, or - for the standard input
    #[arg(long, value_name = "JSON|@FILE|-", conflicts_with = "set")]
    pub value: Option<String>,
    /// A member of the request anew: a JSON pointer and its value
    #[arg(long, value_name = "POINTER=JSON", value_parser = Repair::member)]
    pub set: Vec<Repair>,
    /// Another key, which is the workflow's id
    #[arg(long, value_name = "WORKFLOW_ID")]
    pub key: Option<WorkflowId>,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// Repairs them and hands them in.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let verb = Verb { now: "edit", done: "edited" };
    let log = connect::open_log(context.settings())?;
    let (_, catalogue) = connect::installation(log.as_ref(), context.settings())?;
    let whole = args.value.as_deref().map(input::read).transpose()?.map(Repair::Whole);
    let by_editor = whole.is_none() && args.set.is_empty() && args.key.is_none();
    if by_editor || args.key.is_some() {
        let store = connect::open_store(context.settings())?;
        if pick(&args.pick, store.query())?.open.len() > 1 {
            let words = "an editor and --key are for one letter; give --value or --set for several";
            return Err(fail(Exit::Usage, words));
        }
    }
    work(&args.pick, &args.how, &verb, context, |found, query, partitions| {
        let mut refused = match refused_request(found, query)? {
            Ok(refused) => refused,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut value = refused.value.take();
        if by_editor && !args.how.dry_run {
            value = Some(by_hand(value.as_deref())?);
        }
        for repair in whole.iter().chain(&args.set) {
            value = match repair.apply(value.as_deref()) {
                Ok(value) => Some(value),
                Err(reason) => return Ok(Err(reason)),
            };
        }
        let key = args.key.as_ref().map(|key| Bytes::copy_from_slice(key.as_str().as_bytes()));
        refused.key = key.or(refused.key);
        if !(by_editor && args.how.dry_run)
            && let Err(refusal) = check(&catalogue, refused.key.as_deref(), value.as_deref())
        {
            return Ok(Err(refusal));
        }
        refused.value = value;
        let handling = args.how.handling(&found.letter.letter_id, LetterAction::Edit);
        Ok(Ok(record(refused, &handling, partitions)))
    })
}
