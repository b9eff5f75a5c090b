//! The log in memory, without faults.

use super::Subject;
use orchestrator::core::time::Timestamp;
use orchestrator::log::Log;
use orchestrator::log::memory::{Clock, MemoryLog, ProcessId};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

pub struct MemorySubject {
    log: MemoryLog,
    processes: Cell<u64>,
}

impl Subject for MemorySubject {
    fn fresh() -> Self {
        Self { log: MemoryLog::new(Clock::at(Timestamp::from_millis(1_700_000_000_000)), 1), processes: Cell::new(0) }
    }

    fn open(&self) -> Arc<dyn Log> {
        self.processes.set(self.processes.get() + 1);
        Arc::new(self.log.process(ProcessId(self.processes.get())))
    }

    fn tick(&self) {
        self.log.advance(Duration::from_millis(10));
    }
}
