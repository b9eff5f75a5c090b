//! What is done with dead letters stands in the history, beside what came of it.

use super::decide::{Decided, place_of};
use super::input::Arrived;
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::step::Planned;
use crate::core::event::{DeadLetterHandled, Event, PartitionEvent};
use crate::core::id::{RunId, WorkflowId};
use crate::core::letter::LetterHandling;
use crate::core::rejection::Rejection;
use crate::journal::record::Cause;
use crate::wire::event::Published;
use crate::wire::{headers, letter_handling};

impl Owning {
    /// A request that may work off dead letters. What becomes of it, the step that decides it says; one that is sent on
    /// is decided elsewhere, one that came too late to take up a run has done nothing, and of one that is read twice it
    /// has been said.
    pub(super) fn decide_request_or_letter(&mut self, arrived: &Arrived, env: &mut Env) -> Result<Decided, Stop> {
        let record = &arrived.record;
        let Some(header) = record.header(headers::LETTER) else { return self.decide_request(arrived, env) };
        let handlings = match letter_handling::decode(header) {
            Ok(handlings) => handlings,
            Err(refusal) => return Ok(Decided::to(self.refuse(record, place_of(record), refusal, env))),
        };
        Ok(match self.decide_request(arrived, env)? {
            Decided::To(planned) => match outcome(&planned) {
                Some((workflow_id, run_id)) => {
                    let handled = handlings.into_iter().map(|handling| {
                        self.letter_handled(Cause::Continuation, handling, workflow_id.clone(), run_id.clone(), env)
                    });
                    Decided::Several(std::iter::once(*planned).chain(handled).collect())
                }
                None => Decided::To(planned),
            },
            other @ (Decided::Several(_) | Decided::NotYet) => other,
        })
    }

    /// Records what was done with a letter.
    pub(super) fn letter_handled(
        &mut self,
        cause: Cause,
        handling: LetterHandling,
        workflow_id: Option<WorkflowId>,
        run_id: Option<RunId>,
        env: &mut Env,
    ) -> Planned {
        let LetterHandling { letter_id, action, by, note } = handling;
        tracing::info!(partition = self.claimant.partition, %letter_id, %action, by, "a dead letter is handled");
        let handled = DeadLetterHandled { letter_id, action, by, note, workflow_id, run_id };
        self.record_partition_event(cause, PartitionEvent::DeadLetterHandled(handled), None, None, env)
    }
}

/// The workflow of a request, as far as it is known, and the run that does what it asks for: the one that it started, or
/// that the same request had started before. None where it was sent on or came too late, and where this very request
/// has been decided: that step says it.
fn outcome(planned: &Planned) -> Option<(Option<WorkflowId>, Option<RunId>)> {
    let (first, _) = planned.events.first()?;
    Some(match first {
        Published::Run(recorded) => {
            let started = matches!(recorded.event, Event::WorkflowStarted(_));
            (Some(recorded.workflow_id.clone()), started.then(|| recorded.run_id.clone()))
        }
        Published::Partition(recorded) => match &recorded.event {
            PartitionEvent::InputForwarded(_) => return None,
            PartitionEvent::InputRejected(rejected)
                if [Rejection::NOT_THE_LAST, Rejection::ALREADY_ACCEPTED].contains(&rejected.reason.as_str()) =>
            {
                return None;
            }
            PartitionEvent::InputRefused(refused) => (refused.workflow_id.clone(), None),
            PartitionEvent::InputRejected(rejected) => (Some(rejected.workflow_id.clone()), rejected.run_id.clone()),
            PartitionEvent::EffectFailed(_)
            | PartitionEvent::InputLost(_)
            | PartitionEvent::Trying(_)
            | PartitionEvent::BreakerChanged(_)
            | PartitionEvent::DeadLetterHandled(_) => (None, None),
        },
    })
}
