//! `orchestrator tail`.

use super::events::Which;
use super::events::place::Placed;
use super::events::stream::{Stream, lost};
use super::exit::{Exit, fail};
use super::output::say;
use super::{Context, connect};
use crate::installation::records::{POLL, poll};
use crate::log::{Delivery, Log, LogError, Topic};
use crate::ui;
use anyhow::Result;
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
    /// What tells events apart.
    #[command(flatten)]
    pub which: Which,
}

/// Follows the event stream.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let missing = || LogError::UnknownTopic(Topic::Events.to_string());
    let partitions = log.partitions(&Topic::Events)?.ok_or_else(missing)?;
    let mut following = Following { args, context, streams: BTreeMap::new(), broken: false };
    following.follow(log.as_ref(), partitions)?;
    if following.broken {
        return Err(fail(Exit::Failed, "the event stream is not whole, see above"));
    }
    Ok(Exit::Done)
}

struct Following<'a> {
    args: &'a Args,
    context: &'a Context,
    streams: BTreeMap<u32, Stream>,
    broken: bool,
}

impl Following<'_> {
    fn follow(&mut self, log: &dyn Log, partitions: u32) -> Result<()> {
        let mut reader = log.reader()?;
        let mut open = BTreeSet::new();
        for partition in 0..partitions {
            let ends = log.ends(&Topic::Events, partition)?;
            let from = if self.args.from_start { ends.low } else { ends.high };
            reader.assign(&Topic::Events, partition, from)?;
            self.streams.insert(partition, Stream::from(from));
            open.insert(partition);
        }
        while !(self.args.no_follow && open.is_empty()) {
            for delivery in poll(reader.as_mut(), POLL)? {
                match delivery {
                    Delivery::Record(record) => {
                        let stream =
                            self.streams.entry(record.partition).or_insert_with(|| Stream::from(record.offset));
                        let heard = stream.hear(&record);
                        if let Some(complaint) = heard.complaint {
                            self.broken = true;
                            say(complaint);
                        }
                        if let Some(placed) = heard.event.filter(|placed| self.args.which.wants(placed)) {
                            self.print(&placed)?;
                        }
                    }
                    Delivery::End { partition, .. } => {
                        open.remove(&partition);
                    }
                    Delivery::Lost { partition, wanted, low, .. } => say(lost(partition, wanted, low)),
                }
            }
        }
        Ok(())
    }

    fn print(&self, placed: &Placed) -> Result<()> {
        let out = self.context.out;
        match out.is_json() {
            true => out.json_line(&placed.json()),
            false => Ok(out.line(ui::event::line(&placed.published, out.paint))?),
        }
    }
}
