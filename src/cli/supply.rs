//! `orchestrator supply`.

use super::by::By;
use super::exit::{Exit, fail};
use super::history::unknown;
use super::show::{self, Found};
use super::submit::{input, quoted, timeout};
use super::{Context, connect};
use crate::core::event::{Event, PartitionEvent};
use crate::core::failure::Recovery;
use crate::core::id::{NodeId, RunId, WorkflowId};
use crate::core::partition::partition_of;
use crate::core::run::Run;
use crate::installation::records::{POLL, append, poll};
use crate::log::{Delivery, NewRecord, Reader, Record, Topic};
use crate::store::letter::{LetterFilter, LetterKind, LetterState};
use crate::ui::style::harmless;
use crate::ui::time::duration;
use crate::wire::event::{self, Published};
use crate::wire::signal::{self, Signal, SignalKind, Supply};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::json;
use std::time::{Duration, Instant};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator supply order-7 price --value '{\"total\": 12}'
  orchestrator supply order-7 price --value @examples/requests/hello.json --by ada
The node must have been handed out, or await its next attempt; a result that
comes later changes nothing. Where the run has failed by the node already, its
dead letter is supplied: `orchestrator dlq supply`.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workflow
    #[arg(value_name = "WORKFLOW_ID")]
    pub id: WorkflowId,
    /// The node
    #[arg(value_name = "NODE_ID")]
    pub node: NodeId,
    /// The output: JSON, @FILE, or - for the standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub value: String,
    /// Who does it.
    #[command(flatten)]
    pub by: By,
    /// How long to wait at most until the engine has decided it: seconds (30, 0.5), or a number with ms, s, m or h
    #[arg(long, default_value = "30", value_name = "DURATION", value_parser = timeout)]
    pub timeout: Duration,
}

/// Supplies it, and says what the engine made of it.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let output = input::read("--value", &args.value)?;
    let log = connect::open_log(context.settings())?;
    let (partitions, _) = connect::installation(log.as_ref(), context.settings())?;
    let Some(Found { run, .. }) = show::find(&args.id, None, context)? else {
        return Err(unknown::error(&unknown::look(context, &args.id, None)?, &args.id, None));
    };
    if run.ended_at.is_some() {
        return Err(too_late(args, &run, context, &format!("run {} has ended: it {}", run.run_id, run.status)));
    }
    let key = Bytes::copy_from_slice(args.id.as_str().as_bytes());
    let partition = partition_of(&key, partitions);
    let (run_id, by) = (run.run_id.clone(), args.by.name());
    let supply = Supply { run_id: Some(run_id), node_id: args.node.clone(), output, by };
    let value = signal::encode(&Signal { workflow_id: Some(args.id.clone()), kind: SignalKind::Supply(supply) });
    // Reading begins before the signal is there: nothing comes too early to be seen.
    let mut reader = log.reader()?;
    reader.assign(&Topic::Events, partition, log.ends(&Topic::Events, partition)?.high)?;
    let record = NewRecord {
        topic: Topic::Signals,
        partition: Some(partition),
        key: Some(key),
        value: Some(value),
        headers: vec![],
    };
    let places = append(log.as_ref(), vec![record])?;
    let place = *places.first().context("one record has one place")?;
    match wait(reader.as_mut(), args, &run, place)? {
        Some(Ok(())) => supplied(args, &run, context),
        Some(Err(reason)) => Err(too_late(args, &run, context, &reason)),
        None => Err(fail(
            Exit::TimedOut,
            format!(
                "not decided within {}; the signal stands, and `orchestrator history {}` tells what became of it",
                duration(args.timeout),
                quoted(args.id.as_str())
            ),
        )),
    }
}

fn supplied(args: &Args, run: &Run, context: &Context) -> Result<Exit> {
    if context.out.is_json() {
        let (workflow_id, run_id, node_id) = (args.id.as_str(), run.run_id.as_str(), args.node.as_str());
        context.out.json(&json!({ "workflow_id": workflow_id, "run_id": run_id, "node_id": node_id }))?;
    } else {
        context.out.line(format!("node {} of run {} has its output", args.node, run.run_id))?;
    }
    Ok(Exit::Done)
}

/// What the engine makes of the signal at a place; none: nothing in time.
fn wait(reader: &mut dyn Reader, args: &Args, run: &Run, place: (u32, u64)) -> Result<Option<Result<(), String>>> {
    let begun = Instant::now();
    loop {
        let left = args.timeout.saturating_sub(begun.elapsed());
        for delivery in poll(reader, left.min(POLL))? {
            let Delivery::Record(record) = delivery else { continue };
            if let Some(end) = end(&record, &args.node, &run.run_id, place)? {
                return Ok(Some(end));
            }
        }
        if begun.elapsed() >= args.timeout {
            return Ok(None);
        }
    }
}

/// What a published event says of the signal at a place.
fn end(record: &Record, node: &NodeId, run: &RunId, place: (u32, u64)) -> Result<Option<Result<(), String>>> {
    let Some(value) = &record.value else { return Ok(None) };
    let at = || format!("{}/{}, offset {}", record.topic, record.partition, record.offset);
    Ok(match event::decode(value).with_context(at)? {
        Published::Run(recorded) => match recorded.event {
            Event::NodeRecovered(event) if event.how == Recovery::Supply => {
                (recorded.run_id == *run && event.node_id == *node).then_some(Ok(()))
            }
            _ => None,
        },
        Published::Partition(recorded) => {
            let (origin, message) = match recorded.event {
                PartitionEvent::InputRejected(event) => (event.origin, event.message),
                PartitionEvent::InputRefused(event) => (event.origin, event.message),
                _ => return Ok(None),
            };
            let is_it = origin.topic == Topic::Signals.to_string() && (origin.partition, origin.offset) == place;
            is_it.then_some(Err(message))
        }
    })
}

/// Why it was not supplied; where there is a dead letter of the node, what to do instead.
fn too_late(args: &Args, run: &Run, context: &Context, reason: &str) -> anyhow::Error {
    let letter = letter(args, run, context).unwrap_or_else(|error| {
        tracing::warn!("{error:#}; whether there is a dead letter is not known");
        None
    });
    let reason = harmless(reason);
    let words = match letter {
        Some(letter) => {
            let done = if run.ended_at.is_some() { "" } else { ", once the run has ended" };
            format!("{reason}; it failed by this node: `orchestrator dlq supply {letter}` goes on from there{done}")
        }
        None => reason,
    };
    fail(Exit::Refused, words)
}

/// The open dead letter of the node in this run.
fn letter(args: &Args, run: &Run, context: &Context) -> Result<Option<String>> {
    let store = connect::open_store(context.settings())?;
    let filter = LetterFilter {
        workflow: Some(args.id.to_string()),
        state: Some(LetterState::Open),
        kind: Some(LetterKind::Node),
        limit: 1_000,
        ..LetterFilter::default()
    };
    let letters = store.query().letters(&filter)?;
    let mut letters = letters.into_iter().map(|found| found.letter);
    let found = letters
        .find(|letter| letter.run_id.as_ref() == Some(&run.run_id) && letter.node_id.as_ref() == Some(&args.node));
    Ok(found.map(|letter| letter.letter_id.to_string()))
}
