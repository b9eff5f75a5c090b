//! How far a rebuild is: a bar in a terminal, lines elsewhere.

use crate::cli::output::say;
use crate::projector::rebuild::{Seen, Stage, Stretch};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Of the bar, in characters.
const WIDTH: usize = 30;

/// What has been said, and what it is of.
pub struct Progress {
    /// Events that there are, about.
    all_events: u64,
    /// Journal records to be read.
    records: u64,
    began: Instant,
    /// The partition whose event stream is being read, since when.
    in_stream: Option<(u32, Instant)>,
    /// How long event streams were read before.
    in_streams: Duration,
    said: Option<Instant>,
    is_terminal: bool,
    /// A bar stands in the last line.
    open: bool,
}

impl Progress {
    /// Of about so many events.
    pub fn new(all_events: u64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let (began, in_streams) = (Instant::now(), Duration::ZERO);
        Self { all_events, records: 0, began, in_stream: None, in_streams, said: None, is_terminal, open: false }
    }

    /// Says where the rebuild is.
    pub fn say(&mut self, stage: Stage) {
        match stage {
            Stage::Begun { goes_on, records } => {
                (self.records, self.began) = (records, Instant::now());
                let what = if goes_on { "going on with an interrupted rebuild" } else { "making the tables anew" };
                self.line(&format!("{what}: {records} journal records, about {} events in all", self.all_events));
            }
            Stage::Reading(seen) => self.reading(&seen),
            Stage::Early(early) => self.line(&super::without_journal(&early)),
            Stage::Completing => self.line("making the indexes"),
            // It takes a moment, and there are several.
            Stage::CatchingUp(_) => {}
            Stage::Waiting(why) => self.line(&format!("waiting: {why}")),
            Stage::Swapping => self.line("swapping the tables"),
        }
    }

    /// Leaves the last line as it is.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.open) {
            say("");
        }
    }

    fn line(&mut self, words: &str) {
        self.end();
        say(words);
    }

    fn reading(&mut self, seen: &Seen) {
        self.time_streams(seen);
        let is_done = seen.stream.is_none() && seen.records >= self.records;
        let is_due = self.said.is_none_or(|said| said.elapsed() > LINE_EVERY);
        if !self.is_terminal && !is_due && !is_done {
            return;
        }
        self.said = Some(Instant::now());
        let words = self.words(seen);
        if self.is_terminal {
            let done = seen.stream.map_or_else(|| self.done(seen), share);
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{} {words}", bar(done));
            self.open = true;
        } else {
            say(words);
        }
    }

    /// What the event streams take is not what the journal takes: each has a bar of its own.
    fn time_streams(&mut self, seen: &Seen) {
        let reads = seen.stream.map(|_| seen.partition);
        if reads == self.in_stream.map(|(partition, _)| partition) {
            return;
        }
        if let Some((_, since)) = self.in_stream {
            self.in_streams += since.elapsed();
        }
        self.in_stream = reads.map(|partition| (partition, Instant::now()));
    }

    fn done(&self, seen: &Seen) -> f64 {
        if self.records == 0 { 1.0 } else { (seen.records as f64 / self.records as f64).min(1.0) }
    }

    fn words(&self, seen: &Seen) -> String {
        let all = self.began.elapsed().as_secs_f64();
        let rate = if all > 0.0 { seen.events as f64 / all } else { 0.0 };
        let left = |done: f64, seconds: f64| if done > 0.0 { seconds / done - seconds } else { 0.0 };
        if let (Some(stretch), Some((_, since))) = (seen.stream, self.in_stream) {
            let done = share(stretch);
            return format!(
                "{:3.0} %  of the event stream of partition {} of {}, for what its journal has lost: {} events, \
                 {rate:.0}/s, at most {:.0} s left",
                done * 100.0,
                seen.partition + 1,
                seen.partitions,
                seen.events,
                left(done, since.elapsed().as_secs_f64()),
            );
        }
        let done = self.done(seen);
        let left = left(done, all - self.in_streams.as_secs_f64());
        format!(
            "{:3.0} %  {} events, {rate:.0}/s, partition {} of {}, {left:.0} s left",
            done * 100.0,
            seen.events,
            seen.partition + 1,
            seen.partitions,
        )
    }
}

/// Of the event stream; reading ends before it does.
fn share(stretch: Stretch) -> f64 {
    if stretch.at_most == 0 { 1.0 } else { stretch.read as f64 / stretch.at_most as f64 }
}

fn bar(done: f64) -> String {
    let full = ((done * WIDTH as f64) as usize).min(WIDTH);
    format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(records: u64, stream: Option<Stretch>) -> Seen {
        Seen { partition: 1, partitions: 4, events: 120, records, stream }
    }

    #[test]
    fn the_event_stream_and_the_journal_have_a_share_each() {
        let mut progress = Progress { records: 200, ..Progress::new(1_000) };
        let reading = seen(50, Some(Stretch { read: 30, at_most: 120 }));
        progress.time_streams(&reading);
        let words = progress.words(&reading);
        assert!(words.starts_with(" 25 %  of the event stream of partition 2 of 4"), "{words}");
        assert!(words.contains("120 events") && words.contains("at most"), "{words}");
        progress.time_streams(&seen(50, None));
        assert!(progress.in_stream.is_none() && progress.in_streams > Duration::ZERO);
        let words = progress.words(&seen(100, None));
        assert!(words.starts_with(" 50 %  120 events") && words.contains("partition 2 of 4"), "{words}");
        assert_eq!(share(Stretch { read: 0, at_most: 0 }), 1.0);
    }
}
