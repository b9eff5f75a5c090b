//! Deadlines: none fires while a result that came in time waits to be decided.

use super::journal::Told;
use crate::core::event::{NodeFailed, Recorded};
use crate::core::id::DispatchId;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::log::Topic;
use crate::log::memory::MemoryLog;
use crate::wire::report::{self, ReportOutcome};
use std::time::Duration;

/// A deadline that has fired.
pub(super) struct Timeout {
    dispatch_id: DispatchId,
    deadline: Timestamp,
    /// Up to where results had been decided.
    decided: u64,
}

impl Timeout {
    /// A deadline that fired on a running attempt; a worker may report `timeout` by itself, before it has said that it
    /// began.
    pub(super) fn of(run: &Run, recorded: &Recorded, failed: &NodeFailed, decided: u64) -> Option<Self> {
        let node = run.nodes.get(&failed.node_id)?;
        let deadline = node.timeout_began()?.after(Duration::from_millis(node.timeout_ms));
        let (run_id, node_id) = (recorded.run_id.clone(), failed.node_id.clone());
        Some(Self { dispatch_id: DispatchId { run_id, node_id, attempt: failed.attempt }, deadline, decided })
    }
}

/// No result of an attempt that timed out stood in the log before its deadline.
pub(super) fn check(log: &MemoryLog, told: &Told) -> Result<(), String> {
    for timeout in &told.timeouts {
        for record in log.records_from(&Topic::Results, told.partition, timeout.decided) {
            let decoded = report::decode(record.key.as_deref(), record.value.as_deref(), usize::MAX);
            let Ok(report) = decoded else { continue };
            let ends = matches!(report.outcome, ReportOutcome::Completed(_) | ReportOutcome::Failed(_));
            let ended = ends && report.dispatch_id == timeout.dispatch_id;
            if ended && record.time < timeout.deadline {
                return Err(format!(
                    "{} timed out at {}, and its result stands at offset {} since {}",
                    timeout.dispatch_id, timeout.deadline.0, record.offset, record.time.0
                ));
            }
        }
    }
    Ok(())
}
