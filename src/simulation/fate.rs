//! What happens next, as the dice fall.

use super::judge::Clocks;
use super::worker::Worker;
use super::world::{WORKER, World};
use crate::journal::record::JournalRecord;
use crate::log::Topic;
use crate::log::memory::{Faults, MemoryLog};
use crate::store::memory::MemoryStore;
use crate::wire::journal;
use rand::RngExt;
use std::time::Duration;

impl World {
    /// One action.
    pub(super) fn act(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..1_000) {
            0..500 => {
                let i = self.rng.random_range(0..self.engines.len());
                self.poll_engine(i)?;
            }
            500..620 => {
                let i = self.rng.random_range(0..self.projectors.len());
                self.poll_projector(i)?;
            }
            620..740 => self.poll_worker()?,
            740..800 => self.publish(),
            800..960 => {
                let millis = self.rng.random_range(1..50);
                self.pass(Duration::from_millis(millis));
            }
            960..970 => {
                // Members of a group that do not poll for ten seconds are none any more.
                let longest = if self.rng.random_bool(self.often) { 15_000 } else { 4_000 };
                let millis = self.rng.random_range(100..longest);
                self.pass(Duration::from_millis(millis));
            }
            _ if !self.options.faults => self.pass(Duration::from_millis(5)),
            970..977 if self.rng.random_bool(self.often) => self.crash_engine(),
            970..977 => {}
            977..983 => self.freeze_or_thaw(),
            983..987 => self.crash_projector(),
            987..994 => self.strike_the_store(),
            994..996 => self.worker.forget(),
            996..997 => self.replace_the_worker(),
            997 => {
                let partition = self.any_partition();
                self.log.stampede(&Topic::Requests, partition);
            }
            998 if self.clocks == Clocks::Jumping => self.set_a_clock(),
            999 if self.options.losses => self.lose_records()?,
            _ => {}
        }
        Ok(())
    }

    fn any_partition(&mut self) -> u32 {
        self.rng.random_range(0..self.options.partitions)
    }

    pub(super) fn poll_worker(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        self.worker.poll(now, self.healed, &mut self.rng).map_err(|error| format!("the worker cannot go on: {error}"))
    }

    pub(super) fn publish(&mut self) {
        if self.published < self.options.requests {
            self.published += 1;
            self.client.publish(&mut self.rng);
        }
        self.client.poll();
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.log.advance(time);
    }

    /// The store goes away or comes back, flushes, forgets what it had not flushed, or does not confirm.
    fn strike_the_store(&mut self) {
        match self.rng.random_range(0..8) {
            0..3 => {
                let away = self.rng.random_bool(0.5);
                self.store.set_away(away);
            }
            3 => self.store.lose_unsynced(),
            4 => {
                let commits = self.rng.random_range(1..4);
                self.store.lose_newest(commits);
            }
            5 => self.store.lose_confirmations(1),
            _ => self.store.sync(),
        }
        let (store, log) = (&self.store, &self.log);
        self.unnamed.retain(|partition, _| is_lost(store, log, *partition));
    }

    fn replace_the_worker(&mut self) {
        let process = self.log.process(WORKER);
        if let Ok(worker) = Worker::new(&process, self.options.partitions) {
            self.worker = worker;
        } else {
            self.log.set_faults(Faults::default());
            self.worker = Worker::new(&process, self.options.partitions).expect("without faults the log answers");
            self.log.set_faults(self.faults.clone());
        }
    }

    /// A journal or an input topic loses its last records, as after an election of a replica that had not kept up.
    fn lose_records(&mut self) -> Result<(), String> {
        let partition = self.any_partition();
        let topic = match self.rng.random_range(0..4) {
            0 => Topic::Requests,
            1 => Topic::Results,
            _ => Topic::Journal,
        };
        let records = if self.rng.random_bool(0.5) { 1 } else { self.rng.random_range(2..7) };
        self.judge.observe()?;
        self.log.lose_suffix(&topic, partition, records);
        self.judge.lose(&topic, partition);
        if topic == Topic::Journal && is_lost(&self.store, &self.log, partition) {
            let end = self.log.records(&topic, partition).len() as u64;
            let named_by = self.unnamed.get(&partition).map_or(end, |earlier| end.min(*earlier));
            self.unnamed.insert(partition, named_by);
        }
        // Nothing is appended in the same instant: a record is told from another by its append time.
        self.pass(Duration::from_millis(2));
        Ok(())
    }
}

/// Whether the last record that counted when the store was written is gone.
fn is_lost(store: &MemoryStore, log: &MemoryLog, partition: u32) -> bool {
    let Some(mark) = store.mark(partition) else { return false };
    let found = log.records_from(&Topic::Journal, partition, mark.offset).into_iter().next();
    let found = found.and_then(|record| journal::decode(&record.value?).ok());
    let found = found.map(|record| match record {
        JournalRecord::PartitionTaken(taken) => (taken.term, taken.owner.0, None),
        JournalRecord::Step(step) => (step.term, step.owner.0, Some(step.number)),
    });
    found != Some((mark.term, mark.owner, mark.number))
}
