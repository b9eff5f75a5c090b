//! Reading the stream: partition after partition, so that the order is the same every time and memory is that of one.

use super::known::{Known, OpenRuns};
use crate::cli::events::Which;
use crate::cli::events::place::Placed;
use crate::cli::events::stream::{Stream, lost};
use crate::cli::exit::{Exit, fail};
use crate::cli::output::say;
use crate::core::time::Timestamp;
use crate::installation::records::read_between;
use crate::log::{Delivery, Log, LogError, Topic};
use crate::shutdown::Stop;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::io::IsTerminal;
use std::ops::{ControlFlow, Range};

/// How many things that are wrong are said; more are counted.
const SAID: u64 = 5;
/// After how many records the bar moves.
const STRIDE: u64 = 256;

/// What to read.
pub struct Reading<'a> {
    /// The log.
    pub log: &'a dyn Log,
    /// Which events are asked for.
    pub which: &'a Which,
    /// What was published since, by the log's clock; none: from the start.
    pub since: Option<Timestamp>,
    /// What was published before; none: up to the present end.
    pub until: Option<Timestamp>,
}

/// An event that is asked for.
pub struct Wanted {
    /// The event.
    pub placed: Placed,
    /// The same as JSON.
    pub json: Value,
    /// What those before it say of it.
    pub known: Known,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Exported {
    /// How many events were asked for and are written.
    pub events: u64,
    /// How many records were left out because their event had come already.
    pub twins: u64,
    /// How many things are wrong with the stream, or have kept an event from being told.
    pub complaints: u64,
}

impl Reading<'_> {
    /// Hands out the events that are asked for, each once, in the order of partition and offset.
    ///
    /// # Errors
    /// Where the log does not answer, `each` says so, or somebody stops it.
    pub fn read(&self, mut each: impl FnMut(&Wanted) -> Result<()>) -> Result<Exported> {
        let (stop, mut exported) = (Stop::new(), Exported::default());
        stop.listen().context("signals can't be listened to")?;
        let spans = self.spans()?;
        let bar = bar(spans.iter().map(|(_, span)| span.end - span.start).sum());
        for (partition, span) in spans {
            let (mut stream, mut open) = (Stream::from(span.start), OpenRuns::default());
            let mut next = span.start;
            read_between(self.log, &Topic::Events, partition, span.clone(), |delivery| {
                if stop.is_set() {
                    return Err(fail(Exit::Interrupted, "stopped before the end of the stream"));
                }
                match delivery {
                    Delivery::Record(record) => {
                        if record.offset - next >= STRIDE {
                            bar.inc(record.offset - next);
                            next = record.offset;
                        }
                        let heard = stream.hear(&record);
                        exported.complain(heard.complaint, &bar);
                        let Some(placed) = heard.event else { return Ok(ControlFlow::Continue(())) };
                        let known = open.read(&placed.published);
                        match self.which.wanted(&placed) {
                            Ok(Some(json)) => {
                                each(&Wanted { placed, json, known })?;
                                exported.events += 1;
                            }
                            Ok(None) => {}
                            Err(complaint) => exported.complain(Some(complaint), &bar),
                        }
                    }
                    Delivery::Lost { wanted, low, .. } => exported.complain(Some(lost(partition, wanted, low)), &bar),
                    Delivery::End { .. } => {}
                }
                Ok(ControlFlow::Continue(()))
            })?;
            bar.inc(span.end.saturating_sub(next));
            exported.twins += stream.twins;
        }
        bar.finish_and_clear();
        if exported.complaints > SAID {
            say(format!("… and {} more", exported.complaints - SAID));
        }
        Ok(exported)
    }

    /// The offsets of each partition that are read. What is published from now on is not.
    fn spans(&self) -> Result<Vec<(u32, Range<u64>)>> {
        let missing = || LogError::UnknownTopic(Topic::Events.to_string());
        let partitions = self.log.partitions(&Topic::Events)?.ok_or_else(missing)?;
        let span = |partition| {
            let ends = self.log.ends(&Topic::Events, partition)?;
            let at = |time| self.log.offset_at(&Topic::Events, partition, time);
            let from = self.since.map_or(Ok(ends.low), at)?.max(ends.low);
            let to = self.until.map_or(Ok(ends.high), at)?.min(ends.high);
            Ok((partition, from..to.max(from)))
        };
        (0..partitions).map(span).collect()
    }
}

impl Exported {
    fn complain(&mut self, complaint: Option<String>, bar: &ProgressBar) {
        let Some(complaint) = complaint else { return };
        self.complaints += 1;
        if self.complaints <= SAID {
            bar.suspend(|| say(complaint));
        }
    }
}

/// A bar on a terminal.
fn bar(records: u64) -> ProgressBar {
    if records == 0 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} {eta}");
    ProgressBar::new(records).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{Event, NodeStarted, Recorded};
    use crate::core::id::{NodeId, RunId, WorkflowId};
    use crate::log::memory::{Clock, MemoryLog, MemoryProcess, ProcessId};
    use crate::log::plan::topic_plan;
    use crate::log::{NewRecord, Purpose};
    use crate::wire::event;
    use bytes::Bytes;

    fn event_of(run: char, sequence: u64) -> Bytes {
        event::encode(&Recorded {
            workflow_id: WorkflowId::new(&run.to_string()).unwrap(),
            run_id: RunId::new(&run.to_string().repeat(32)).unwrap(),
            sequence,
            time: Timestamp(0),
            event: Event::NodeStarted(NodeStarted { node_id: NodeId::new("n").unwrap(), attempt: 1, local: false }),
        })
    }

    fn log_of(records: &[(u32, Bytes)]) -> MemoryProcess {
        let log = MemoryLog::new(Clock::at(Timestamp(0)), 1).process(ProcessId(1));
        log.create_topics(&topic_plan(2, 1)).unwrap();
        let mut appender = log.appender(Purpose::Client).unwrap();
        for (token, (partition, value)) in records.iter().enumerate() {
            let (topic, partition, value) = (Topic::Events, Some(*partition), Some(value.clone()));
            let record = NewRecord { topic, partition, key: None, value, headers: vec![] };
            appender.append(record, token as u64).unwrap();
        }
        log
    }

    fn exported(log: &MemoryProcess, which: &Which) -> (Exported, Vec<String>) {
        let mut ids = Vec::new();
        let exported = Reading { log, which, since: None, until: None }.read(|Wanted { placed, .. }| {
            ids.push(format!("{}{}", &placed.event_id[..1], &placed.event_id[32..]));
            Ok(())
        });
        (exported.unwrap(), ids)
    }

    #[test]
    fn every_event_comes_once_in_the_order_of_the_stream() {
        let events = [(1, ('b', 1)), (0, ('a', 1)), (0, ('a', 2)), (0, ('a', 1)), (0, ('a', 2)), (1, ('b', 2))];
        let log = log_of(&events.map(|(partition, (run, sequence))| (partition, event_of(run, sequence))));
        let (exported, ids) = exported(&log, &Which::default());
        assert_eq!(ids, ["a/1", "a/2", "b/1", "b/2"]);
        assert_eq!((exported.events, exported.twins, exported.complaints), (4, 2, 0));
    }

    #[test]
    fn what_is_missing_or_foreign_is_named_and_the_rest_is_there() {
        let events = [event_of('a', 1), Bytes::from_static(b"{}"), event_of('a', 3), event_of('b', 2)];
        let (exported, ids) = exported(&log_of(&events.map(|event| (0, event))), &Which::default());
        assert_eq!((ids, exported.complaints), (vec!["a/1".to_owned(), "a/3".to_owned(), "b/2".to_owned()], 3));
    }

    #[test]
    fn what_was_not_asked_for_is_left_out() {
        let log = log_of(&[(0, event_of('a', 1)), (0, event_of('b', 1)), (1, event_of('c', 1))]);
        let of_b = Which { workflow: Some(WorkflowId::new("b").unwrap()), ..Which::default() };
        assert_eq!(exported(&log, &of_b).1, ["b/1"]);
        let completed = Which { types: vec!["NodeCompleted".to_owned()], ..Which::default() };
        assert_eq!(exported(&log, &completed).1, Vec::<String>::new());
    }
}
