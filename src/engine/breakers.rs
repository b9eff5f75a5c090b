//! The circuit breakers of an owned partition: fed by what becomes of attempts, they tell decisions which agents are not
//! to be called. What they hold back waits in the state, and is looked at again when they change.

use super::owner::{Owning, Stop};
use super::partition::Env;
use super::state::PartitionState;
use super::step::StepDraft;
use super::timer::Timer;
use crate::core::breaker::{self, Breaker, BreakerPolicy, BreakerStatus, CallOutcome};
use crate::core::event::{BreakerChanged, Event, PartitionEvent, Recorded};
use crate::core::gate::Gate;
use crate::core::id::AgentName;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::journal::record::Cause;
use std::collections::BTreeMap;

/// The breakers of a partition.
pub(super) struct Breakers {
    policy: BreakerPolicy,
    by_agent: BTreeMap<AgentName, Breaker>,
    gate: Gate,
    /// Changes that have to be recorded.
    changes: Vec<BreakerChanged>,
    /// Attempts that are due, and are held back.
    pub(super) held: Vec<Timer>,
    /// A breaker that is half-open lets more attempts through than before.
    freed: bool,
}

impl Breakers {
    /// The breakers as they were recorded.
    pub(super) fn recovered(state: &PartitionState, policy: BreakerPolicy) -> Self {
        let nodes = || state.runs.values().flat_map(|entry| entry.run.nodes.values());
        let under_way = |agent: &AgentName| {
            let open = nodes().filter(|node| node.status.is_open() && node.agent_name == *agent).count();
            u32::try_from(open).unwrap_or(u32::MAX)
        };
        let recovered = state.breakers.iter();
        let by_agent = recovered.map(|(agent, state)| (agent.clone(), Breaker::recovered(*state, under_way(agent))));
        let by_agent = by_agent.collect();
        let mut breakers =
            Self { policy, by_agent, gate: Gate::default(), changes: Vec::new(), held: Vec::new(), freed: false };
        state.breakers.keys().for_each(|agent| breakers.set_gate(agent));
        breakers
    }

    /// Which agents are not to be called, or not often.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// An event has been applied to a run.
    pub(super) fn observe(&mut self, recorded: &Recorded, run: &Run) {
        // Where none is wanted none is kept, save those that have to be closed again.
        if self.policy.failure_percent == 0 && self.by_agent.is_empty() {
            return;
        }
        match &recorded.event {
            Event::NodeScheduled(event) => {
                if let Some(breaker) = self.by_agent.get_mut(&event.agent_name) {
                    breaker.called();
                    self.set_gate(&event.agent_name);
                }
            }
            Event::NodeCompleted(event) => {
                if let Some(node) = run.nodes.get(&event.node_id) {
                    self.ended(&node.agent_name, CallOutcome::Answered, node.scheduled_at, recorded.time);
                }
            }
            Event::NodeFailed(event) => {
                if let Some(node) = run.nodes.get(&event.node_id).filter(|node| node.ended_an_attempt()) {
                    self.ended(&event.agent_name, CallOutcome::of(event.class), node.scheduled_at, recorded.time);
                }
            }
            _ => {}
        }
    }

    fn ended(&mut self, agent: &AgentName, outcome: CallOutcome, scheduled_at: Timestamp, now: Timestamp) {
        if !self.by_agent.contains_key(agent) {
            self.by_agent.insert(agent.clone(), Breaker::default());
        }
        let Some(breaker) = self.by_agent.get_mut(agent) else { return };
        let before = breaker.allowance(&self.policy);
        self.changes.extend(breaker.ended(agent, outcome, scheduled_at, now, &self.policy));
        self.freed |= breaker.allowance(&self.policy) > before;
        self.set_gate(agent);
    }

    fn set_gate(&mut self, agent: &AgentName) {
        match self.by_agent.get(agent).and_then(|breaker| breaker.allowance(&self.policy)) {
            Some(calls) => self.gate.limit(agent.clone(), calls),
            None => self.gate.lift(agent),
        }
    }

    fn take_changes(&mut self, now: Timestamp) -> Vec<BreakerChanged> {
        let policy = &self.policy;
        self.by_agent.retain(|_, breaker| !breaker.is_idle(now, policy));
        let mut waits_no_longer = Vec::new();
        for (agent, breaker) in &mut self.by_agent {
            if breaker.give_up_waiting(now, policy) {
                waits_no_longer.push(agent.clone());
            }
        }
        self.freed |= !waits_no_longer.is_empty();
        waits_no_longer.iter().for_each(|agent| self.set_gate(agent));
        let policy = &self.policy;
        let ticks = self.by_agent.iter_mut().filter_map(|(agent, breaker)| breaker.tick(agent, now, policy));
        self.changes.extend(ticks);
        std::mem::take(&mut self.changes)
    }

    fn changed(&mut self, change: &BreakerChanged, time: Timestamp) {
        self.by_agent.entry(change.agent_name.clone()).or_default().changed(change, time);
        self.set_gate(&change.agent_name);
    }
}

impl Owning {
    /// Records what has changed of the breakers, and lets go on what they held back.
    pub(super) fn decide_breakers(&mut self, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        let now = self.clock.at(env.now);
        for change in self.breakers.take_changes(now) {
            let (agent, calls, failures) = (&change.agent_name, change.calls, change.failures);
            tracing::warn!(partition = self.claimant.partition, %agent, from = change.from.as_str(),
                to = change.to.as_str(), calls, failures, "a circuit breaker changes");
            let event = PartitionEvent::BreakerChanged(change.clone());
            draft.push(self.record_partition_event(Cause::Timer, event, None, None, env));
            breaker::record(&mut self.state.breakers, &change, now);
            self.breakers.changed(&change, now);
            self.breakers.freed |= change.to != BreakerStatus::Open;
        }
        if std::mem::take(&mut self.breakers.freed) {
            self.let_go_on();
        }
        Ok(())
    }

    /// What was held back is looked at again.
    fn let_go_on(&mut self) {
        self.breakers.held.drain(..).for_each(|timer| self.delays.heap.add(timer));
        for (workflow_id, entry) in &self.state.runs {
            if entry.can_go_on() {
                self.continuing.insert(workflow_id.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::breaker::BreakerState;
    use crate::core::failure::FailureClass;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failure_percent: 50,
        min_calls: 2,
        window: std::time::Duration::from_secs(60),
        open_for: std::time::Duration::from_secs(10),
        probes: 2,
    };

    fn half_open(since: Timestamp) -> (AgentName, Breakers) {
        let agent = AgentName::new("x").expect("a name");
        let state = BreakerState { status: BreakerStatus::HalfOpen, since, ..BreakerState::default() };
        let by_agent = BTreeMap::from([(agent.clone(), Breaker::recovered(state, 2))]);
        let (gate, changes, held) = (Gate::default(), Vec::new(), Vec::new());
        (agent, Breakers { policy: POLICY, by_agent, gate, changes, held, freed: false })
    }

    #[test]
    fn a_late_result_does_not_let_a_half_open_breaker_look_at_all_that_waits() {
        let (since, now) = (Timestamp::from_millis(5_000), Timestamp::from_millis(6_000));
        let (agent, mut breakers) = half_open(since);
        let late = CallOutcome::of(FailureClass::Timeout);
        breakers.ended(&agent, late, Timestamp::from_millis(4_000), now);
        assert!(!breakers.freed, "it was handed out before");
        breakers.ended(&agent, CallOutcome::Answered, Timestamp::from_millis(5_500), now);
        assert!(breakers.freed, "one of the attempts that may try is done");
    }

    #[test]
    fn breakers_that_count_nothing_are_not_kept() {
        let (agent, mut breakers) = half_open(Timestamp(0));
        breakers.by_agent.clear();
        breakers.ended(&agent, CallOutcome::Answered, Timestamp(0), Timestamp(0));
        breakers.take_changes(Timestamp::from_millis(30_000));
        assert_eq!(breakers.by_agent.len(), 1);
        breakers.take_changes(Timestamp::from_millis(61_000));
        assert_eq!(breakers.by_agent.len(), 0);
    }
}
