//! Every limit that decisions respect, each with its reason.

use super::breaker::BreakerPolicy;
use super::retry::RetryPolicy;
use std::time::Duration;

/// Limits and policies of one engine. Those that shape a run are resolved at its start and recorded in
/// `WorkflowStarted`, so that an old history never needs today's settings to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many agent calls a plan made at run time may ask for (`ORCHESTRATOR_MAX_AGENT_CALLS`).
    pub max_agent_calls: u32,
    /// While fewer than this many nodes are ready or running, they run one at a time in definition order
    /// (`ORCHESTRATOR_PARALLEL_THRESHOLD`).
    pub parallel_threshold: u32,
    /// How long an attempt may take where its node does not say (`ORCHESTRATOR_AGENT_TIMEOUT`).
    pub agent_timeout: Duration,
    /// When a failed attempt is tried again, where neither its node nor its agent says (`ORCHESTRATOR_MAX_RETRIES` and
    /// the others of retries).
    pub retry: RetryPolicy,
    /// When the circuit breaker of an agent opens and closes (`ORCHESTRATOR_BREAKER_…`).
    pub breaker: BreakerPolicy,
    /// Largest input of a node or answer of a run, in bytes of JSON: what is larger fails as `too_large` before
    /// it is recorded, because a step has to fit into one journal record of 8 MB.
    pub max_payload_bytes: usize,
    /// At most this many nodes are scheduled by one decision; the rest stay ready and go on in the next step.
    pub schedule_nodes: usize,
    /// Nodes are scheduled by one decision while it holds fewer bytes of payloads than this (but always one node).
    pub schedule_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_agent_calls: 5,
            parallel_threshold: 2,
            agent_timeout: Duration::from_secs(60),
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            max_payload_bytes: 2 << 20,
            schedule_nodes: 200,
            schedule_bytes: 2 << 20,
        }
    }
}
