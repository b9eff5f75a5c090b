//! `orchestrator dlq edit`.

use super::pick::{Pick, pick};
use super::repair::{Repair, by_hand, check};
use super::resubmit::{record, refused_request};
use super::take_up::{Remedy, take_up};
use super::work::{Bench, How, Made, Verb, work};
use crate::cli::exit::{Exit, fail};
use crate::cli::submit::input;
use crate::cli::{Context, connect};
use crate::core::id::WorkflowId;
use crate::core::json::Json;
use crate::core::letter::LetterAction;
use crate::store::letter::{FoundLetter, LetterKind};
use crate::wire::dead_letter_read;
use anyhow::{Context as _, Result};
use bytes::Bytes;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq edit 9c41                 in the editor that $EDITOR names
  orchestrator dlq edit 9c41 --value -       the whole from the standard input
  orchestrator dlq edit --fault 3f2a --set /input/total=12 --set /version=2
  orchestrator dlq edit --agent pay --set /currency='\"EUR\"'
Of a refused request the request is repaired; of an exhausted node its input, and
its run is taken up. What would be refused again is not published.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which.
    #[command(flatten)]
    pub pick: Pick,
    /// The whole request, or the whole input of a node, anew: JSON, @FILE, or - for the standard input
    #[arg(long, value_name = "JSON|@FILE|-", conflicts_with = "set")]
    pub value: Option<String>,
    /// A member of it anew: a JSON pointer and its value
    #[arg(long, value_name = "POINTER=JSON", value_parser = Repair::member)]
    pub set: Vec<Repair>,
    /// Another key for a request, which is the workflow's id
    #[arg(long, value_name = "WORKFLOW_ID")]
    pub key: Option<WorkflowId>,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// Repairs them and hands them in.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let verb = Verb { now: "edit", done: "edited", takes_up: true };
    let whole = args.value.as_deref().map(|value| input::read("--value", value)).transpose()?.map(Repair::Whole);
    let by_editor = whole.is_none() && args.set.is_empty() && args.key.is_none();
    if by_editor || args.key.is_some() {
        let store = connect::open_store(context.settings())?;
        if pick(&args.pick, store.query())?.open.len() > 1 {
            let words = "an editor and --key are for one letter; give --value or --set for several";
            return Err(fail(Exit::Usage, words));
        }
    }
    let repair = Repairs { args, whole, by_editor };
    work(&args.pick, &args.how, &verb, context, |letters, bench| match letters[0].letter.kind {
        LetterKind::Node => take_up(letters, bench, &args.how, |found| repair.input(found, bench)),
        LetterKind::Input => repair.request(&letters[0], bench),
    })
}

/// What is to be repaired, and how.
struct Repairs<'a> {
    args: &'a Args,
    whole: Option<Repair>,
    by_editor: bool,
}

impl Repairs<'_> {
    /// Whether it is only to be said what would be done, and nobody is asked how it is to be repaired.
    fn is_open(&self) -> bool {
        self.by_editor && self.args.how.dry_run
    }

    fn repaired(&self, mut value: Option<Bytes>) -> Result<Result<Option<Bytes>, String>> {
        if self.by_editor && !self.args.how.dry_run {
            value = Some(by_hand(value.as_deref())?);
        }
        for repair in self.whole.iter().chain(&self.args.set) {
            value = match repair.apply(value.as_deref()) {
                Ok(value) => Some(value),
                Err(reason) => return Ok(Err(reason)),
            };
        }
        Ok(Ok(value))
    }

    fn request(&self, found: &FoundLetter, bench: &Bench) -> Result<Result<Made, String>> {
        let mut refused = match refused_request(found, bench.query)? {
            Ok(refused) => refused,
            Err(reason) => return Ok(Err(reason)),
        };
        let value = match self.repaired(refused.value.take())? {
            Ok(value) => value,
            Err(reason) => return Ok(Err(reason)),
        };
        let key = self.args.key.as_ref().map(|key| Bytes::copy_from_slice(key.as_str().as_bytes()));
        refused.key = key.or(refused.key);
        if !self.is_open()
            && let Err(refusal) = check(bench.catalogue, refused.key.as_deref(), value.as_deref())
        {
            return Ok(Err(refusal));
        }
        refused.value = value;
        let handling = self.args.how.handling(found, LetterAction::Edit);
        Ok(Ok(Made::request(found, record(refused, &handling, bench.partitions))))
    }

    /// The input of an exhausted node.
    fn input(&self, found: &FoundLetter, bench: &Bench) -> Result<Result<Remedy, String>> {
        if self.args.key.is_some() {
            return Ok(Err("it is an exhausted node: its run keeps its workflow, and takes no --key".to_owned()));
        }
        if self.is_open() {
            return Ok(Ok(Remedy::Again));
        }
        let id = &found.letter.letter_id;
        let document = bench.query.letter_document(id)?.with_context(|| format!("the store has lost letter {id}"))?;
        let before = dead_letter_read::input_of_node(document.as_bytes()).with_context(|| format!("letter {id}"))?;
        Ok(self.repaired(before.map(|input| Bytes::copy_from_slice(input.as_str().as_bytes())))?.and_then(|input| {
            let text = String::from_utf8_lossy(input.as_deref().unwrap_or_default()).into_owned();
            Json::parse(&text).map(Remedy::Given).map_err(|fault| format!("its repaired input is {fault}"))
        }))
    }
}
