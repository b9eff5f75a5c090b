//! Circuit breakers: while an agent fails nearly always, its nodes wait instead of burning their attempts.
//!
//! One for each agent and partition. Closed, it counts the attempts of the last while; where too many of them have
//! failed it opens. Open, no attempt is handed out. After a while it is half-open: a few attempts may try, and by the same
//! share of failures among them it opens again or closes. Its state changes by events alone
//! (`BreakerChanged`); what it counts is forgotten with its owner.

use super::event::BreakerChanged;
use super::failure::FailureClass;
use super::id::AgentName;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// When a breaker opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// It opens when at least so many of a hundred attempts have failed; 0: never.
    pub failure_percent: u32,
    /// Among at least so many attempts.
    pub min_calls: u32,
    /// That have ended within so long.
    pub window: Duration,
    /// How long it stays open.
    pub open_for: Duration,
    /// How many attempts may be under way while it is half-open, and by how many it is judged anew.
    pub probes: u32,
}

impl BreakerPolicy {
    /// Whether so many failures of so many calls are too many.
    fn is_bad(&self, calls: u32, failures: u32) -> bool {
        self.failure_percent > 0 && u64::from(failures) * 100 >= u64::from(calls) * u64::from(self.failure_percent)
    }
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failure_percent: 90,
            min_calls: 50,
            window: Duration::from_secs(60),
            open_for: Duration::from_secs(10),
            probes: 5,
        }
    }
}

/// The state of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerStatus {
    /// Attempts are handed out.
    #[default]
    Closed,
    /// None is.
    Open,
    /// A few are.
    HalfOpen,
}

impl BreakerStatus {
    /// The word in events and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What is recorded of a breaker that is not closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerState {
    /// Its state.
    pub status: BreakerStatus,
    /// Since when.
    pub since: Timestamp,
    /// While it is open: until when.
    pub until: Option<Timestamp>,
    /// Where it opened by what it had counted: how many attempts had ended.
    #[serde(default)]
    pub calls: u32,
    /// How many of them had failed.
    #[serde(default)]
    pub failures: u32,
}

impl BreakerState {
    /// The state after a change at a time.
    pub fn after(change: &BreakerChanged, time: Timestamp) -> Self {
        let BreakerChanged { to, until, calls, failures, .. } = *change;
        Self { status: to, since: time, until, calls, failures }
    }
}

/// Keeps the recorded states of breakers: those that are not closed.
pub fn record(states: &mut BTreeMap<AgentName, BreakerState>, change: &BreakerChanged, time: Timestamp) {
    match change.to {
        BreakerStatus::Closed => drop(states.remove(&change.agent_name)),
        BreakerStatus::Open | BreakerStatus::HalfOpen => {
            states.insert(change.agent_name.clone(), BreakerState::after(change, time));
        }
    }
}

/// How an attempt ended, as far as breakers are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// The agent answered, be it with a refusal.
    Answered,
    /// It was not up to it.
    Failed,
}

impl CallOutcome {
    /// A failure that another attempt may mend is the agent's; any other is that of the input.
    pub fn of(class: FailureClass) -> Self {
        if class.may_be_retried() { Self::Failed } else { Self::Answered }
    }
}

/// A breaker with what it counts.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// What is recorded of it.
    pub state: BreakerState,
    /// The attempts of each second that ended within the window, the oldest first.
    seconds: VecDeque<Second>,
    /// Half-open: attempts under way.
    under_way: u32,
    /// Half-open: since when those are under way that block others.
    waiting_since: Timestamp,
    /// Half-open: attempts that have succeeded.
    succeeded: u32,
    /// Half-open: attempts that have failed.
    failed: u32,
    /// A change has been asked for and is not recorded yet.
    changing: bool,
}

#[derive(Clone, Copy, Debug)]
struct Second {
    second: i64,
    calls: u32,
    failures: u32,
}

impl Breaker {
    /// A breaker as it was recorded, while so many attempts of its agent are under way.
    pub fn recovered(state: BreakerState, under_way: u32) -> Self {
        Self { state, under_way, waiting_since: state.since, ..Self::default() }
    }

    /// How many more attempts may be handed out; none: any number.
    pub fn allowance(&self, policy: &BreakerPolicy) -> Option<u32> {
        match self.state.status {
            BreakerStatus::Closed => None,
            BreakerStatus::Open => Some(0),
            BreakerStatus::HalfOpen => Some(policy.probes.saturating_sub(self.under_way)),
        }
    }

    /// Whether it is as a new one would be: closed, and nothing has ended within its window.
    pub fn is_idle(&self, now: Timestamp, policy: &BreakerPolicy) -> bool {
        let is_recent = |last: &Second| last.second > oldest(second_of(now), policy);
        self.state.status == BreakerStatus::Closed && !self.changing && !self.seconds.back().is_some_and(is_recent)
    }

    /// An attempt has been handed out.
    pub fn called(&mut self) {
        self.under_way += u32::from(self.state.status == BreakerStatus::HalfOpen);
    }

    /// An attempt that was handed out at a time has ended. The change that follows, if one does.
    pub fn ended(
        &mut self,
        agent: &AgentName,
        outcome: CallOutcome,
        scheduled_at: Timestamp,
        now: Timestamp,
        policy: &BreakerPolicy,
    ) -> Option<BreakerChanged> {
        match self.state.status {
            BreakerStatus::Closed => self.count(outcome, now, policy),
            // One from before says nothing of how the agent is now.
            BreakerStatus::HalfOpen if scheduled_at >= self.state.since => {
                self.under_way = self.under_way.saturating_sub(1);
                self.succeeded += u32::from(outcome == CallOutcome::Answered);
                self.failed += u32::from(outcome == CallOutcome::Failed);
            }
            BreakerStatus::HalfOpen | BreakerStatus::Open => return None,
        }
        let to = match self.state.status {
            BreakerStatus::Closed if self.is_bad(policy) => BreakerStatus::Open,
            BreakerStatus::HalfOpen if policy.is_bad(policy.probes, self.failed) => BreakerStatus::Open,
            // It will not be bad any more, however the others end.
            BreakerStatus::HalfOpen if !policy.is_bad(policy.probes, policy.probes.saturating_sub(self.succeeded)) => {
                BreakerStatus::Closed
            }
            _ => return None,
        };
        self.change(agent, to, now, policy)
    }

    /// Half-open: attempts that were handed out and are not heard of (their run has ended, nobody works on them) block
    /// others no longer than the breaker stays open. Whether others may try from here on.
    pub fn give_up_waiting(&mut self, now: Timestamp, policy: &BreakerPolicy) -> bool {
        let waits = self.state.status == BreakerStatus::HalfOpen && self.under_way > 0;
        let is_over = waits && self.waiting_since.after(policy.open_for) <= now;
        if is_over {
            (self.under_way, self.waiting_since) = (0, now);
        }
        is_over
    }

    /// Time has passed. The change that follows, if one does.
    pub fn tick(&mut self, agent: &AgentName, now: Timestamp, policy: &BreakerPolicy) -> Option<BreakerChanged> {
        let is_over = self.state.status == BreakerStatus::Open && self.state.until.is_none_or(|until| until <= now);
        if is_over { self.change(agent, BreakerStatus::HalfOpen, now, policy) } else { None }
    }

    /// A change has been recorded.
    pub fn changed(&mut self, change: &BreakerChanged, time: Timestamp) {
        *self = Self::recovered(BreakerState::after(change, time), 0);
    }

    fn change(
        &mut self,
        agent: &AgentName,
        to: BreakerStatus,
        now: Timestamp,
        policy: &BreakerPolicy,
    ) -> Option<BreakerChanged> {
        if std::mem::replace(&mut self.changing, true) {
            return None;
        }
        let (calls, failures) = self.counted();
        Some(BreakerChanged {
            agent_name: agent.clone(),
            from: self.state.status,
            to,
            calls,
            failures,
            until: (to == BreakerStatus::Open).then(|| now.after(policy.open_for)),
        })
    }

    fn count(&mut self, outcome: CallOutcome, now: Timestamp, policy: &BreakerPolicy) {
        let second = second_of(now);
        let failed = u32::from(outcome == CallOutcome::Failed);
        match self.seconds.back_mut().filter(|last| last.second == second) {
            Some(last) => (last.calls, last.failures) = (last.calls + 1, last.failures + failed),
            None => self.seconds.push_back(Second { second, calls: 1, failures: failed }),
        }
        let oldest = oldest(second, policy);
        while self.seconds.front().is_some_and(|first| first.second <= oldest) {
            self.seconds.pop_front();
        }
    }

    fn is_bad(&self, policy: &BreakerPolicy) -> bool {
        let (calls, failures) = self.counted();
        calls >= policy.min_calls && policy.is_bad(calls, failures)
    }

    fn counted(&self) -> (u32, u32) {
        self.seconds.iter().fold((0, 0), |(calls, failures), s| (calls + s.calls, failures + s.failures))
    }
}

fn second_of(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000_000)
}

/// The last second that a window does not reach back to.
fn oldest(second: i64, policy: &BreakerPolicy) -> i64 {
    second - i64::try_from(policy.window.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use BreakerStatus::{Closed, HalfOpen, Open};
    use CallOutcome::{Answered, Failed};

    const POLICY: BreakerPolicy = BreakerPolicy {
        failure_percent: 50,
        min_calls: 4,
        window: Duration::from_secs(10),
        open_for: Duration::from_secs(5),
        probes: 2,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    /// A breaker whose changes are recorded as they come.
    #[derive(Default)]
    struct Tried(Breaker);

    impl Tried {
        fn ended(&mut self, outcome: CallOutcome, scheduled: i64, now: i64) -> BreakerStatus {
            let agent = AgentName::new("shop").unwrap();
            let change = self.0.ended(&agent, outcome, at(scheduled), at(now), &POLICY);
            self.record(change, now)
        }

        fn tick(&mut self, now: i64) -> BreakerStatus {
            let change = self.0.tick(&AgentName::new("shop").unwrap(), at(now), &POLICY);
            self.record(change, now)
        }

        fn record(&mut self, change: Option<BreakerChanged>, now: i64) -> BreakerStatus {
            change.iter().for_each(|change| self.0.changed(change, at(now)));
            self.0.state.status
        }
    }

    #[test]
    fn it_opens_by_the_failure_rate_over_the_window() {
        let mut breaker = Tried::default();
        assert_eq!([0, 1, 2].map(|now| breaker.ended(Failed, 0, now)), [Closed; 3], "too few calls");
        assert_eq!(breaker.ended(Answered, 0, 20), Closed, "the others are out of the window");
        assert_eq!([20, 21].map(|now| breaker.ended(Failed, 0, now)), [Closed; 2]);
        assert_eq!(breaker.ended(Answered, 0, 22), Open, "two of four");
        assert_eq!(breaker.0.allowance(&POLICY), Some(0));
    }

    #[test]
    fn half_open_a_few_may_try_and_their_fate_decides() {
        let mut breaker = Tried::default();
        assert_eq!((0..4).map(|_| breaker.ended(Failed, 0, 1)).last(), Some(Open));
        assert_eq!([breaker.tick(5), breaker.tick(6)], [Open, HalfOpen]);
        assert_eq!(breaker.0.allowance(&POLICY), Some(2));
        breaker.0.called();
        breaker.0.called();
        assert_eq!(breaker.0.allowance(&POLICY), Some(0));
        assert_eq!(breaker.ended(Failed, 1, 7), HalfOpen, "one from before says nothing");
        assert_eq!(breaker.ended(Answered, 6, 7), HalfOpen);
        assert_eq!(breaker.0.allowance(&POLICY), Some(1));
        assert_eq!(breaker.ended(Answered, 6, 8), Closed);
        assert_eq!(breaker.0.allowance(&POLICY), None);
    }

    #[test]
    fn half_open_one_failure_opens_it_again() {
        let mut breaker = Tried::default();
        assert_eq!((0..4).map(|_| breaker.ended(Failed, 0, 1)).last(), Some(Open));
        assert_eq!(
            [breaker.tick(6), breaker.ended(Failed, 6, 7), breaker.tick(11), breaker.tick(12)],
            [HalfOpen, Open, Open, HalfOpen]
        );
    }

    #[test]
    fn a_change_is_asked_for_once() {
        let (mut breaker, agent) = (Breaker::default(), AgentName::new("shop").unwrap());
        let changes = (0..9).filter_map(|_| breaker.ended(&agent, Failed, at(0), at(1), &POLICY));
        assert_eq!(changes.count(), 1);
    }

    #[test]
    fn one_that_has_nothing_to_count_is_as_a_new_one() {
        let mut breaker = Breaker::default();
        assert!(breaker.is_idle(at(100), &POLICY));
        let agent = AgentName::new("x").expect("a name");
        assert_eq!(breaker.ended(&agent, Failed, at(99), at(100), &POLICY), None);
        assert!(!breaker.is_idle(at(109), &POLICY));
        assert!(breaker.is_idle(at(110), &POLICY));
    }

    #[test]
    fn half_open_it_closes_for_an_agent_for_which_it_would_not_have_opened() {
        let policy = BreakerPolicy { failure_percent: 90, probes: 5, ..POLICY };
        let agent = AgentName::new("x").expect("a name");
        let ends = |outcomes: &[CallOutcome]| {
            let state = BreakerState { status: HalfOpen, since: at(0), ..BreakerState::default() };
            let mut breaker = Breaker::recovered(state, 0);
            let ended = |outcome: &CallOutcome| breaker.ended(&agent, *outcome, at(1), at(2), &policy);
            outcomes.iter().filter_map(ended).map(|change| change.to).collect::<Vec<_>>()
        };
        assert_eq!(ends(&[Failed, Failed, Failed, Failed]), []);
        assert_eq!(ends(&[Failed, Failed, Failed, Failed, Failed]), [Open]);
        assert_eq!(ends(&[Failed, Failed, Failed, Answered]), [Closed]);
    }
}
