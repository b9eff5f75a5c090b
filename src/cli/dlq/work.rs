//! Working letters off: what is asked before, how fast, and how far it is.

use super::pick::{Pick, Picked};
use super::report::Report;
use super::settle;
use crate::cli::by::By;
use crate::cli::exit::{Exit, fail};
use crate::cli::submit::timeout;
use crate::cli::{Context, connect};
use crate::config::Settings;
use crate::core::catalogue::Catalogue;
use crate::core::id::WorkflowId;
use crate::core::letter::{LetterAction, LetterHandling};
use crate::installation::InstallationError;
use crate::installation::records::append_through;
use crate::log::{NewRecord, Purpose};
use crate::shutdown::Stop;
use crate::store::letter::FoundLetter;
use crate::store::query::Query;
use crate::wire::letter_handling::MAX_NOTE_BYTES;
use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The arguments of a command that works letters off and needs to be told no more.
#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// Which.
    #[command(flatten)]
    pub pick: Pick,
    /// How.
    #[command(flatten)]
    pub how: How,
}

/// How to work letters off.
#[derive(Debug, clap::Args)]
pub struct How {
    /// At most this many letters a second
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before more than one letter
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Who does it.
    #[command(flatten)]
    pub by: By,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = note)]
    pub note: Option<String>,
    /// How long to wait at most until the engine has decided it and the tables say so: seconds (10, 0.5), or a number with
    /// ms, s, m or h
    #[arg(long, default_value = "10", value_name = "DURATION", value_parser = timeout)]
    pub timeout: Duration,
}

fn note(text: &str) -> Result<String, String> {
    let expected = || format!("expected at most {MAX_NOTE_BYTES} bytes, found {}", text.len());
    if text.len() <= MAX_NOTE_BYTES { Ok(text.to_owned()) } else { Err(expected()) }
}

impl How {
    /// What the history will say of a letter.
    pub fn handling(&self, found: &FoundLetter, action: LetterAction) -> LetterHandling {
        let letter_id = found.letter.letter_id.clone();
        LetterHandling { letter_id, action, by: self.by.name(), note: self.note.clone() }
    }
}

/// A command that works letters off.
pub struct Verb {
    /// `redrive`.
    pub now: &'static str,
    /// `redriven`.
    pub done: &'static str,
    /// Whether it takes up runs: letters of one run are worked off together then.
    pub takes_up: bool,
}

/// What letters are worked off with.
pub struct Bench<'a> {
    /// The tables.
    pub query: &'a dyn Query,
    /// The definitions.
    pub catalogue: &'a Catalogue,
    /// How many partitions there are.
    pub partitions: u32,
    /// The settings.
    pub settings: &'a Settings,
}

/// What works off letters that belong together.
pub struct Made {
    /// The record that does it.
    pub record: NewRecord,
    /// What becomes of the letters with it.
    pub outcome: Outcome,
}

/// What becomes of letters that belong together.
pub struct Outcome {
    /// The letters that are worked off.
    pub letters: Vec<FoundLetter>,
    /// Letters that were not asked for, and are worked off with them.
    pub with: Vec<FoundLetter>,
    /// Letters that were asked for, and why they are left.
    pub left: Vec<(FoundLetter, String)>,
    /// What else is to be said of it.
    pub words: Option<String>,
    /// The workflow that a request becomes which named none.
    pub workflow_id: Option<WorkflowId>,
}

impl Made {
    /// A record for one letter.
    pub fn alone(found: &FoundLetter, record: NewRecord) -> Self {
        let (letters, with, left) = (vec![found.clone()], Vec::new(), Vec::new());
        Self { record, outcome: Outcome { letters, with, left, words: None, workflow_id: None } }
    }

    /// A request that is handed in again.
    pub fn request(found: &FoundLetter, record: NewRecord) -> Self {
        let key = record.key.as_deref().and_then(|key| WorkflowId::new(std::str::from_utf8(key).ok()?).ok());
        let other = key.filter(|key| found.letter.workflow_id.as_ref() != Some(key));
        let mut made = Self::alone(found, record);
        made.outcome.words = other.as_ref().map(|id| format!("it is handed in as workflow {}", id.as_str()));
        made.outcome.workflow_id = other;
        made
    }
}

/// Works off the letters that were asked for; `make` gives what does it for letters that belong together, or the reason
/// why it cannot be.
///
/// # Errors
/// Where the store or the log does not answer, or letters cannot be told. Whoever stops it gets a report all the same.
pub fn work(
    which: &Pick,
    how: &How,
    verb: &Verb,
    context: &Context,
    make: impl Fn(&[FoundLetter], &Bench) -> Result<Result<Made, String>>,
) -> Result<Exit> {
    let settings = context.settings();
    let (store, log) = (connect::open_store(settings)?, connect::open_log(settings)?);
    let (partitions, catalogue) = connect::installation(log.as_ref(), settings)?;
    let bench = Bench { query: store.query(), catalogue: &catalogue, partitions, settings };
    let Picked { open, handled } = settle::find(which, bench.query)?;
    let stop = Stop::new();
    if !how.dry_run {
        ask(open.len(), how, verb)?;
        // Whoever stops it learns how far it came.
        stop.listen().context("signals can't be listened to")?;
    }
    let mut appender = log.appender(Purpose::Client)?;
    let mut report = Report::new(handled);
    let bar = bar(open.len(), how);
    let mut pace = Pace::of(how);
    let mut groups = together(open, verb).into_iter();
    while !stop.is_set()
        && let Some(letters) = groups.next()
    {
        match make(&letters, &bench)? {
            Ok(Made { outcome, .. }) if how.dry_run => report.add(outcome),
            Ok(Made { record, outcome }) => {
                if !pace.wait(outcome.letters.len(), &stop) {
                    report.not_reached.extend(letters);
                    break;
                }
                let published = append_through(log.as_ref(), appender.as_mut(), vec![record]);
                published.map_err(|error| uncertain(error, &letters, report.done(), verb))?;
                report.add(outcome);
            }
            Err(reason) => report.leave(&letters, &reason),
        }
        bar.inc(letters.len() as u64);
    }
    report.not_reached.extend(groups.flatten());
    bar.finish_and_clear();
    if !how.dry_run {
        report.undecided = settle::settle(report.worked_off(), how.timeout, bench.query, &stop)?;
    }
    report.stopped = stop.is_set();
    report.tell(how, verb, context)
}

/// The letters that belong together, in the order in which the first of each came.
fn together(letters: Vec<FoundLetter>, verb: &Verb) -> Vec<Vec<FoundLetter>> {
    let mut all: Vec<Vec<FoundLetter>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for found in letters {
        let run_id = found.letter.run_id.clone().filter(|_| verb.takes_up);
        match run_id.as_ref().and_then(|run_id| places.get(run_id)) {
            Some(at) => {
                let run: &mut Vec<FoundLetter> = &mut all[*at];
                run.push(found);
            }
            None => {
                run_id.and_then(|run_id| places.insert(run_id, all.len()));
                all.push(vec![found]);
            }
        }
    }
    all
}

/// At most so many letters a second.
struct Pace {
    pause: Duration,
    next: Instant,
}

impl Pace {
    fn of(how: &How) -> Self {
        let pause = how.rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate);
        Self { pause, next: Instant::now() }
    }

    /// Waits until it is the turn of so many letters; says whether it came.
    fn wait(&mut self, letters: usize, stop: &Stop) -> bool {
        let is_stopped = stop.wait(self.next.saturating_duration_since(Instant::now()));
        self.next = Instant::now() + self.pause.saturating_mul(u32::try_from(letters).unwrap_or(u32::MAX));
        !is_stopped
    }
}

fn uncertain(error: InstallationError, letters: &[FoundLetter], done: usize, verb: &Verb) -> anyhow::Error {
    let ids: Vec<&str> = letters.iter().map(|found| found.letter.letter_id.as_str()).collect();
    let (done, ids) = (format!("{done} {}", verb.done), ids.join(", "));
    let words = format!("{done}; of {ids} it is not certain: the same command again goes on there");
    anyhow::Error::from(error).context(words)
}

/// Asks before more than one letter is worked off, where somebody can answer.
fn ask(letters: usize, how: &How, verb: &Verb) -> Result<()> {
    if letters < 2 || how.yes || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(());
    }
    let _ = write!(std::io::stderr(), "{} {letters} dead letters? [y/N] ", verb.now);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the answer can't be read")?;
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(fail(Exit::Interrupted, "nothing was done")),
    }
}

/// A bar on a terminal, where it is worth one.
fn bar(letters: usize, how: &How) -> ProgressBar {
    if letters < 2 || how.dry_run || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}");
    ProgressBar::new(letters as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
