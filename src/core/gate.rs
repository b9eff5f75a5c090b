//! Which agents are not to be called now, or not often: what the circuit breakers of a partition tell its decisions.

use super::id::AgentName;
use crate::planted::{Bug, is_planted};
use std::collections::BTreeMap;

/// How many more calls each agent may be given. Agents that it does not name may be called without bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate(BTreeMap<AgentName, u32>);

impl Gate {
    /// Every agent may be called.
    pub const OPEN: Gate = Gate(BTreeMap::new());

    /// Lets an agent be given so many more calls.
    pub fn limit(&mut self, agent: AgentName, calls: u32) {
        self.0.insert(agent, calls);
    }

    /// Lets an agent be called without bound.
    pub fn lift(&mut self, agent: &AgentName) {
        self.0.remove(agent);
    }

    /// Whether an agent may be given another call, after those of the present decision.
    pub fn allows(&self, agent: &AgentName, calls: u32) -> bool {
        self.0.get(agent).is_none_or(|left| calls < *left) || is_planted(Bug::IgnoresBreakers)
    }
}
