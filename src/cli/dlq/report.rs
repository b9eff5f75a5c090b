//! What became of the letters, for people and for programs.

use super::work::{How, Outcome, Verb};
use crate::cli::Context;
use crate::cli::exit::Exit;
use crate::cli::output::say;
use crate::core::id::LetterId;
use crate::store::letter::{FoundLetter, LetterState};
use crate::ui::counted;
use crate::ui::style::harmless;
use crate::ui::time::duration;
use anyhow::Result;
use serde_json::json;

/// What became of the letters.
pub struct Report {
    outcomes: Vec<Outcome>,
    handled: Vec<FoundLetter>,
    left: Vec<(FoundLetter, String)>,
    /// Letters of which the tables do not say yet that they were worked off.
    pub undecided: Vec<LetterId>,
    /// Whether somebody stopped it before it was done.
    pub stopped: bool,
    /// Letters that were asked for, and that it did not come to.
    pub not_reached: Vec<FoundLetter>,
}

impl Report {
    /// Nothing yet; these letters were worked off before.
    pub fn new(handled: Vec<FoundLetter>) -> Self {
        let (outcomes, left, undecided, not_reached) = Default::default();
        Self { outcomes, handled, left, undecided, stopped: false, not_reached }
    }

    /// Letters that were worked off.
    pub fn add(&mut self, mut outcome: Outcome) {
        self.left.append(&mut outcome.left);
        self.outcomes.push(outcome);
    }

    /// Letters for which nothing can be done.
    pub fn leave(&mut self, letters: &[FoundLetter], reason: &str) {
        self.left.extend(letters.iter().map(|found| (found.clone(), reason.to_owned())));
    }

    /// How many letters that were asked for were worked off.
    pub fn done(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.letters.len()).sum()
    }

    /// The letters that were worked off, asked for or not.
    pub fn worked_off(&self) -> Vec<LetterId> {
        let letters = self.outcomes.iter().flat_map(|outcome| outcome.letters.iter().chain(&outcome.with));
        letters.map(|found| found.letter.letter_id.clone()).collect()
    }

    /// Says it.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn tell(self, how: &How, verb: &Verb, context: &Context) -> Result<Exit> {
        if context.out.is_json() {
            context.out.json(&self.json(how.dry_run, verb))?;
        } else {
            self.lines(how.dry_run, verb).into_iter().try_for_each(|line| context.out.line(line))?;
        }
        for found in self.handled.iter().filter(|found| found.state() != LetterState::Open) {
            say(format!("{} was {} before; it is left alone", found.letter.letter_id, found.state().as_str()));
        }
        for (found, reason) in &self.left {
            say(format!("{} cannot be {}: {}", found.letter.letter_id, verb.done, harmless(reason)));
        }
        if self.stopped && !(self.not_reached.is_empty() && self.undecided.is_empty()) {
            say(self.stopped_words(verb));
            return Ok(Exit::Interrupted);
        }
        if !self.undecided.is_empty() {
            let ids: Vec<_> = self.undecided.iter().map(LetterId::as_str).collect();
            let (within, ids) = (duration(how.timeout), ids.join(", "));
            say(format!(
                "published, but within {within} the tables did not say so of {ids}: no engine or projector works, they are \
                 behind, or the engine refused it; `orchestrator why WORKFLOW` and `orchestrator history WORKFLOW` tell"
            ));
            return Ok(Exit::TimedOut);
        }
        Ok(if self.left.is_empty() { Exit::Done } else { Exit::Failed })
    }

    fn stopped_words(&self, verb: &Verb) -> String {
        let (done, left) = (self.done(), self.not_reached.len());
        let next = match left {
            0 => String::new(),
            _ => "; the same command again goes on with them".to_owned(),
        };
        let undecided = match self.undecided.len() {
            0 => String::new(),
            letters => format!(
                "; that the engine has decided it was not awaited for {}: it does all the same, and `orchestrator dlq \
                 list` tells",
                counted(letters, "letter")
            ),
        };
        format!("stopped: {} {}, {left} not reached{next}{undecided}", counted(done, "dead letter"), verb.done)
    }

    fn json(&self, dry_run: bool, verb: &Verb) -> serde_json::Value {
        let id = |found: &FoundLetter| found.letter.letter_id.to_string();
        let workflow = |outcome: &Outcome| {
            let (found, workflow_id) = outcome.letters.first().zip(outcome.workflow_id.as_ref())?;
            Some((id(found), workflow_id.as_str().into()))
        };
        let handled = |found: &FoundLetter| json!({ "id": id(found), "state": found.state().as_str() });
        json!({
            "dry_run": dry_run,
            verb.done: self.outcomes.iter().flat_map(|outcome| &outcome.letters).map(id).collect::<Vec<_>>(),
            "undecided": self.undecided.iter().map(LetterId::as_str).collect::<Vec<_>>(),
            "with_them": self.outcomes.iter().flat_map(|outcome| &outcome.with).map(id).collect::<Vec<_>>(),
            "not_reached": self.not_reached.iter().map(id).collect::<Vec<_>>(),
            "handled_before": self.handled.iter().map(handled).collect::<Vec<_>>(),
            // By letter, where a request did not name its workflow.
            "workflows": self.outcomes.iter().filter_map(workflow).collect::<serde_json::Map<_, _>>(),
            "left": self.left.iter().map(|(f, reason)| json!({ "id": id(f), "reason": reason })).collect::<Vec<_>>(),
        })
    }

    fn lines(&self, dry_run: bool, verb: &Verb) -> Vec<String> {
        let word = |done: &str| if dry_run { format!("would be {done}") } else { done.to_owned() };
        let mut lines = Vec::new();
        for Outcome { letters, with, words, .. } in &self.outcomes {
            let words = words.as_ref().map_or_else(String::new, |words| format!(": {words}"));
            for found in letters {
                lines.push(format!("{} {}{}{words}", found.letter.letter_id, word(verb.done), of(found)));
            }
            for found in with {
                let done = LetterState::Redriven.as_str();
                lines.push(format!("{} {} with it: its node is run again", found.letter.letter_id, word(done)));
            }
        }
        let is_nothing = self.left.is_empty() && self.handled.is_empty() && self.not_reached.is_empty();
        if lines.is_empty() && is_nothing {
            lines.push(format!("no open dead letters to {}", verb.now));
        }
        lines
    }
}

fn of(found: &FoundLetter) -> String {
    let workflow = found.letter.workflow_id.as_ref();
    workflow.map_or_else(String::new, |id| format!(", of workflow {}", harmless(id.as_str())))
}
