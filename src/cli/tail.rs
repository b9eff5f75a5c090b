//! `orchestrator tail`.

use super::events::Which;
use super::events::place::Placed;
use super::events::stream::{Stream, lost};
use super::exit::{Exit, fail};
use super::output::say;
use super::since::{Since, since};
use super::{Context, connect};
use crate::installation::records::{POLL, poll};
use crate::log::{Delivery, Ends, Log, LogError, Record, Topic};
use crate::ui;
use anyhow::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator tail                                   what happens from now on
  orchestrator tail --from-start --no-follow          everything up to now
  orchestrator tail --since 1h --workflow greet-1 --type NodeFailed,WorkflowFailed
  orchestrator tail --since 2026-02-03T04:05:06Z --where 'data.attempt > 1'
  orchestrator tail --output json | jq .data          a line of JSON each
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Begin at the start of the stream
    #[arg(long)]
    pub from_start: bool,
    /// Begin with what was published since: a duration before now (90s, 15m, 24h), a time (RFC 3339) or a date
    #[arg(long, value_name = "TIME", value_parser = since, conflicts_with = "from_start")]
    pub since: Option<Since>,
    /// End where the stream ends now
    #[arg(long)]
    pub no_follow: bool,
    /// What tells events apart.
    #[command(flatten)]
    pub which: Which,
}

/// Follows the event stream.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let missing = || LogError::UnknownTopic(Topic::Events.to_string());
    let partitions = log.partitions(&Topic::Events)?.ok_or_else(missing)?;
    let mut following = Following { args, context, streams: BTreeMap::new(), bounds: BTreeMap::new(), broken: false };
    following.follow(log.as_ref(), partitions)?;
    if following.broken {
        return Err(fail(Exit::Failed, "not everything could be read, see above"));
    }
    Ok(Exit::Done)
}

struct Following<'a> {
    args: &'a Args,
    context: &'a Context,
    streams: BTreeMap<u32, Stream>,
    /// Where a partition ends, for whoever does not go on.
    bounds: BTreeMap<u32, u64>,
    broken: bool,
}

impl Following<'_> {
    fn follow(&mut self, log: &dyn Log, partitions: u32) -> Result<()> {
        let mut reader = log.reader()?;
        for partition in 0..partitions {
            let ends = log.ends(&Topic::Events, partition)?;
            let from = self.beginning(log, partition, ends)?;
            if self.args.no_follow {
                self.bounds.insert(partition, ends.high);
            }
            reader.assign(&Topic::Events, partition, from)?;
            self.streams.insert(partition, Stream::from(from));
        }
        let mut open: BTreeSet<u32> = (0..partitions).collect();
        while !(self.args.no_follow && open.is_empty()) {
            for delivery in poll(reader.as_mut(), POLL)? {
                match delivery {
                    Delivery::Record(record) => match self.bounds.get(&record.partition) {
                        Some(bound) if record.offset >= *bound => drop(open.remove(&record.partition)),
                        _ => self.record(&record)?,
                    },
                    Delivery::End { partition, .. } => drop(open.remove(&partition)),
                    Delivery::Lost { partition, wanted, low, .. } => {
                        self.complain(Some(lost(partition, wanted, low)));
                    }
                }
            }
        }
        Ok(())
    }

    fn beginning(&self, log: &dyn Log, partition: u32, ends: Ends) -> Result<u64, LogError> {
        match self.args.since {
            Some(since) => log.offset_at(&Topic::Events, partition, since.time()),
            None => Ok(if self.args.from_start { ends.low } else { ends.high }),
        }
    }

    fn record(&mut self, record: &Record) -> Result<()> {
        let stream = self.streams.entry(record.partition).or_insert_with(|| Stream::from(record.offset));
        let heard = stream.hear(record);
        self.complain(heard.complaint);
        let Some(placed) = heard.event else { return Ok(()) };
        match self.args.which.wanted(&placed) {
            Ok(Some(json)) => self.print(&placed, &json),
            Ok(None) => Ok(()),
            Err(complaint) => {
                self.complain(Some(complaint));
                Ok(())
            }
        }
    }

    fn print(&self, placed: &Placed, json: &Value) -> Result<()> {
        let out = self.context.out;
        match out.is_json() {
            true => out.json_line(json),
            false => Ok(out.line(ui::event::line(&placed.published, out.paint))?),
        }
    }

    fn complain(&mut self, complaint: Option<String>) {
        if let Some(complaint) = complaint {
            self.broken = true;
            say(complaint);
        }
    }
}
