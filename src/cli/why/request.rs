//! A workflow without a run: where its request is.

use super::seen;
use crate::cli::dlq::list::facts;
use crate::cli::history::unknown::{self, Known, place};
use crate::cli::submit::quoted;
use crate::cli::{Context, connect};
use crate::core::command::Origin;
use crate::core::id::WorkflowId;
use crate::core::partition::partition_of;
use crate::log::{Log, LogError, Topic};
use crate::store::letter::{FoundLetter, LetterFilter, LetterKind};
use crate::ui::counted;
use crate::ui::run::refusal_words;
use crate::ui::style::{Paint, harmless};
use crate::ui::time::short;
use crate::ui::why::no_owner;
use crate::wire::dead_letter::RefusedInput;
use anyhow::Result;
use serde_json::{Value, json};

/// Where a request is, and what keeps it there.
pub struct Found {
    what: What,
    /// More, each a word and a clause.
    reasons: Vec<(&'static str, String)>,
}

/// The dead letter of a request.
struct Letter {
    found: FoundLetter,
    /// The workflow of the run that it has led to.
    handed_in_as: Option<WorkflowId>,
}

enum What {
    /// It was refused; its dead letter, if the tables have it.
    Refused(Box<RefusedInput>, Option<Box<Letter>>),
    /// It waits to be decided.
    Waits(Origin),
    /// It stands in a partition that is not the one of its key, and waits to be forwarded.
    Misplaced(Origin, u32),
}

/// Looks for the request of a workflow that has no run; none: there is none either.
///
/// # Errors
/// Where the log does not answer.
pub fn look(log: &dyn Log, context: &Context, id: &WorkflowId) -> Result<Option<Found>> {
    let what = match unknown::look(context, id, None)? {
        Known::Refused(refused) => {
            let letter = letter(context, id, &refused);
            What::Refused(refused, letter.map(Box::new))
        }
        Known::Waiting(origin) => What::Waits(origin),
        Known::Nothing => match misplaced(log, context, id)? {
            Some((origin, home)) => What::Misplaced(origin, home),
            None => return Ok(None),
        },
    };
    let reasons = match &what {
        What::Refused(..) => Vec::new(),
        What::Waits(origin) | What::Misplaced(origin, _) => {
            owner(log, context, origin.partition).into_iter().chain(queue(context, origin)).collect()
        }
    };
    Ok(Some(Found { what, reasons }))
}

/// A request that a foreign partitioner put elsewhere than where its key belongs.
fn misplaced(log: &dyn Log, context: &Context, id: &WorkflowId) -> Result<Option<(Origin, u32)>> {
    let missing = || LogError::UnknownTopic(Topic::Requests.to_string());
    let partitions = log.partitions(&Topic::Requests)?.ok_or_else(missing)?;
    let home = partition_of(id.as_str().as_bytes(), partitions);
    for partition in (0..partitions).filter(|partition| *partition != home) {
        let decided = unknown::decided(context, partition);
        if let Some(origin) = unknown::last_request(log, partition, decided, id)? {
            return Ok(Some((origin, home)));
        }
    }
    Ok(None)
}

fn letter(context: &Context, id: &WorkflowId, refused: &RefusedInput) -> Option<Letter> {
    let store = connect::open_store(context.settings()).ok()?;
    let workflow = Some(id.as_str().to_owned());
    let filter = LetterFilter { workflow, kind: Some(LetterKind::Input), limit: 100, ..LetterFilter::default() };
    let letters = store.query().letters(&filter).ok()?;
    let found = letters.into_iter().find(|found| found.letter.origin.as_ref() == Some(&refused.origin))?;
    let run_id = found.handled.as_ref().and_then(|handled| handled.run_id.as_ref());
    let operations = run_id.and_then(|run_id| store.query().operations(run_id).ok()).unwrap_or_default();
    let handed_in_as = operations.into_iter().next().map(|operation| operation.workflow_id);
    Some(Letter { found, handed_in_as })
}

impl Letter {
    /// What can be done with it, or what was.
    fn words(&self) -> String {
        let id = &self.found.letter.letter_id;
        let Some(handled) = &self.found.handled else {
            return format!("; its dead letter is {id}, repaired and handed in again by `orchestrator dlq edit {id}`");
        };
        let (state, at) = (handled.state.as_str(), short(handled.at));
        let note = handled.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        let run = self.handed_in_as.as_ref().map_or_else(String::new, |workflow| {
            let workflow = workflow.as_str();
            format!(", and runs as workflow {workflow}: `orchestrator why {}`", quoted(workflow))
        });
        format!("; its dead letter {id} was {state} by {} at {at} UTC{note}{run}", handled.by)
    }

    fn json(&self) -> Value {
        let mut handled = facts(&self.found)["handled"].take();
        if handled.is_object() {
            handled["workflow_id"] = self.handed_in_as.as_ref().map(|id| id.as_str()).into();
        }
        json!({ "id": self.found.letter.letter_id.as_str(), "state": self.found.state().as_str(), "handled": handled })
    }
}

fn owner(log: &dyn Log, context: &Context, partition: u32) -> Option<(&'static str, String)> {
    let owner = seen::owner(log, context, partition).ok()?;
    (!owner.is_held).then(|| ("no_owner", no_owner(&owner, partition)))
}

/// How many requests stand before it.
fn queue(context: &Context, origin: &Origin) -> Option<(&'static str, String)> {
    let before = origin.offset.saturating_sub(unknown::decided(context, origin.partition));
    let words = || {
        let requests = counted(usize::try_from(before).unwrap_or(usize::MAX), "request");
        format!(
            "at most {requests} of partition {} stand before it; requests are held back while a partition has as many \
             unfinished runs as ORCHESTRATOR_MAX_UNFINISHED says",
            origin.partition
        )
    };
    (before > 0).then(|| ("requests_before", words()))
}

impl Found {
    fn word(&self) -> &'static str {
        match self.what {
            What::Refused(..) => "request_refused",
            What::Waits(_) => "request_waits",
            What::Misplaced(..) => "request_misplaced",
        }
    }

    fn headline(&self, id: &WorkflowId) -> String {
        let id = id.as_str();
        harmless(&match &self.what {
            What::Refused(refused, letter) => {
                let words = refusal_words(&refused.reason, &refused.message, refused.details.as_ref());
                let letter = letter.as_ref().map_or_else(String::new, |letter| letter.words());
                format!("{id} was refused: {words} ({}){letter}", place(&refused.origin))
            }
            What::Waits(origin) => {
                format!("{id} has not started: its request waits to be decided ({})", place(origin))
            }
            What::Misplaced(origin, home) => format!(
                "{id} has not started: its request waits to be forwarded to partition {home}, where its key belongs ({})",
                place(origin)
            ),
        })
    }

    /// For people.
    pub fn text(&self, id: &WorkflowId, paint: Paint) -> String {
        let reasons = self.reasons.iter().map(|(_, words)| format!("- {words}\n"));
        format!("{}\n{}", paint.strong(&self.headline(id)), reasons.collect::<String>())
    }

    /// For programs.
    pub fn json(&self, id: &WorkflowId) -> Value {
        let known = match &self.what {
            What::Refused(refused, _) => Known::Refused(refused.clone()),
            What::Waits(origin) | What::Misplaced(origin, _) => Known::Waiting(origin.clone()),
        };
        let mut all = unknown::json(&known, id).unwrap_or_else(|| json!({}));
        let first = json!({ "reason": self.word(), "node_id": null, "message": self.headline(id) });
        let others =
            self.reasons.iter().map(|(word, words)| json!({ "reason": word, "node_id": null, "message": words }));
        all["reason"] = self.word().into();
        all["message"] = self.headline(id).into();
        all["reasons"] = std::iter::once(first).chain(others).collect();
        if let What::Refused(refused, letter) = &self.what {
            all["error"] = json!({ "code": refused.reason, "message": refused.message });
            all["dead_letter"] = letter.as_ref().map(|letter| letter.found.letter.letter_id.as_str()).into();
            all["letter"] = letter.as_ref().map(|letter| letter.json()).into();
        }
        all
    }
}
