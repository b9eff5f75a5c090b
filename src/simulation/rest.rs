//! How it ends: everything heals, and goes on until nothing is under way any more.

use super::judge::{Clocks, Fault, Invariant};
use super::slot::WorkerSlot;
use super::world::World;
use crate::engine::Engine;
use crate::engine::owner::Owning;
use crate::engine::partition::PhaseName;
use crate::log::Topic;
use crate::log::memory::Faults;
use crate::store::Store;
use rand::RngExt;
use std::time::Duration;

/// How many rounds everything has to come to rest after it has healed, before that counts as stuck.
const ROUNDS_TO_REST: usize = 4_000;
/// For so many rounds nothing may be under way: longer than the pause before a mark.
const QUIET_ROUNDS: usize = 20;

impl World {
    /// From here on nothing fails. What is under way lands at once, or in its own time.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        if self.rng.random_bool(0.5) {
            self.log.settle();
        } else {
            self.log.set_faults(Faults::default());
        }
        let engines = self.engines.iter().map(|slot| slot.id).chain(self.workers.iter().map(|slot| slot.id));
        for id in engines.chain(self.projectors.iter().map(|slot| slot.id)) {
            self.log.pardon(id);
            self.log.thaw(id);
        }
        self.note("everything heals");
        // A report that stood in the log and is lost comes no more by itself: that it is lost is said, and whoever reads
        // it sets the groups of the workers back.
        if self.judge.has_lost_results() {
            self.begin_workers_anew();
            self.note("the workers' groups are set back to the start");
        }
        if self.clocks == Clocks::Jumping {
            (0..self.engines.len()).for_each(|_| self.set_a_clock());
        }
        self.store.set_away(false);
        while self.published < self.options.requests {
            self.publish();
        }
    }

    /// Goes on until nothing is under way any more.
    pub(super) fn come_to_rest(&mut self) -> Result<(), Fault> {
        let mut quiet = 0;
        for _ in 0..ROUNDS_TO_REST {
            self.client.poll();
            self.operator.poll();
            for i in 0..self.engines.len() {
                self.poll_engine(i)?;
            }
            for i in 0..self.projectors.len() {
                self.poll_projector(i)?;
            }
            (0..self.workers.len()).for_each(|i| self.poll_worker(i));
            self.pass(Duration::from_millis(if self.waits_for_time_alone() { 2_000 } else { 20 }));
            self.judge()?;
            if self.is_at_rest() {
                // What lands late finds everything as it is.
                let strays = self.log.under_way() > 0;
                self.pass(Duration::from_millis(if strays { 500 } else { 0 }));
                quiet = if strays { 0 } else { quiet + 1 };
            } else {
                quiet = 0;
            }
            if quiet > QUIET_ROUNDS {
                return Ok(());
            }
        }
        let what = format!("nothing comes to rest: {}", self.what_is_under_way());
        Err(Invariant::EveryRequestEnds.broken(what))
    }

    /// Nothing is under way, and some attempt is due later: by a clock that was wrong it may be an hour. Time that passes so
    /// is an interruption for an engine, after which no deadline fires: an attempt that nobody has any more does not end.
    fn waits_for_time_alone(&self) -> bool {
        let owners = (0..self.options.partitions).map(|p| self.owner(p));
        self.workers.iter().all(WorkerSlot::is_at_rest)
            && owners.into_iter().all(|owner| owner.is_some_and(Owning::is_at_rest))
    }

    fn is_at_rest(&self) -> bool {
        self.workers.iter().all(WorkerSlot::is_at_rest)
            && (0..self.options.partitions).all(|p| {
                self.owner(p).is_some_and(|owner| {
                    owner.is_at_rest() && owner.unfinished() == 0 && self.everything_is_decided(p, owner)
                })
            })
            && (0..self.options.partitions).all(|p| self.is_projected(p))
    }

    fn everything_is_decided(&self, partition: u32, owner: &Owning) -> bool {
        [Topic::Requests, Topic::Results, Topic::Signals].iter().all(|topic| {
            let next = owner.state().inputs.get(&topic.to_string()).map_or(0, |input| input.next);
            self.log.records_from(topic, partition, next).is_empty()
        })
    }

    fn is_projected(&self, partition: u32) -> bool {
        let position = self.store.position(partition).ok().flatten().map_or(0, |position| position.next_offset);
        self.log.records_from(&Topic::Journal, partition, position).is_empty()
    }

    fn what_is_under_way(&self) -> String {
        let mut words = Vec::new();
        for slot in &self.engines {
            let phases: Vec<_> = slot
                .engine
                .iter()
                .flat_map(Engine::phases)
                .filter(|(_, phase)| *phase != PhaseName::Away)
                .map(|(partition, phase)| format!("{partition} {phase:?}"))
                .collect();
            words.push(format!("engine {}: {}", slot.id.0, phases.join(", ")));
        }
        for partition in 0..self.options.partitions {
            if let Some(owner) = self.owner(partition) {
                words.push(self.what_is_open(partition, owner));
            }
        }
        let workers = self.workers.iter().all(WorkerSlot::is_at_rest);
        words.push(format!("workers at rest {workers}, strays {}", self.log.under_way()));
        words.join("; ")
    }

    fn what_is_open(&self, partition: u32, owner: &Owning) -> String {
        let open: Vec<_> = owner
            .state()
            .runs
            .values()
            .flat_map(|entry| entry.run.nodes.iter().map(move |(id, node)| (entry.run.status, id, node.status)))
            .filter(|(_, _, status)| status.is_open())
            .map(|(status, id, node)| format!("{status}:{id}:{node}"))
            .collect();
        format!(
            "partition {partition}: {} unfinished runs, open {open:?}, at rest {}, decided {}, projected {}",
            owner.unfinished(),
            owner.is_at_rest(),
            self.everything_is_decided(partition, owner),
            self.is_projected(partition)
        )
    }
}
