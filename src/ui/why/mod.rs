//! Why a run is where it is, for people and for programs.

mod json;
#[cfg(test)]
mod tests;
mod time;
mod words;

pub use json::{reason_json, why_json};
pub use words::{clause, no_owner};

use super::style::{Paint, harmless};
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::core::why::{Reason, Why, Work};
use std::fmt::Write;

/// Most reasons that are listed; programs get all of them.
const MAX_LISTED: usize = 12;

/// Why a run is where it is, and how old that is.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The run.
    pub run: &'a Run,
    /// Where it lives.
    pub partition: u32,
    /// When it was looked.
    pub now: Timestamp,
    /// The reasons, the most important first.
    pub reasons: &'a [Reason],
    /// What could not be seen, each as a sentence with its cause.
    pub unseen: &'a [String],
}

impl Answer<'_> {
    /// The answer in one sentence.
    pub fn headline(&self) -> String {
        let id = harmless(self.run.workflow_id.as_str());
        match self.first() {
            Some((None, reason)) => {
                let clause = clause(reason, self.partition, self.now);
                // `it completed at …`
                format!("{id} {}", clause.strip_prefix("it ").unwrap_or(&clause))
            }
            Some((Some(stand), reason)) => format!("{id} {stand}: {}", clause(reason, self.partition, self.now)),
            None => format!("{id} is in the state {}, and nothing is seen that it waits for", self.run.status.as_str()),
        }
    }

    /// The reason of the headline, and how the run stands by it; none: what there is says nothing about the present.
    fn first(&self) -> Option<(Option<&'static str>, &Reason)> {
        let first = self.reasons.first()?;
        Some((stand(&first.why)?, first))
    }

    /// The headline, the other reasons as a list, and what could not be seen.
    pub fn text(&self, paint: Paint) -> String {
        let mut text = format!("{}\n", paint.strong(&self.headline()));
        let others = self.reasons.get(usize::from(self.first().is_some())..).unwrap_or_default();
        for reason in others.iter().take(MAX_LISTED) {
            let _ = writeln!(text, "- {}", clause(reason, self.partition, self.now));
        }
        if others.len() > MAX_LISTED {
            let _ = writeln!(text, "- and {} more (`--output json` has all)", others.len() - MAX_LISTED);
        }
        for unseen in self.unseen {
            let _ = writeln!(text, "{}", paint.dim(&format!("not seen: {}", harmless(unseen))));
        }
        text
    }
}

/// How a run stands by a reason: `Some(None)`: the reason says that itself; none: the reason does not tell.
fn stand(why: &Why) -> Option<Option<&'static str>> {
    Some(match why {
        Why::Completed { .. } | Why::RunFailed { .. } | Why::RunCancelled { .. } => None,
        Why::NoOwner(_) | Why::SetAside { .. } | Why::Paused => Some("stands still"),
        Why::Failing { .. } | Why::Undoing { .. } => Some("fails"),
        Why::AwaitingSignal => Some("waits"),
        Why::Work(work) => Some(stand_at_work(work)),
        Why::NodeFailed { .. }
        | Why::Handled { .. }
        | Why::NodeCancelled
        | Why::RunDeadline { .. }
        | Why::ProjectorBehind(_) => return None,
    })
}

fn stand_at_work(work: &Work) -> &'static str {
    match work {
        Work::NoWorker { .. }
        | Work::WorkerGone { .. }
        | Work::Breaker { .. }
        | Work::AwaitingRetry { .. }
        | Work::RetryDue { .. }
        | Work::WorkersBusy { .. }
        | Work::AwaitingInputs { .. } => "waits",
        Work::HandedOut { .. } | Work::Running { .. } | Work::Ready { .. } | Work::OneAtATime { .. } => "goes on",
    }
}

/// The nodes that circuit breakers hold back, as `show` lists them; empty where there are none.
pub fn held_text(held: &[Reason], partition: u32, now: Timestamp, paint: Paint) -> String {
    let line = |reason: &Reason| paint.busy(&format!("waits: {}", clause(reason, partition, now))) + "\n";
    let lines: String = held.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}
