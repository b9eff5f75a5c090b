//! How far a rebuild is: a bar in a terminal, lines elsewhere.

use crate::cli::output::say;
use crate::projector::rebuild::{Seen, Stage};
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
    said: Option<Instant>,
    is_terminal: bool,
    /// A bar stands in the last line.
    open: bool,
}

impl Progress {
    /// Of about so many events.
    pub fn new(all_events: u64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { all_events, records: 0, began: Instant::now(), said: None, is_terminal, open: false }
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
        let is_done = seen.records >= self.records;
        let is_due = self.said.is_none_or(|said| said.elapsed() > LINE_EVERY);
        if !self.is_terminal && !is_due && !is_done {
            return;
        }
        self.said = Some(Instant::now());
        let words = self.words(seen);
        if self.is_terminal {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{} {words}", bar(self.done(seen)));
            self.open = true;
        } else {
            say(words);
        }
    }

    fn done(&self, seen: &Seen) -> f64 {
        if self.records == 0 { 1.0 } else { (seen.records as f64 / self.records as f64).min(1.0) }
    }

    fn words(&self, seen: &Seen) -> String {
        let (done, seconds) = (self.done(seen), self.began.elapsed().as_secs_f64());
        let rate = if seconds > 0.0 { seen.events as f64 / seconds } else { 0.0 };
        let left = if done > 0.0 { seconds / done - seconds } else { 0.0 };
        format!(
            "{:3.0} %  {} events, {rate:.0}/s, partition {} of {}, {left:.0} s left",
            done * 100.0,
            seen.events,
            seen.partition + 1,
            seen.partitions,
        )
    }
}

fn bar(done: f64) -> String {
    let full = ((done * WIDTH as f64) as usize).min(WIDTH);
    format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full))
}
