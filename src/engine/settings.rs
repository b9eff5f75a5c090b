//! The limits of an engine, each with its reason.

use crate::core::limits::Limits;
use std::time::Duration;

/// How an engine behaves.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The installation: the prefix of every topic's name.
    pub namespace: String,
    /// How many partitions the installation has.
    pub partitions: u32,
    /// The consumer group that says who should try which partition.
    pub group: String,
    /// This host, for people.
    pub host: String,
    /// Limits of decisions.
    pub limits: Limits,
    /// Largest request or report that is accepted, in bytes.
    pub max_record_bytes: usize,
    /// `requests` of a partition is held back while it has this many unfinished runs: they are kept in memory.
    pub max_unfinished: usize,
    /// `requests` of a partition is held back while the events of its unfinished runs have this many bytes.
    pub max_unfinished_bytes: usize,
    /// `requests` of a partition is held back while this many of its effects are under way.
    pub max_effects_under_way: usize,
    /// All but a few of the retries that are due wait while this many effects of the partition are under way: what is
    /// fresh is handed out behind them.
    pub max_effects_before_retries: usize,
    /// How many steps memory may run ahead of the journal. More hides the journal's latency, and makes each step
    /// smaller: a few are enough to keep the pipe full.
    pub max_steps_ahead: usize,
    /// A step closes when it holds this many bytes of events. A journal record may have 8 MB, and one more decision has to
    /// fit: that on a large input has a step of its own, any other has at most twice `Limits::max_payload_bytes`.
    pub step_bytes: usize,
    /// A step closes when it schedules this many nodes, so that the first of them are not held up by the last.
    pub step_nodes: usize,
    /// How many inputs of a topic wait in memory before reading it is paused.
    pub max_inbox: usize,
    /// How many bytes of inputs of a topic wait in memory before reading it is paused: `max_inbox` records of a
    /// megabyte each would be gigabytes.
    pub max_inbox_bytes: usize,
    /// How long a request is recognised as a duplicate after its run has ended.
    pub duplicate_window: Duration,
    /// How many ended runs a partition remembers at most, for that.
    pub duplicate_limit: usize,
    /// A step that is not read back within this time makes the owner drop the partition's memory and recover.
    pub journal_timeout: Duration,
    /// After an interruption of reading no deadline fires for this long: results may be on their way.
    pub deadline_grace: Duration,
    /// Reading that stood still for longer than this was interrupted.
    pub interruption: Duration,
    /// How long a partition must be idle before its owner records that all effects are done.
    pub mark_after: Duration,
    /// How long recovery asks a store that does not answer before it begins at the journal's start instead.
    pub store_timeout: Duration,
    /// How long recovery waits for a snapshot that is being loaded, or that others are loaded before.
    pub snapshot_timeout: Duration,
    /// After a lost race for a partition: the first pause; it doubles up to `max_retry_pause`.
    pub min_retry_pause: Duration,
    /// The longest pause after a lost race.
    pub max_retry_pause: Duration,
    /// The longest pause after a fault of the engine's own code (a panic, a broken invariant): most such faults come
    /// back, and every taking reads the journal. A partition that was owned for longer has recovered.
    pub max_fault_pause: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            namespace: "orchestrator".to_owned(),
            partitions: 4,
            group: "orchestrator-engine".to_owned(),
            host: "localhost".to_owned(),
            limits: Limits::default(),
            max_record_bytes: 1 << 20,
            max_unfinished: 100_000,
            max_unfinished_bytes: 256 << 20,
            max_effects_under_way: 20_000,
            max_effects_before_retries: 500,
            max_steps_ahead: 2,
            step_bytes: 2 << 20,
            step_nodes: 200,
            max_inbox: 4_096,
            max_inbox_bytes: 32 << 20,
            duplicate_window: Duration::from_secs(24 * 3_600),
            duplicate_limit: 1_000_000,
            journal_timeout: Duration::from_secs(10),
            deadline_grace: Duration::from_secs(10),
            interruption: Duration::from_secs(1),
            mark_after: Duration::from_millis(200),
            store_timeout: Duration::from_secs(10),
            snapshot_timeout: Duration::from_secs(30),
            min_retry_pause: Duration::from_millis(500),
            max_retry_pause: Duration::from_secs(8),
            max_fault_pause: Duration::from_secs(60),
        }
    }
}
