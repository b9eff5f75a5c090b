//! What happens next, as the dice fall.

use super::judge::{Clocks, Fault};
use super::operator;
use super::trouble::Trouble;
use super::world::World;
use crate::journal::record::JournalRecord;
use crate::log::Topic;
use crate::log::memory::MemoryLog;
use crate::store::memory::MemoryStore;
use crate::wire::journal;
use rand::RngExt;
use std::time::Duration;

/// So often operators do something in a run.
const OPERATIONS: usize = 12;

impl World {
    /// One action.
    pub(super) fn act(&mut self) -> Result<(), Fault> {
        match self.rng.random_range(0..1_000) {
            0..470 => {
                let i = self.rng.random_range(0..self.engines.len());
                self.poll_engine(i)?;
            }
            470..580 => {
                let i = self.rng.random_range(0..self.projectors.len());
                self.poll_projector(i)?;
            }
            580..730 => {
                let i = self.rng.random_range(0..self.workers.len());
                self.poll_worker(i);
            }
            730..790 => self.publish(),
            790..800 => self.operate(),
            800..960 => {
                let millis = self.rng.random_range(1..50);
                self.pass(Duration::from_millis(millis));
            }
            960..970 => self.leap(),
            dice => self.trouble(dice)?,
        }
        Ok(())
    }

    fn trouble(&mut self, dice: u32) -> Result<(), Fault> {
        let (trouble, is_often) = match dice {
            ..973 => (Trouble::EngineCrashes, self.rng.random_bool(self.often)),
            973..980 => (Trouble::EngineCrashes, self.rng.random_bool(0.5 + self.often / 2.0)),
            980..985 => (Trouble::Freezes, true),
            985..987 => (Trouble::ProjectorCrashes, true),
            987..994 => (Trouble::Store, true),
            994..997 => (Trouble::Workers, true),
            997 => (Trouble::Group, true),
            998 => (Trouble::Clocks, self.clocks == Clocks::Jumping),
            _ => (Trouble::Losses, self.options.losses),
        };
        if !self.options.faults {
            self.pass(Duration::from_millis(5));
            return Ok(());
        }
        if !is_often || !self.may(trouble) {
            return Ok(());
        }
        match dice {
            ..973 => self.crash_engine(),
            973..980 => self.doom_a_process(),
            980..985 => self.freeze_or_thaw(),
            985..987 => self.crash_projector(),
            987..994 => self.strike_the_store(),
            994..997 => self.crash_worker(),
            997 => {
                let partition = self.any_partition();
                self.log.stampede(&Topic::Requests, partition);
            }
            998 => self.set_a_clock(),
            _ => self.lose_records()?,
        }
        Ok(())
    }

    /// Members of a group that do not poll for ten seconds are none any more.
    fn leap(&mut self) {
        let longest = if self.rng.random_bool(self.often) { 15_000 } else { 4_000 };
        let millis = self.rng.random_range(100..longest);
        if self.options.without.contains(&Trouble::Leaps) {
            return;
        }
        self.pass(Duration::from_millis(millis));
    }

    fn any_partition(&mut self) -> u32 {
        self.rng.random_range(0..self.options.partitions)
    }

    /// An operator looks at some run, and does something.
    fn operate(&mut self) {
        self.operator.poll();
        if self.operated >= OPERATIONS || !self.may(Trouble::Operators) {
            return;
        }
        let Some(run) = operator::choose(self.judge.runs(), &mut self.rng) else { return };
        let Some(graph) = self.graphs.get(&run.definition.hash) else { return };
        self.operated += 1;
        self.operator.act(run, graph, &mut self.rng);
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
        let what = match self.rng.random_range(0..8) {
            0..3 => {
                let away = self.rng.random_bool(0.5);
                self.store.set_away(away);
                if away { "the store goes away" } else { "the store is back" }
            }
            3 => {
                self.store.lose_unsynced();
                "the store loses what it had not synced"
            }
            4 => {
                let commits = self.rng.random_range(1..4);
                self.store.lose_newest(commits);
                "the store loses its newest commits"
            }
            5 => {
                self.store.lose_confirmations(1);
                "the store will not confirm its next commit"
            }
            _ => {
                self.store.sync();
                "the store syncs"
            }
        };
        self.note(what);
        let (store, log) = (&self.store, &self.log);
        self.unnamed.retain(|partition, _| is_lost(store, log, *partition));
    }

    /// A journal or an input topic loses its last records, as after an election of a replica that had not kept up.
    fn lose_records(&mut self) -> Result<(), Fault> {
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
