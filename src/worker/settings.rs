//! The settings of a runner, each with its reason.

use super::attempts::MemoryLimits;
use crate::core::id::AgentName;
use std::time::Duration;

/// How many attempts of one agent run at once in a process. Most wait for a model, a shop or a database; 64 are
/// carried by any machine (with inputs and outputs of 1 MB some 200 MB), also where each is a program of its own.
/// Counted per agent, so that a slow agent does not hold up its neighbours. Attempts that end at once do not count.
pub const CONCURRENCY: usize = 64;
/// Largest report of an attempt, in bytes: what the engine takes as a result. The output has what the ids and names
/// around it leave, which take some 150 bytes, and 900 at most.
pub const MAX_REPORT_BYTES: usize = 1 << 20;
/// How long a report is tried again that the log refuses while it takes others (too large for the topic, say); then a
/// failure is reported in its place. Long enough for an operator who is just at it, and no node waits for ever. While
/// the log refuses all of them, none is given up.
pub const REFUSED_FOR: Duration = Duration::from_secs(300);
/// How long attempts may go on after `stop`: the time that supervisors commonly give before they kill.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often progress is committed. A commit costs a request; what lies behind it is recognised and sent again from
/// memory, or by another process run again.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(200);
/// An attempt that runs longer is reported as `started`. Shorter ones are not worth a record; it is small beside any
/// timeout, which counts from that report.
pub const STARTED_AFTER: Duration = Duration::from_millis(20);
/// Finished reports that the log has not confirmed yet: beyond it no new attempts are taken, so that a log that is
/// away cannot fill the memory. At 100,000 reports/s and 10 ms to an acknowledgement 1,000 are under way.
pub const MAX_UNCONFIRMED_REPORTS: usize = 10_000;
/// The same in bytes.
pub const MAX_UNCONFIRMED_BYTES: usize = 64 << 20;
/// How many partitions a `ready` topic gets that is not there yet: as many as the other topics have by default.
pub const READY_PARTITIONS: u32 = 4;

/// The settings of a runner.
#[derive(Clone, Debug)]
pub struct RunnerSettings {
    /// What the names of all topics begin with; tells this installation's from those of others.
    pub namespace: String,
    /// See [`CONCURRENCY`].
    pub concurrency: usize,
    /// See [`MAX_REPORT_BYTES`]; below the `max.message.bytes` of the results topic.
    pub max_report_bytes: usize,
    /// See [`REFUSED_FOR`].
    pub refused_for: Duration,
    /// See [`STOP_TIMEOUT`].
    pub stop_timeout: Duration,
    /// See [`COMMIT_INTERVAL`].
    pub commit_interval: Duration,
    /// See [`STARTED_AFTER`].
    pub started_after: Duration,
    /// See [`MAX_UNCONFIRMED_REPORTS`].
    pub max_unconfirmed_reports: usize,
    /// See [`MAX_UNCONFIRMED_BYTES`].
    pub max_unconfirmed_bytes: usize,
    /// How much is remembered of attempts that have ended.
    pub memory: MemoryLimits,
    /// See [`READY_PARTITIONS`].
    pub ready_partitions: u32,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        Self {
            namespace: "orchestrator".to_owned(),
            concurrency: CONCURRENCY,
            max_report_bytes: MAX_REPORT_BYTES,
            refused_for: REFUSED_FOR,
            stop_timeout: STOP_TIMEOUT,
            commit_interval: COMMIT_INTERVAL,
            started_after: STARTED_AFTER,
            max_unconfirmed_reports: MAX_UNCONFIRMED_REPORTS,
            max_unconfirmed_bytes: MAX_UNCONFIRMED_BYTES,
            memory: MemoryLimits::default(),
            ready_partitions: READY_PARTITIONS,
        }
    }
}

impl RunnerSettings {
    /// The group that an agent's workers share, `<namespace>-workers-<agent>`. A worker without our code joins the same
    /// one.
    pub fn group(&self, agent: &AgentName) -> String {
        format!("{}-workers-{agent}", self.namespace)
    }

    /// The full name of the topic that reports go to.
    pub fn results_topic(&self) -> String {
        format!("{}.results", self.namespace)
    }
}
