//! Agents by name, in the form that the runner keeps them.

use super::agent::{Agent, Call};
use crate::core::failure::ReportedFailure;
use crate::core::id::AgentName;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// The work of one attempt under way.
pub type Work = Pin<Box<dyn Future<Output = Result<Value, ReportedFailure>> + Send>>;

/// An [`Agent`] of any type. Implemented for every agent; nobody has to write one.
pub trait DynAgent: Send + Sync + 'static {
    /// Begins the work of one attempt; it moves as it is polled.
    fn begin(self: Arc<Self>, call: Call) -> Work;
}

impl<A: Agent> DynAgent for A {
    fn begin(self: Arc<Self>, call: Call) -> Work {
        Box::pin(async move { self.run(call).await })
    }
}

/// Agents by name.
#[derive(Clone, Default)]
pub struct Agents(BTreeMap<AgentName, Arc<dyn DynAgent>>);

impl Agents {
    /// No agent.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this agent under this name, in place of one that had it.
    #[must_use]
    pub fn with(mut self, name: AgentName, agent: impl Agent) -> Self {
        self.insert(name, agent);
        self
    }

    /// Puts an agent under a name, in place of one that had it.
    pub fn insert(&mut self, name: AgentName, agent: impl Agent) {
        self.0.insert(name, Arc::new(agent));
    }

    /// Takes over all agents of another registry, in place of those with the same name.
    pub fn extend(&mut self, other: Agents) {
        self.0.extend(other.0);
    }

    /// Leaves only the agents with these names; hands out the names that nobody has.
    pub fn retain(&mut self, names: &[AgentName]) -> Vec<AgentName> {
        self.0.retain(|name, _| names.contains(name));
        names.iter().filter(|name| !self.0.contains_key(*name)).cloned().collect()
    }

    /// The agent with this name.
    pub fn get(&self, name: &AgentName) -> Option<Arc<dyn DynAgent>> {
        self.0.get(name).cloned()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &AgentName> {
        self.0.keys()
    }

    /// Whether there is no agent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// An agent made of a function from a call to a future.
#[derive(Clone, Debug)]
pub struct FnAgent<F>(F);

/// Makes an agent of a function from a call to a future.
pub fn agent_fn<F, Fut>(function: F) -> FnAgent<F>
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, ReportedFailure>> + Send + 'static,
{
    FnAgent(function)
}

impl<F, Fut> Agent for FnAgent<F>
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Value, ReportedFailure>> + Send + 'static,
{
    fn run(&self, call: Call) -> impl Future<Output = Result<Value, ReportedFailure>> + Send {
        (self.0)(call)
    }
}
