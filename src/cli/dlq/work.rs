//! Working letters off: what is asked before, how fast, and what is said of it.

use super::pick::{Pick, Picked, pick};
use crate::cli::exit::{Exit, fail};
use crate::cli::output::say;
use crate::cli::{Context, connect};
use crate::core::id::LetterId;
use crate::core::letter::{LetterAction, LetterHandling};
use crate::installation::InstallationError;
use crate::installation::records::append_through;
use crate::log::{NewRecord, Purpose};
use crate::store::letter::{FoundLetter, LetterState};
use crate::store::query::Query;
use crate::ui::style::harmless;
use crate::wire::handling::{MAX_BY_BYTES, MAX_NOTE_BYTES};
use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

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
    /// Who does it; without it the user of the operating system
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub by: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = note)]
    pub note: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    let legal = !text.is_empty() && text.len() <= MAX_BY_BYTES && !text.chars().any(char::is_control);
    let expected = || format!("expected 1 to {MAX_BY_BYTES} bytes without control characters");
    if legal { Ok(text.to_owned()) } else { Err(expected()) }
}

fn note(text: &str) -> Result<String, String> {
    let expected = || format!("expected at most {MAX_NOTE_BYTES} bytes, found {}", text.len());
    if text.len() <= MAX_NOTE_BYTES { Ok(text.to_owned()) } else { Err(expected()) }
}

impl How {
    /// What the history will say.
    pub fn handling(&self, letter_id: &LetterId, action: LetterAction) -> LetterHandling {
        LetterHandling { letter_id: letter_id.clone(), action, by: self.by(), note: self.note.clone() }
    }

    fn by(&self) -> String {
        let user = || ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|variable| std::env::var(variable).ok());
        let user = || user().and_then(|user| name(&user).ok());
        self.by.clone().or_else(user).unwrap_or_else(|| "unknown".to_owned())
    }
}

/// The verbs of a command.
pub struct Verb {
    /// `redrive`.
    pub now: &'static str,
    /// `redriven`.
    pub done: &'static str,
}

/// Works off the letters that were asked for; `make` gives the record that does it, or the reason why it cannot be.
///
/// # Errors
/// Where the store or the log does not answer, or letters cannot be told.
pub fn work(
    which: &Pick,
    how: &How,
    verb: &Verb,
    context: &Context,
    make: impl Fn(&FoundLetter, &dyn Query, u32) -> Result<Result<NewRecord, String>>,
) -> Result<Exit> {
    let store = connect::open_store(context.settings())?;
    let log = connect::open_log(context.settings())?;
    let (partitions, _) = connect::installation(log.as_ref(), context.settings())?;
    let Picked { open, handled } = pick(which, store.query())?;
    if !how.dry_run {
        ask(open.len(), how, verb)?;
    }
    let mut appender = log.appender(Purpose::Client)?;
    let mut end = Report { handled, ..Report::default() };
    let bar = bar(open.len(), how);
    let pause = how.rate.map(|rate| Duration::from_secs(1) / rate);
    let mut next = Instant::now();
    for found in open {
        match make(&found, store.query(), partitions)? {
            Ok(_) if how.dry_run => end.done.push(found),
            Ok(record) => {
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
                next = Instant::now() + pause.unwrap_or_default();
                let published = append_through(log.as_ref(), appender.as_mut(), vec![record]);
                published.map_err(|error| uncertain(error, &found, end.done.len(), verb))?;
                end.done.push(found);
            }
            Err(reason) => end.left.push((found, reason)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    end.tell(how, verb, context)
}

fn uncertain(error: InstallationError, found: &FoundLetter, done: usize, verb: &Verb) -> anyhow::Error {
    let id = &found.letter.letter_id;
    let words = format!("{done} {}; of {id} it is not certain: the same command again goes on there", verb.done);
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

/// What became of the letters.
#[derive(Default)]
struct Report {
    done: Vec<FoundLetter>,
    handled: Vec<FoundLetter>,
    left: Vec<(FoundLetter, String)>,
}

impl Report {
    fn tell(self, how: &How, verb: &Verb, context: &Context) -> Result<Exit> {
        if context.out.is_json() {
            let id = |found: &FoundLetter| found.letter.letter_id.to_string();
            let handled = |found: &FoundLetter| json!({ "id": id(found), "state": found.state().as_str() });
            context.out.json(&json!({
                "dry_run": how.dry_run,
                verb.done: self.done.iter().map(id).collect::<Vec<_>>(),
                "handled_before": self.handled.iter().map(handled).collect::<Vec<_>>(),
                "left": self.left.iter().map(|(f, reason)| json!({ "id": id(f), "reason": reason })).collect::<Vec<_>>(),
            }))?;
        } else {
            let word = if how.dry_run { format!("would be {}", verb.done) } else { verb.done.to_owned() };
            for found in &self.done {
                context.out.line(format!("{} {word}{}", found.letter.letter_id, of(found)))?;
            }
            if self.done.is_empty() && self.left.is_empty() && self.handled.is_empty() {
                context.out.line(format!("no open dead letters to {}", verb.now))?;
            }
        }
        for found in self.handled.iter().filter(|found| found.state() != LetterState::Open) {
            say(format!("{} was {} before; it is left alone", found.letter.letter_id, found.state().as_str()));
        }
        for (found, reason) in &self.left {
            say(format!("{} cannot be {}: {}", found.letter.letter_id, verb.done, harmless(reason)));
        }
        Ok(if self.left.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

fn of(found: &FoundLetter) -> String {
    let workflow = found.letter.workflow_id.as_ref();
    workflow.map_or_else(String::new, |id| format!(", of workflow {}", harmless(id.as_str())))
}
