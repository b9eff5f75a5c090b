//! `orchestrator dlq discard`.

use super::work::{Chosen, Made, Verb, work};
use crate::cli::Context;
use crate::cli::exit::Exit;
use crate::core::letter::{LetterAction, LetterHandling};
use crate::core::partition::partition_of;
use crate::log::{NewRecord, Topic};
use crate::store::letter::FoundLetter;
use crate::wire::signal::{self, Signal, SignalKind};
use anyhow::Result;
use bytes::Bytes;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq discard 9c41 --note 'sent by mistake'
  orchestrator dlq discard --kind input --code malformed --yes
  orchestrator dlq discard --all --dry-run
";

/// Puts them aside.
pub fn run(args: &Chosen, context: &Context) -> Result<Exit> {
    let verb = Verb { now: "discard", done: "discarded", takes_up: false };
    work(&args.pick, &args.how, &verb, context, |letters, bench| {
        let found = &letters[0];
        let handling = args.how.handling(found, LetterAction::Discard);
        Ok(Ok(Made::alone(found, record(found, handling, bench.partitions))))
    })
}

/// The signal: to the workflow, or where there is none to the partition that the letter came from.
fn record(found: &FoundLetter, handling: LetterHandling, partitions: u32) -> NewRecord {
    let workflow_id = found.letter.workflow_id.clone();
    let key = workflow_id.as_ref().map(|id| Bytes::copy_from_slice(id.as_str().as_bytes()));
    let partition = key.as_ref().map_or(found.partition, |key| partition_of(key, partitions));
    let value = signal::encode(&Signal { workflow_id, kind: SignalKind::Discard(handling) });
    NewRecord { topic: Topic::Signals, partition: Some(partition), key, value: Some(value), headers: vec![] }
}
