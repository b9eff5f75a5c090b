//! Engines and projectors as processes: made, polled, killed.

use super::doomed::DoomedStore;
use super::hand_over::Watched;
use super::judge::{Clocks, Fault, Invariant};
use super::trouble::Trouble;
use super::world::{WORKERS, World};
use crate::core::breaker::BreakerPolicy;
use crate::core::limits::Limits;
use crate::core::time::Timestamp;
use crate::engine::{Engine, EngineParts, EngineSettings};
use crate::local::{LocalAgents, NoLocalAgents};
use crate::log::Log;
use crate::log::memory::{Doom, MemoryProcess, ProcessId};
use crate::projector::{Projector, ProjectorError};
use crate::store::Store;
use crate::worker::LocalDesk;
use rand::RngExt;
use std::sync::Arc;
use std::time::Duration;

/// A breaker that opens within a simulation.
const TOUCHY: BreakerPolicy = BreakerPolicy {
    failure_percent: 40,
    min_calls: 4,
    window: Duration::from_secs(10),
    open_for: Duration::from_secs(2),
    probes: 2,
};

/// How wrong a wrong clock is, in minutes.
const WRONG_MINUTES: std::ops::Range<i64> = 10..60;

/// So often a stopped projector is asked to go on before the operator sees to it.
const OPERATOR_COMES_AFTER: u32 = 40;

/// An engine's process.
pub(super) struct EngineSlot {
    pub(super) id: ProcessId,
    pub(super) engine: Option<Engine>,
    pub(super) process: Option<MemoryProcess>,
    /// Where it hands attempts over to agents of its own, while the process lives.
    pub(super) desk: Option<Arc<LocalDesk>>,
    has_agents: bool,
    /// Microseconds that its clock is ahead.
    pub(super) ahead: i64,
}

/// A projector's process.
pub(super) struct ProjectorSlot {
    pub(super) id: ProcessId,
    partition: u32,
    pub(super) projector: Option<Projector>,
    process: Option<MemoryProcess>,
    /// It has said that the journal has lost records, and was asked to go on so often since.
    stopped: Option<u32>,
}

impl EngineSlot {
    pub(super) fn new(id: ProcessId, has_agents: bool) -> Self {
        Self { id, engine: None, process: None, desk: None, has_agents, ahead: 0 }
    }
}

impl ProjectorSlot {
    pub(super) fn new(id: ProcessId, partition: u32) -> Self {
        Self { id, partition, projector: None, process: None, stopped: None }
    }
}

impl World {
    pub(super) fn poll_engine(&mut self, i: usize) -> Result<(), Fault> {
        if self.log.is_frozen(self.engines[i].id) {
            return Ok(());
        }
        self.prepare_agents_of(i);
        let slot = &mut self.engines[i];
        let Some(engine) = &mut slot.engine else {
            self.start_engine(i);
            return Ok(());
        };
        let now = Timestamp(self.clock.now().0 + slot.ahead);
        let polled = engine.poll(|| now, Duration::ZERO);
        if slot.process.as_ref().is_some_and(MemoryProcess::is_dead) {
            self.end_worker_of(i);
            self.engines[i].engine = None;
            (self.crashes, self.crashes_within) = (self.crashes + 1, self.crashes_within + 1);
            return Ok(());
        }
        polled.map_err(|error| Invariant::NothingFails.broken(format!("an engine cannot go on: {error}")))
    }

    fn start_engine(&mut self, i: usize) {
        let ahead = self.wrong_by();
        if self.engines[i].process.as_ref().is_some_and(MemoryProcess::is_dead) {
            self.end_worker_of(i);
        }
        let slot = &mut self.engines[i];
        slot.ahead = ahead;
        let process = self.log.process(slot.id);
        let log: Arc<dyn Log> = Arc::new(process.clone());
        let settings = EngineSettings {
            partitions: self.options.partitions,
            max_steps_ahead: 3,
            // Small, so that steps close, nodes are left over and requests are held back.
            step_nodes: 4,
            limits: Limits { schedule_nodes: 2, breaker: TOUCHY, ..Limits::default() },
            max_unfinished: 6,
            // Short, so that deadlines fire between two takeovers.
            deadline_grace: Duration::from_millis(300),
            ..EngineSettings::default()
        };
        let store: Arc<dyn Store> = Arc::new(DoomedStore::new(self.store.clone(), process.clone()));
        let local: Arc<dyn LocalAgents> = if slot.has_agents {
            let (hand_overs, log) = (self.judge.hand_overs(), self.log.clone());
            let desk = slot.desk.get_or_insert_default().clone();
            Arc::new(Watched { desk, hand_overs, log, process: process.clone() })
        } else {
            Arc::new(NoLocalAgents)
        };
        slot.process = Some(process);
        let store = self.rng.random_bool(0.9).then_some(store);
        let seed = self.rng.random();
        // Where the log does not answer, the process tries again at its next turn.
        slot.engine = Engine::new(EngineParts { log, local, store, settings, seed, on_threads: false }).ok();
    }

    fn wrong_by(&mut self) -> i64 {
        if self.clocks == Clocks::Right || self.rng.random_bool(0.3) {
            return 0;
        }
        let minutes = self.rng.random_range(WRONG_MINUTES);
        let sign = if self.rng.random_bool(0.5) { 1 } else { -1 };
        sign * minutes * 60_000_000
    }

    /// Somebody sets the clock of an engine's machine.
    pub(super) fn set_a_clock(&mut self) {
        let ahead = self.wrong_by();
        let i = self.rng.random_range(0..self.engines.len());
        self.engines[i].ahead = ahead;
    }

    pub(super) fn crash_engine(&mut self) {
        let i = self.rng.random_range(0..self.engines.len());
        if self.engines[i].has_agents && !self.log.is_frozen(self.engines[i].id) && self.rng.random_bool(0.2) {
            // The engine is made anew, and what its agents have begun goes on.
            self.engines[i].engine = None;
            return;
        }
        // The process first: one that is killed says goodbye to nobody.
        self.log.drop_process(self.engines[i].id);
        self.end_worker_of(i);
        if self.engines[i].engine.take().is_some() {
            self.crashes += 1;
        }
    }

    /// A process will crash, or stand still, between two of its next operations.
    pub(super) fn doom_a_process(&mut self) {
        let operations = self.rng.random_range(0..60);
        let doom = if self.rng.random_bool(0.7) { Doom::Dies } else { Doom::Freezes };
        let engines = self.engines.iter().map(|slot| (slot.id, Trouble::EngineCrashes));
        let workers = self.workers[..WORKERS].iter().map(|slot| (slot.id, Trouble::Workers));
        let projectors = self.projectors.iter().map(|slot| (slot.id, Trouble::ProjectorCrashes));
        // Engines come twice: there is more between their operations.
        let all: Vec<_> = engines.clone().chain(engines).chain(workers).chain(projectors).collect();
        let (id, trouble) = all[self.rng.random_range(0..all.len())];
        let trouble = if doom == Doom::Dies { trouble } else { Trouble::Freezes };
        if self.may(trouble) {
            self.log.doom(id, operations, doom);
        }
    }

    /// A process stands still, or goes on.
    pub(super) fn freeze_or_thaw(&mut self) {
        let engines = self.engines.iter().map(|slot| slot.id);
        let ids: Vec<_> =
            engines.clone().chain(engines).chain(self.workers[..WORKERS].iter().map(|slot| slot.id)).collect();
        let id = ids[self.rng.random_range(0..ids.len())];
        if self.log.is_frozen(id) {
            self.log.thaw(id);
        } else {
            self.log.freeze(id);
        }
    }

    pub(super) fn poll_projector(&mut self, i: usize) -> Result<(), Fault> {
        if self.log.is_frozen(self.projectors[i].id) {
            return Ok(());
        }
        if self.projectors[i].stopped.is_some() {
            self.wait_for_the_operator(i);
            return Ok(());
        }
        let slot = &mut self.projectors[i];
        if slot.process.as_ref().is_some_and(MemoryProcess::is_dead) {
            slot.projector = None;
        }
        let Some(projector) = &mut slot.projector else {
            let process = self.log.process(slot.id);
            let store: Arc<dyn Store> = Arc::new(DoomedStore::new(self.store.clone(), process.clone()));
            slot.projector = Projector::new(&process, store, slot.partition).ok();
            slot.process = Some(process);
            return Ok(());
        };
        match projector.poll(Duration::ZERO) {
            Ok(_) => Ok(()),
            Err(ProjectorError::Log(_)) => {
                slot.projector = None;
                Ok(())
            }
            Err(ProjectorError::JournalLost { partition, from, to, found }) => {
                (slot.projector, slot.stopped) = (None, Some(0));
                self.name(partition, from, to, &found)
            }
            Err(error) => {
                let what = format!("partition {} cannot be projected: {error}", slot.partition);
                Err(Invariant::ProjectionIsTheFold.broken(what))
            }
        }
    }

    /// A projector says that a journal has lost records.
    fn name(&mut self, partition: u32, from: u64, to: u64, found: &str) -> Result<(), Fault> {
        Invariant::LossesAreNamed.holds(self.judge.has_lost(partition), || {
            format!("journal {partition} has lost nothing, and the projector says {from} to {to}: {found}")
        })?;
        if let Some(end) = self.unnamed.remove(&partition) {
            Invariant::LossesAreNamed.holds(from < to && to > end, || {
                format!("journal {partition} has lost offsets from {end} on, the projector says {from} to {to}")
            })?;
            self.named_losses += 1;
        }
        Ok(())
    }

    /// The operator comes some time, empties the store and has it projected anew. Until then engines find it as it is.
    fn wait_for_the_operator(&mut self, i: usize) {
        let slot = &mut self.projectors[i];
        let asked = slot.stopped.map_or(0, |asked| asked + 1);
        slot.stopped = Some(asked).filter(|asked| *asked < OPERATOR_COMES_AFTER && !self.healed);
        if slot.stopped.is_none() {
            self.store.forget(slot.partition);
            self.unnamed.remove(&slot.partition);
        }
    }

    pub(super) fn crash_projector(&mut self) {
        let i = self.rng.random_range(0..self.projectors.len());
        let slot = &mut self.projectors[i];
        self.log.drop_process(slot.id);
        slot.projector = None;
    }
}
