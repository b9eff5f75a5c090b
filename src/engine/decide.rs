//! One step: what is there is decided, until the step is full. What finishes work comes before what begins it.

use super::input::{Arrived, INPUT_TOPICS, position_after};
use super::owner::{FailedEffect, Owning, Stop};
use super::partition::Env;
use super::perform::EffectKind;
use super::step::{Planned, StepDraft};
use super::timer::Timer;
use crate::core::command::{Command, NodeFault, Origin};
use crate::core::decide::Given;
use crate::core::event::{EffectFailed, InputLost, PartitionEvent, Trying};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::{RunId, WorkflowId};
use crate::core::partition::partition_of;
use crate::core::rejection::{Refusal, RefusalReason, Rejection};
use crate::journal::record::{Cause, InputPosition};
use crate::log::{Record, Topic};
use crate::planted::{Bug, is_planted};
use crate::shutdown::anew::panic_message;
use crate::wire::{headers, request};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What became of an input record.
pub(super) enum Decided {
    /// It led to this.
    To(Box<Planned>),
    /// It led to the first, and that to the others, in one step.
    Several(Vec<Planned>),
    /// It has to wait for something that is being read.
    NotYet,
}

impl Decided {
    pub(super) fn to(planned: Planned) -> Self {
        Self::To(Box::new(planned))
    }

    /// Adds it to a step; `false`: it has to wait.
    pub(super) fn join(self, draft: &mut StepDraft) -> bool {
        match self {
            Decided::To(planned) => draft.push(*planned),
            Decided::Several(planned) => planned.into_iter().for_each(|planned| draft.push(planned)),
            Decided::NotYet => return false,
        }
        true
    }
}

/// So many deadlines and retries that are due a step takes before anything else: no backlog keeps them waiting for ever.
const DUE_FIRST: usize = 10;
/// So often an input is tried at which the process may have ended. A process that is killed for another reason has to be
/// hit so many times in a row in the moment between the record that says so and the next one, before an input is buried
/// that is not to blame.
const TRIES: u32 = 4;

impl Owning {
    /// Decides what is there, into one step.
    pub(super) fn decide_step(&mut self, env: &mut Env) -> Result<StepDraft, Stop> {
        let mut draft = StepDraft::default();
        self.decide_losses(&mut draft, env)?;
        if self.careful && !self.inputs.is_empty() {
            // What is tried stands alone in its step.
            if !draft.is_empty() {
                return Ok(draft);
            }
            self.decide_with_care(&mut draft, env)?;
            return Ok(draft);
        }
        self.decide_breakers(&mut draft, env)?;
        self.decide_failed_effects(&mut draft, env)?;
        self.decide_deadlines(DUE_FIRST, &mut draft, env)?;
        self.decide_retries(DUE_FIRST, &mut draft, env)?;
        self.decide_local(&mut draft, env)?;
        for topic in INPUT_TOPICS {
            if topic == Topic::Requests {
                self.decide_continuations(&mut draft, env)?;
                self.decide_deadlines(usize::MAX, &mut draft, env)?;
                let is_behind = self.tracker.under_way() >= env.settings.max_effects_before_retries;
                self.decide_retries(if is_behind { 0 } else { usize::MAX }, &mut draft, env)?;
            }
            self.decide_topic(&topic, &mut draft, env)?;
        }
        Ok(draft)
    }

    pub(super) fn has_room(&self, draft: &StepDraft, env: &Env) -> bool {
        !draft.is_full(env.settings.step_bytes, env.settings.step_nodes)
    }

    /// Room for what a time has come for: half a step. However much is due at once, a fresh request is decided in the next
    /// step.
    pub(super) fn has_room_for_due(&self, draft: &StepDraft, env: &Env) -> bool {
        !draft.is_full(env.settings.step_bytes / 2, env.settings.step_nodes / 2)
    }

    fn decide_topic(&mut self, topic: &Topic, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        while self.has_room(draft, env) && !(self.full && *topic == Topic::Requests) {
            if !self.decide_next(topic, draft, env)? {
                break;
            }
        }
        Ok(())
    }

    /// Decides the next record of a topic; whether there was one that could be decided.
    fn decide_next(&mut self, topic: &Topic, draft: &mut StepDraft, env: &mut Env) -> Result<bool, Stop> {
        let Some(arrived) = self.inputs.peek(topic).cloned() else { return Ok(false) };
        // A decision on a large record has a step of its own.
        if draft.would_overflow(arrived.size(), env.settings.step_bytes) {
            return Ok(false);
        }
        let is_decided = self.decide_guarded(&arrived, env)?.join(draft);
        if is_decided {
            self.consume(&arrived.record);
        }
        Ok(is_decided)
    }

    /// A panic buries its input in the dead letters: what decides does not change the state. One after the state has
    /// been changed leaves it in doubt: the memory is dropped.
    pub(super) fn decide_guarded(&mut self, arrived: &Arrived, env: &mut Env) -> Result<Decided, Stop> {
        let before = self.changes;
        let decided = catch_unwind(AssertUnwindSafe(|| self.decide_record(arrived, env)));
        decided.unwrap_or_else(|panic| {
            let what = panic_message(&*panic);
            if self.changes != before {
                return Err(self.broken(format!("applying events failed: {what}")));
            }
            self.deciding = None;
            tracing::error!(partition = self.claimant.partition, topic = %arrived.record.topic,
                offset = arrived.record.offset, what, "deciding an input failed; it is buried in the dead letters");
            let refusal = Refusal::new(RefusalReason::EngineFault, format!("deciding it failed: {what}"));
            self.bury(&arrived.record, refusal, env)
        })
    }

    /// An input that cannot be decided goes to the dead letters. Where it is a result, its attempt has failed: nothing
    /// else will come.
    fn bury(&mut self, record: &Record, refusal: Refusal, env: &mut Env) -> Result<Decided, Stop> {
        if matches!(record.topic, Topic::Results | Topic::Local) {
            let before = self.changes;
            let buried = catch_unwind(AssertUnwindSafe(|| self.refuse_report(record, refusal.clone(), env)));
            match buried {
                Ok(decided) => return decided,
                Err(panic) if self.changes != before => return Err(self.broken(panic_message(&*panic))),
                Err(_) => self.deciding = None,
            }
        }
        // Its value is not looked at again. Whoever waits for it knows where it stood first.
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let workflow_id = key.and_then(|key| WorkflowId::new(key).ok());
        let origin = workflow_id.as_ref().map(|id| origin_of(record, id, env.settings.partitions));
        let refusal = Refusal { workflow_id, ..refusal };
        Ok(Decided::to(self.refuse(record, origin.unwrap_or_else(|| place_of(record)), refusal, env)))
    }

    fn decide_record(&mut self, arrived: &Arrived, env: &mut Env) -> Result<Decided, Stop> {
        match arrived.record.topic {
            Topic::Requests => self.decide_request_or_letter(arrived, env),
            Topic::Results | Topic::Local => self.decide_report(&arrived.record, env),
            // The third of the input topics.
            _ => self.decide_signal(&arrived.record, env),
        }
    }

    /// After a crash that may have been caused by the first input: it is decided alone, after a record that says so
    /// has been read back. Where the process has ended after [`TRIES`] such records in a row, the input is buried.
    fn decide_with_care(&mut self, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        if !self.in_flight.is_empty() {
            return Ok(());
        }
        if let Some((topic, origin)) = self.trying.take() {
            let is_there = self.inputs.peek(&topic).is_some_and(|head| place_of(&head.record) == origin);
            // One that could not be decided is still the next, and alone.
            self.careful = is_there && !self.decide_next(&topic, draft, env)?;
            self.trying = self.careful.then_some((topic, origin));
            return Ok(());
        }
        let Some(arrived) = INPUT_TOPICS.iter().find_map(|topic| self.inputs.peek(topic)).cloned() else {
            return Ok(());
        };
        // Only what can be decided at once is tried: who ends while it waits has not ended by it.
        if arrived.record.topic == Topic::Requests && !env.definitions.up_to_date(arrived.at, env.now, env.io) {
            return Ok(());
        }
        let origin = place_of(&arrived.record);
        let tried = self.state.trying.as_ref().filter(|last| last.origin == origin).map_or(0, |last| last.times);
        if tried >= TRIES {
            self.careful = false;
            let message = format!("deciding it was tried {TRIES} times, and the process ended each time");
            let refusal = Refusal::new(RefusalReason::EngineFault, message);
            self.bury(&arrived.record, refusal, env)?.join(draft);
            self.consume(&arrived.record);
        } else {
            self.trying = Some((arrived.record.topic.clone(), origin.clone()));
            let event = PartitionEvent::Trying(Trying { origin: origin.clone(), times: tried + 1 });
            draft.push(self.record_partition_event(Cause::Input(origin), event, None, None, env));
        }
        Ok(())
    }

    /// A record has been decided.
    fn consume(&mut self, record: &Record) {
        self.inputs.pop(&record.topic);
        let position = position_after(record);
        self.state.inputs.insert(position.topic.clone(), position);
    }

    fn decide_losses(&mut self, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        while let Some(loss) = self.inputs.take_loss() {
            let topic = loss.topic.to_string();
            let position = InputPosition { topic: topic.clone(), next: loss.resumed_at, below: None };
            self.state.inputs.insert(topic.clone(), position);
            let event = PartitionEvent::InputLost(InputLost {
                topic,
                expected: loss.expected,
                resumed_at: loss.resumed_at,
                message: loss.message,
            });
            draft.push(self.record_partition_event(Cause::Continuation, event, None, None, env));
        }
        Ok(())
    }

    fn decide_failed_effects(&mut self, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        while self.has_room(draft, env) {
            let Some(failed) = self.failed_effects.pop_front() else { break };
            // Its run cannot be decided here: it is neither forgotten nor done.
            if self.is_of_a_run_aside(&failed.effect) {
                self.aside.failed_effects.push(failed);
                continue;
            }
            if matches!(failed.effect.kind, EffectKind::Dispatch | EffectKind::Delay) {
                draft.settles.push(failed.step);
            }
            let planned = self.decide_failed_effect(failed, env)?;
            draft.push(planned);
        }
        Ok(())
    }

    fn decide_failed_effect(&mut self, failed: FailedEffect, env: &mut Env) -> Result<Planned, Stop> {
        let FailedEffect { step, effect, topic, message } = failed;
        if let (Some(workflow_id), Some(dispatch)) = (&effect.workflow_id, &effect.dispatch_id)
            && effect.kind == EffectKind::Dispatch
        {
            let failure = Failure::new(
                FailureClass::NonRetryable,
                "dispatch_failed",
                format!("the attempt could not be handed to its agent through {topic}: {message}"),
            );
            let failure = NodeFault::Engine(failure);
            let command = Command::FailNode {
                node_id: dispatch.node_id.clone(),
                attempt: dispatch.attempt,
                failure,
                usage: None,
            };
            if let Ok(planned) =
                self.command(workflow_id, Some(&dispatch.run_id), &command, Cause::EffectFailed, env)?
            {
                return Ok(planned);
            }
        }
        let event = PartitionEvent::EffectFailed(EffectFailed {
            effect: effect.kind.as_str().to_owned(),
            step,
            topic,
            message,
            workflow_id: effect.workflow_id,
        });
        Ok(self.record_partition_event(Cause::EffectFailed, event, None, None, env))
    }

    fn decide_continuations(&mut self, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        while self.has_room(draft, env) {
            let Some(workflow_id) = self.continuing.pop_first() else { break };
            // One that has nothing ready any more has ended, or has failed and waits for what is under way.
            if let Ok(planned) = self.command(&workflow_id, None, &Command::ScheduleNodes, Cause::Continuation, env)? {
                draft.push(planned);
            }
        }
        Ok(())
    }

    /// A deadline fires only when `results` has been decided up to an end that was asked for after it, and not soon
    /// after an interruption of reading.
    fn decide_deadlines(&mut self, at_most: usize, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        let now = self.clock.at(env.now);
        // Most attempts end long before their deadline: nothing is asked for them.
        self.deadlines.drop_ended(now, |deadline| self.state.awaits(deadline));
        let Some(next) = self.deadlines.next().filter(|next| *next <= now) else { return Ok(()) };
        if env.now < self.quiet_until && !is_planted(Bug::DeadlineOvertakesResults) {
            return Ok(());
        }
        if self.results_end.is_none_or(|(asked, _)| asked < next) {
            match env.io.ends(&Topic::Results, self.claimant.partition) {
                // The answer may have taken long, which the next tick notices.
                Ok(ends) => {
                    self.results_end = Some((now, ends.high));
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(partition = self.claimant.partition, %error, "a deadline waits: it is not known whether its result has come");
                    self.be_quiet(env);
                    return Ok(());
                }
            }
        }
        let Some((asked, high)) = self.results_end else { return Ok(()) };
        if self.inputs.decided_to(&Topic::Results) < high && !is_planted(Bug::DeadlineOvertakesResults) {
            return Ok(());
        }
        for _ in 0..at_most {
            let room = self.has_room_for_due(draft, env);
            let Some(due) = room.then(|| self.deadlines.pop(asked)).flatten() else { break };
            self.decide_timer(due, draft, env)?;
        }
        Ok(())
    }

    /// A time has come. Whether it still means something is for the decision to say.
    pub(super) fn decide_timer(&mut self, due: Timer, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        match self.command(&due.workflow_id, Some(&due.run_id), &due.command(), Cause::Timer, env)? {
            Ok(planned) => draft.push(planned),
            Err(Rejection::Held { .. }) => self.breakers.held.push(due),
            Err(_) => {}
        }
        Ok(())
    }

    /// Decides a command on a run, records the events and applies them. Where that fails, it is known of which run.
    pub(super) fn command(
        &mut self,
        workflow_id: &WorkflowId,
        run_id: Option<&RunId>,
        command: &Command,
        cause: Cause,
        env: &mut Env,
    ) -> Result<Result<Planned, Rejection>, Stop> {
        let now = self.clock.at(env.now);
        let Some(entry) = self.state.runs.get(workflow_id) else {
            let ended = self.state.window.find(workflow_id, now);
            return Ok(Err(match ended {
                Some(ended) if run_id.is_none_or(|run| *run == ended.run_id) => {
                    Rejection::RunEnded(ended.run_id.clone())
                }
                _ => Rejection::UnknownWorkflow(workflow_id.clone()),
            }));
        };
        if let Some(found) = run_id.filter(|run| **run != entry.run.run_id) {
            return Ok(Err(Rejection::OtherRun { found: found.clone(), expected: entry.run.run_id.clone() }));
        }
        let Some(frontier) = &entry.frontier else {
            return Ok(Err(Rejection::SetAside(entry.run.run_id.clone())));
        };
        self.deciding = Some(workflow_id.clone());
        let given = Given { limits: &env.settings.limits, gate: self.breakers.gate(), now };
        let decided = match crate::core::decide::decide(&entry.run, frontier, command, &given) {
            Ok(events) => {
                let (run_id, traceparent) = (entry.run.run_id.clone(), entry.run.traceparent.clone());
                Ok(self.record(workflow_id, &run_id, traceparent, events, cause, None, now)?)
            }
            Err(rejection) => Err(rejection),
        };
        self.deciding = None;
        Ok(decided)
    }

    pub(super) fn broken(&self, fault: String) -> Stop {
        Stop::Broken { offset: self.tracker.through().map_or(0, |through| through.offset), fault }
    }
}

/// Where a record that names its workflow stood first: one that was forwarded carries its first origin in a header.
///
/// Whoever may write the topic may write the header, and a refusal goes to whoever stands at the origin. So it is
/// believed only where forwarding can have written it: from another partition of the same topic, to that of the
/// workflow. A record that cannot be read, or names no workflow, is never forwarded: it has its place alone.
pub(super) fn origin_of(record: &Record, workflow_id: &WorkflowId, partitions: u32) -> Origin {
    let home = partition_of(workflow_id.as_str().as_bytes(), partitions);
    let is_possible = |origin: &Origin| {
        let elsewhere = origin.partition != record.partition && origin.partition < partitions;
        elsewhere && home == record.partition && origin.topic == record.topic.to_string()
    };
    let claimed = record.header(headers::ORIGIN).and_then(request::read_origin);
    claimed.filter(is_possible).unwrap_or_else(|| place_of(record))
}

/// Where a record stands. Unlike its origin, nobody can make that up.
pub(super) fn place_of(record: &Record) -> Origin {
    Origin { topic: record.topic.to_string(), partition: record.partition, offset: record.offset, time: record.time }
}

/// The W3C trace context of a record, if it is text.
pub(super) fn traceparent(record: &Record) -> Option<String> {
    let header = record.header(headers::TRACEPARENT)?;
    // Version, trace id, span id and flags have 55 characters; what is much longer is none.
    std::str::from_utf8(header).ok().filter(|text| text.len() <= 128).map(str::to_owned)
}
