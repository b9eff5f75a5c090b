//! Acting on steps that count: what was appended has been read back, and its effects are performed.

use super::claim::{CountedStep, read_journal};
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::perform::{Deed, EffectKind, EffectRef, Place, performances, publications};
use super::state::PartitionState;
use super::step::Planned;
use super::tail::{Tail, skip_published};
use crate::core::id::DispatchId;
use crate::core::run::{NodeRun, Run};
use crate::journal::record::{EffectsThrough, JournalRecord};
use crate::journal::rule::Verdict;
use crate::log::Record;
use crate::planted::{Bug, is_planted};
use std::collections::BTreeSet;

/// What a record of the journal says of itself.
enum Found {
    /// A taking, with its term.
    Taking(u64),
    /// A step, with its number.
    Step(u64),
}

impl Found {
    fn of(record: &JournalRecord) -> Self {
        match record {
            JournalRecord::PartitionTaken(taken) => Self::Taking(taken.term),
            JournalRecord::Step(step) => Self::Step(step.number),
        }
    }
}

impl Owning {
    /// A record of the journal came by: one's own step counts, and is acted on; anything else that counts ends this.
    pub(super) fn on_journal(&mut self, record: &Record, env: &mut Env) -> Result<(), Stop> {
        // What one has written oneself is known by its bytes: it need not be decoded.
        let own = self.in_flight.front().filter(|pending| record.value.as_ref() == Some(&pending.bytes));
        let is_own = own.is_some();
        let (verdict, found) = match own {
            Some(own) => (self.state.judge(&own.record), Found::Step(own.number)),
            None => {
                let Some(decoded) = read_journal(record, &mut self.state)? else { return Ok(()) };
                (self.state.judge(&decoded), Found::of(&decoded))
            }
        };
        match (verdict, found) {
            (Verdict::Counts, Found::Taking(_)) if is_planted(Bug::IgnoresATaking) => Ok(()),
            (Verdict::Counts, Found::Taking(term)) => Err(Stop::Superseded(term)),
            (Verdict::Counts, Found::Step(number)) => self.act(number, record, env),
            (_, Found::Step(number)) if is_own && is_planted(Bug::IgnoresATaking) => self.act(number, record, env),
            (Verdict::Gap, Found::Step(number)) => Err(Stop::Gap(number)),
            _ => {
                tracing::debug!(offset = record.offset, ?verdict, "a void record of the journal");
                Ok(())
            }
        }
    }

    fn act(&mut self, number: u64, record: &Record, env: &mut Env) -> Result<(), Stop> {
        // The rule lets no step count that is not the current owner's: it is the oldest of ours.
        let Some(pending) = self.in_flight.pop_front().filter(|pending| pending.number == number) else {
            let fault = format!("step {number} counts, and is not the one that was appended");
            return Err(Stop::Broken { offset: record.offset, fault });
        };
        self.clock.observe(pending.sent, env.now, record.time);
        if env.now.since(pending.sent) > env.settings.interruption {
            self.be_quiet(env);
        }
        for settled in &pending.settles {
            self.tracker.done(*settled);
        }
        let at = EffectsThrough { step: number, offset: record.offset };
        let publications = pending.planned.iter().map(|planned| planned.events.len()).sum();
        self.perform(at, &pending.planned, |_| true, publications, env);
        if publications > 0 {
            self.unpublished.push((at, pending.planned));
        }
        Ok(())
    }

    /// Performs the effects of a counting step, except its publications, of which there will be so many.
    fn perform(
        &mut self,
        at: EffectsThrough,
        planned: &[Planned],
        wanted: impl Fn(&EffectRef) -> bool,
        publications: usize,
        env: &mut Env,
    ) {
        let place = self.place(at.offset, env);
        let performances: Vec<_> =
            planned.iter().flat_map(|p| performances(p, place)).filter(|(effect, _)| wanted(effect)).collect();
        self.tracker.set_off(at, publications + performances.len(), planned.is_empty());
        for (effect, deed) in performances {
            match deed {
                Deed::Attempt(task, traceparent) => self.dispatch(at.step, task, traceparent, env),
                Deed::Record(mut record) => {
                    if is_planted(Bug::AnswersDifferAfterATaking) && effect.kind == EffectKind::Respond {
                        record.value = record.value.map(|v| [&v[..], &vec![b' '; self.term as usize]].concat().into());
                    }
                    env.io.perform(self.claimant, at.step, effect, record);
                }
            }
        }
    }

    /// A planted fault: nobody knows yet whether the step counts.
    pub(super) fn hand_over_too_early(&self, planned: &[Planned], env: &Env) {
        let place = self.place(0, env);
        for (_, deed) in planned.iter().flat_map(|p| performances(p, place)) {
            if let Deed::Attempt(task, traceparent) = deed {
                env.local.begin(task, traceparent);
            }
        }
    }

    /// A planted fault, too.
    pub(super) fn act_too_early(&mut self, planned: &[Planned], env: &mut Env) {
        let place = self.place(0, env);
        for (effect, deed) in planned.iter().flat_map(|p| performances(p, place)) {
            match deed {
                Deed::Attempt(task, traceparent) => self.dispatch(0, task, traceparent, env),
                Deed::Record(record) => env.io.perform(self.claimant, 0, effect, record),
            }
        }
    }

    /// Publishes the events of the steps that have counted, in journal order.
    pub(super) fn publish(&mut self, env: &mut Env) {
        for (at, planned) in std::mem::take(&mut self.unpublished) {
            let place = self.place(at.offset, env);
            for record in planned.iter().flat_map(|p| publications(p, place)) {
                env.io.publish(self.claimant, at.step, record);
            }
        }
    }

    pub(super) fn place<'a>(&self, offset: u64, env: &Env<'a>) -> Place<'a> {
        let (partition, partitions) = (self.claimant.partition, env.settings.partitions);
        Place { namespace: &env.settings.namespace, partition, partitions, offset }
    }

    /// After a takeover: every response, dead letter, forward and publication again, and the dispatches of attempts
    /// that are still open. Duplicates with the same ids, never losses.
    pub(super) fn perform_again(&mut self, step: CountedStep, tail: &Tail, env: &mut Env) -> Result<(), Stop> {
        let planned = step.planned()?;
        let open = open_dispatches(&self.state, &planned);
        let wanted = |effect: &EffectRef| match (&effect.kind, &effect.dispatch_id) {
            (EffectKind::Dispatch, Some(id)) => open.contains(id) && !is_planted(Bug::HandsOutNothingAgain),
            _ => true,
        };
        let at = EffectsThrough { step: step.number, offset: step.offset };
        let place = self.place(at.offset, env);
        let mut records: Vec<_> = planned.iter().flat_map(|p| publications(p, place)).collect();
        skip_published(&mut records, tail, at.offset);
        self.perform(at, &planned, wanted, records.len(), env);
        for record in records {
            env.io.publish(self.claimant, at.step, record);
        }
        Ok(())
    }
}

/// The node of an attempt, while that is under way.
pub(super) fn is_awaited<'a>(run: &'a Run, dispatch_id: &DispatchId) -> Option<&'a NodeRun> {
    let node = run.nodes.get(&dispatch_id.node_id).filter(|_| run.run_id == dispatch_id.run_id)?;
    (node.status.is_open() && node.attempt == dispatch_id.attempt).then_some(node)
}

/// The dispatches of these transitions whose attempts are still under way.
fn open_dispatches(state: &PartitionState, planned: &[Planned]) -> BTreeSet<DispatchId> {
    let mut open = BTreeSet::new();
    for transition in planned {
        for (published, _) in &transition.events {
            let crate::wire::event::Published::Run(recorded) = published else { continue };
            let crate::core::event::Event::NodeScheduled(event) = &recorded.event else { continue };
            let Some(entry) = state.runs.get(&recorded.workflow_id) else { continue };
            let (run_id, node_id, attempt) = (recorded.run_id.clone(), event.node_id.clone(), event.attempt);
            let dispatch_id = DispatchId { run_id, node_id, attempt };
            // One that has begun in memory is handed out again with all of these.
            if is_awaited(&entry.run, &dispatch_id).is_some_and(|node| !node.is_running_locally()) {
                open.insert(dispatch_id);
            }
        }
    }
    open
}
