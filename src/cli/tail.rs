//! `orchestrator tail`.

use super::exit::{Exit, fail};
use super::output::say;
use super::{Context, connect};
use crate::core::id::WorkflowId;
use crate::installation::records::{POLL, poll};
use crate::log::{Delivery, Log, LogError, Record, Topic};
use crate::ui;
use crate::wire::event::{self, Published};
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use std::collections::{BTreeMap, BTreeSet};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator tail                                   what happens from now on
  orchestrator tail --from-start --no-follow          everything up to now
  orchestrator tail --workflow greet-1 --type NodeFailed,WorkflowFailed
  orchestrator tail --output json | jq .data          a line of JSON each
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Begin at the start of the stream
    #[arg(long)]
    pub from_start: bool,
    /// End where the stream ends now
    #[arg(long)]
    pub no_follow: bool,
    /// Events of this workflow alone
    #[arg(long, value_name = "WORKFLOW_ID")]
    pub workflow: Option<WorkflowId>,
    /// Events with these names alone
    #[arg(long = "type", value_delimiter = ',', value_name = "EVENT", value_parser = PossibleValuesParser::new(event::names()))]
    pub types: Vec<String>,
}

/// Follows the event stream.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let missing = || LogError::UnknownTopic(Topic::Events.to_string());
    let partitions = log.partitions(&Topic::Events)?.ok_or_else(missing)?;
    let mut following = Following { args, context, sequences: Sequences::default(), broken: false };
    following.follow(log.as_ref(), partitions)?;
    if following.broken {
        return Err(fail(Exit::Failed, "the event stream is not whole, see above"));
    }
    Ok(Exit::Done)
}

struct Following<'a> {
    args: &'a Args,
    context: &'a Context,
    sequences: Sequences,
    broken: bool,
}

impl Following<'_> {
    fn follow(&mut self, log: &dyn Log, partitions: u32) -> Result<()> {
        let mut reader = log.reader()?;
        let mut open = BTreeSet::new();
        for partition in 0..partitions {
            let ends = log.ends(&Topic::Events, partition)?;
            reader.assign(&Topic::Events, partition, if self.args.from_start { ends.low } else { ends.high })?;
            open.insert(partition);
        }
        while !(self.args.no_follow && open.is_empty()) {
            for delivery in poll(reader.as_mut(), POLL)? {
                match delivery {
                    Delivery::Record(record) => self.record(&record)?,
                    Delivery::End { partition, .. } => {
                        open.remove(&partition);
                    }
                    Delivery::Lost { partition, wanted, low, .. } => {
                        say(format!("events/{partition}: offsets {wanted} to {low} are gone"));
                    }
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<()> {
        let place = format!("events/{}, offset {}", record.partition, record.offset);
        let published = match record.value.as_ref().map(|value| event::decode(value)) {
            Some(Ok(published)) => published,
            // What somebody else wrote into the stream is named, and does not end the view.
            Some(Err(error)) => {
                self.complain(&format!("{place}: {error}"));
                return Ok(());
            }
            None => {
                self.complain(&format!("{place}: a record without value"));
                return Ok(());
            }
        };
        match self.sequences.read(&published) {
            Sequence::Repeated => return Ok(()),
            Sequence::Gap { expected, found } => {
                self.complain(&format!("{place}: expected event {expected} of its run, found event {found}"));
            }
            Sequence::Next => {}
        }
        if !self.is_wanted(&published) {
            return Ok(());
        }
        let out = self.context.out;
        if !out.is_json() {
            return Ok(out.line(ui::event::line(&published, out.paint))?);
        }
        let mut json = ui::event::json(&published);
        json["position"] = serde_json::json!({ "partition": record.partition, "offset": record.offset });
        out.json_line(&json)
    }

    fn complain(&mut self, words: &str) {
        self.broken = true;
        say(words);
    }

    fn is_wanted(&self, published: &Published) -> bool {
        let (name, workflow) = match published {
            Published::Run(recorded) => (recorded.event.name(), Some(&recorded.workflow_id)),
            Published::Partition(recorded) => (recorded.event.name(), None),
        };
        let of_type = self.args.types.is_empty() || self.args.types.iter().any(|wanted| wanted == name);
        of_type && self.args.workflow.as_ref().is_none_or(|wanted| workflow == Some(wanted))
    }
}

/// How an event follows the one before it of its run or partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    /// It is the next, or the first that is seen.
    Next,
    /// It has been seen.
    Repeated,
    /// Something before it is missing.
    Gap { expected: u64, found: u64 },
}

/// The last sequence of every run that has not ended, and of every partition.
#[derive(Debug, Default)]
struct Sequences {
    last: BTreeMap<String, u64>,
}

impl Sequences {
    fn read(&mut self, published: &Published) -> Sequence {
        let (subject, found, ends) = match published {
            Published::Run(r) => (r.run_id.to_string(), r.sequence, r.event.ends_the_run()),
            Published::Partition(r) => (format!("partition-{}", r.partition), r.sequence, false),
        };
        let verdict = match self.last.get(&subject) {
            Some(last) if found <= *last => return Sequence::Repeated,
            Some(last) if found > *last + 1 => Sequence::Gap { expected: last + 1, found },
            _ => Sequence::Next,
        };
        if ends {
            self.last.remove(&subject);
        } else {
            self.last.insert(subject, found);
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{PartitionEvent, Trying};
    use crate::core::{command::Origin, time::Timestamp};
    use crate::wire::event::PartitionRecorded;

    #[test]
    fn twins_are_skipped_and_gaps_are_named() {
        let mut sequences = Sequences::default();
        let event = |sequence| {
            let origin = Origin { topic: "requests".to_owned(), partition: 0, offset: 0, time: Timestamp(0) };
            let event = PartitionEvent::Trying(Trying { origin });
            Published::Partition(PartitionRecorded { partition: 1, sequence, time: Timestamp(0), event })
        };
        let verdicts: Vec<_> = [7, 8, 8, 7, 10, 11].map(|n| sequences.read(&event(n))).to_vec();
        use Sequence::*;
        assert_eq!(verdicts, [Next, Next, Repeated, Repeated, Gap { expected: 9, found: 10 }, Next]);
    }
}
