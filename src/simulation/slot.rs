//! Where workers run: processes of their own, and those of engines that have agents.

use super::trouble::Trouble;
use super::worker::{Worker, locked, one_in};
use super::world::{WORKERS, World};
use crate::log::memory::{Clock, MemoryProcess, ProcessId};
use rand::RngExt;
use std::sync::{Arc, Mutex};

/// A worker's process, whether there is a worker in it or not.
pub struct WorkerSlot {
    /// The process.
    pub id: ProcessId,
    /// The worker.
    pub worker: Option<Arc<Mutex<Worker>>>,
    /// How many attempts of an agent it runs at once.
    places: usize,
    lives: u64,
    anew: bool,
}

impl WorkerSlot {
    /// Nobody yet.
    pub fn new(id: ProcessId, places: usize) -> Self {
        Self { id, worker: None, places, lives: 0, anew: false }
    }

    /// Starts one where there is none, if the log answers.
    pub fn start(&mut self, process: MemoryProcess, clock: Clock) {
        self.lives += 1;
        let number = self.id.0 * 1_000 + self.lives;
        let worker = Worker::new(process, clock, number, self.anew, self.places);
        self.worker = worker.ok().map(|worker| Arc::new(Mutex::new(worker)));
    }

    /// Whether it has nothing to do.
    pub fn is_at_rest(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| locked(worker).is_at_rest())
    }
}

impl World {
    /// The engine in whose process this worker runs; none: it has one of its own.
    fn engine_of(&self, worker: usize) -> Option<usize> {
        worker.checked_sub(WORKERS)
    }

    /// The worker in the process of this engine, if it has agents of its own.
    fn worker_of(&self, engine: usize) -> Option<usize> {
        Some(WORKERS + engine).filter(|worker| *worker < self.workers.len())
    }

    /// One that cannot go on is replaced.
    pub(super) fn poll_worker(&mut self, i: usize) {
        let honest = self.is_honest();
        let slot = &mut self.workers[i];
        if self.log.is_frozen(slot.id) {
            return;
        }
        if let Some(worker) = &slot.worker {
            let mut worker = locked(worker);
            // A runner that ends alone matters where it has something to drop.
            let ends = i >= WORKERS && !honest && worker.is_at_work() && one_in(&mut self.rng, 40);
            if !ends && worker.poll(honest, &mut self.rng).is_ok() && !worker.is_dead() {
                return;
            }
        }
        if slot.worker.is_some() {
            self.end_worker(i);
        } else {
            self.start_worker(i);
        }
    }

    fn start_worker(&mut self, i: usize) {
        let clock = self.clock.clone();
        let Some(engine) = self.engine_of(i) else {
            let process = self.log.process(self.workers[i].id);
            return self.workers[i].start(process, clock);
        };
        // It lives as long as the process of its engine.
        let slot = &self.engines[engine];
        let Some((process, desk)) = slot.process.clone().zip(slot.desk.clone()) else { return };
        if process.is_dead() {
            return;
        }
        self.workers[i].start(process, clock);
        if let Some(worker) = &self.workers[i].worker {
            desk.open(worker.clone());
        }
    }

    /// What it remembers of attempts dies with it. In the process of an engine a runner ends alone, and what it drops the
    /// engine is told.
    fn end_worker(&mut self, i: usize) {
        match self.engine_of(i) {
            None => self.log.drop_process(self.workers[i].id),
            Some(engine) => self.engines[engine].desk.iter().for_each(|desk| desk.end()),
        }
        self.workers[i].worker = None;
    }

    /// The process of an engine has died, and with it what runs in it.
    pub(super) fn end_worker_of(&mut self, engine: usize) {
        if let Some(i) = self.worker_of(engine) {
            self.end_worker(i);
        }
        self.engines[engine].desk = None;
    }

    pub(super) fn crash_worker(&mut self) {
        let i = self.rng.random_range(0..self.workers.len());
        self.end_worker(i);
    }

    /// From here on all workers read every task from the start: what they have reported is lost.
    pub(super) fn begin_workers_anew(&mut self) {
        for i in 0..self.workers.len() {
            self.end_worker(i);
            self.workers[i].anew = true;
        }
    }

    /// The engine will take its turn: what its own agents do in it has dice of this action.
    pub(super) fn prepare_agents_of(&mut self, engine: usize) {
        let (honest, worker) = (self.is_honest(), self.worker_of(engine));
        if let Some(worker) = worker.and_then(|i| self.workers[i].worker.clone()) {
            locked(&worker).prepare(honest, self.rng.random());
        }
    }

    fn is_honest(&self) -> bool {
        self.healed || !self.may(Trouble::Workers)
    }
}
