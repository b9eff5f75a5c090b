//! What `effects_through` says, and what was handed over in memory: an effect is done where it stands in its topic, or where
//! a step says what has become of it.

use super::effects::{self, Due, EffectId, Performed};
use super::invariant::{Fault, Invariant};
use super::journal::Told;
use super::stream::Stream;
use crate::core::event::{Event, Recorded};
use crate::journal::record::Step;

/// What a step says of `effects_through`.
#[derive(Clone, Copy)]
pub(super) struct Claimed {
    through: u64,
    by: u64,
}

/// What has to be done, and be said to be done, once.
pub(super) enum Item {
    Effect(EffectId),
    Publication { subject: String, sequence: u64 },
}

impl Told {
    /// `effects_through` names a counting step below this one, and never goes back.
    pub(super) fn claim_through(&mut self, step: &Step) -> Result<(), Fault> {
        let holds = |holds, what: &dyn Fn() -> String| Invariant::EffectsThroughIsTrue.holds(holds, what);
        let Some(through) = step.effects_through else {
            return holds(self.through.is_none(), &|| format!("effects_through is gone after {:?}", self.through));
        };
        let below = through.step < step.number && self.offsets.get(&through.step) == Some(&through.offset);
        let goes_on = below && self.through.is_none_or(|before| through >= before);
        holds(goes_on, &|| format!("effects_through goes from {:?} to {through:?}", self.through))?;
        self.through = Some(through);
        self.claimed = Some(Claimed { through: through.step, by: step.number });
        Ok(())
    }

    /// What a step says to be done is done: every effect and every publication of every step up to there, but those
    /// that failed for good and were recorded as that.
    pub(super) fn effects_through_is_true(&mut self, performed: &Performed, stream: &Stream) -> Result<(), Fault> {
        let Some(Claimed { through: claimed, by }) = self.claimed.take() else { return Ok(()) };
        while let Some((step, item)) = self.not_through.pop_front() {
            if step > claimed {
                self.not_through.push_front((step, item));
                break;
            }
            let done = match &item {
                Item::Effect(id) => {
                    // What was handed over in memory is lost with its process, until that is recorded.
                    let is_recorded = || self.recorded.get(id).is_some_and(|step| *step < by);
                    performed.has(id) || self.has_failed(id) || (performed.was_handed_over(id) && is_recorded())
                }
                Item::Publication { subject, sequence } => {
                    let body = self.stream.get(subject).and_then(|bodies| bodies.get(*sequence as usize - 1));
                    body.is_some_and(|(body, _)| stream.has(subject, *sequence, body))
                }
            };
            if !done {
                let what = match item {
                    Item::Effect(id) => id.to_string(),
                    Item::Publication { subject, sequence } => format!("the publication of {subject}/{sequence}"),
                };
                let what = format!("effects_through {claimed} is over step {step}, whose effect is not done: {what}");
                return Err(Invariant::EffectsThroughIsTrue.broken(what));
            }
        }
        Ok(())
    }

    /// Says of an attempt that it has ended, or begun.
    pub(super) fn record(&mut self, step: &Step, recorded: &Recorded) {
        let (node_id, attempt) = match &recorded.event {
            Event::NodeStarted(event) if event.local => {
                self.begun_in_memory += 1;
                (&event.node_id, event.attempt)
            }
            Event::NodeCompleted(event) => (&event.node_id, event.attempt),
            Event::NodeFailed(event) => (&event.node_id, event.attempt),
            _ => return,
        };
        let id = effects::dispatch(&recorded.run_id, node_id, attempt);
        self.recorded.entry(id).or_insert(step.number);
    }

    /// Where the step of an effect stands.
    pub(super) fn stands_at(&self, id: &EffectId) -> Option<u64> {
        self.offsets.get(&self.due.get(id)?.step).copied()
    }

    /// Whether it is recorded that an effect failed for good.
    pub(super) fn has_failed(&self, id: &EffectId) -> bool {
        let failed = |due: &Due| self.failed.contains(&(due.step, due.kind.to_owned(), due.workflow_id.clone()));
        self.moot_dispatches.contains(id) || self.due.get(id).is_some_and(failed)
    }
}
