//! Attempts that wait: the delay topics of a partition, read as far ahead as memory allows, and the heap of attempts that
//! are due before long.
//!
//! A delay shorter than the shortest tier waits in the heap alone. A longer one has a record in the longest tier that is
//! no longer than it: when that comes due, what is left waits in the heap. `due_at` in the state is the truth: the heap
//! is derived from it at every taking, so that a record that has been lost, or read and not been waited for, costs
//! nothing, and one that comes twice changes nothing.

use super::decide::place_of;
use super::input::position_after;
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::perform::EffectRef;
use super::state::PartitionState;
use super::step::StepDraft;
use super::timer::{Timer, Timers, What, retry};
use crate::core::time::Timestamp;
use crate::journal::record::InputPosition;
use crate::log::topic::DelayTier;
use crate::log::{Delivery, Record, Topic};
use crate::wire::wakeup;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Reading a tier pauses with so many records that are not due.
const MAX_AHEAD: usize = 10_000;

/// The delay topics of a partition.
pub struct Delays {
    partition: u32,
    tiers: [Tier; DelayTier::ALL.len()],
    /// How far records have come due, by topic, since the last step: nothing is decided by it, so it is written with
    /// the next one.
    positions: BTreeMap<String, InputPosition>,
    /// Attempts that are due before long.
    pub(super) heap: Timers,
}

/// One of them: every record is due when the same time has passed, so only the first matters.
struct Tier {
    tier: DelayTier,
    read: VecDeque<Record>,
    paused: bool,
}

impl Delays {
    /// Reads every tier on from its recorded position.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn begin(partition: u32, state: &PartitionState, env: &mut Env) -> Result<Self, Stop> {
        for tier in DelayTier::ALL {
            let topic = Topic::Delay(tier);
            let next = state.inputs.get(&topic.to_string()).map_or(0, |position| position.next);
            env.io.delays().assign(&topic, partition, next).map_err(Stop::Log)?;
        }
        let tiers = DelayTier::ALL.map(|tier| Tier { tier, read: VecDeque::new(), paused: false });
        Ok(Self { partition, tiers, positions: BTreeMap::new(), heap: Timers::default() })
    }
}

/// When a record of a tier is due.
fn due(tier: DelayTier, record: &Record) -> Timestamp {
    record.time.after(tier.delay())
}

/// The tier whose record wakes an attempt that waits so long; none: it waits in the heap alone.
pub fn tier_for(delay: Duration) -> Option<DelayTier> {
    DelayTier::ALL.into_iter().rev().find(|tier| tier.delay() <= delay)
}

impl Owning {
    /// Something was read of a delay topic.
    pub(super) fn on_delay(&mut self, delivery: Delivery) {
        let record = match delivery {
            Delivery::Record(record) => record,
            Delivery::End { .. } => return,
            // What was lost is not known: all that is awaited waits in memory from here on.
            Delivery::Lost { .. } => {
                let runs = self.state.runs.values().map(|entry| &entry.run);
                let awaited = runs.flat_map(|run| run.nodes.keys().filter_map(|node_id| retry(run, node_id)));
                awaited.for_each(|timer| self.delays.heap.add(timer));
                return;
            }
        };
        let Topic::Delay(tier) = record.topic else { return };
        if let Some(read) = self.delays.tiers.iter_mut().find(|read| read.tier == tier) {
            read.read.push_back(record);
        }
    }

    /// Records that are due: what is left of their delay waits in the heap.
    pub(super) fn wake(&mut self, env: &mut Env) -> Result<(), Stop> {
        let now = self.clock.at(env.now);
        for i in 0..self.delays.tiers.len() {
            let tier = self.delays.tiers[i].tier;
            while let Some(record) = self.delays.tiers[i].read.pop_front_if(|record| due(tier, record) <= now) {
                self.woken(&record);
            }
            let read = &mut self.delays.tiers[i];
            let hold = read.read.len() >= if read.paused { MAX_AHEAD / 2 } else { MAX_AHEAD };
            if hold != std::mem::replace(&mut read.paused, hold) {
                let (topic, partition) = (Topic::Delay(tier), self.delays.partition);
                let delays = env.io.delays();
                let flow = if hold { delays.pause(&topic, partition) } else { delays.resume(&topic, partition) };
                flow.map_err(Stop::Log)?;
            }
        }
        Ok(())
    }

    fn woken(&mut self, record: &Record) {
        let position = position_after(record);
        self.delays.positions.insert(position.topic.clone(), position);
        match wakeup::decode(record.value.as_deref().unwrap_or_default()) {
            Ok(wakeup) => self.delays.heap.add(Timer {
                at: wakeup.due_at,
                workflow_id: wakeup.workflow_id,
                run_id: wakeup.dispatch_id.run_id,
                what: What::Retry(wakeup.dispatch_id.node_id, wakeup.dispatch_id.attempt),
            }),
            Err(error) => tracing::warn!(place = ?place_of(record), %error, "a record is skipped that is no wake-up"),
        }
    }

    /// Writes down how far records have come due.
    pub(super) fn note_delays(&mut self) {
        self.state.inputs.append(&mut self.delays.positions);
    }

    /// A wake-up that has no record.
    pub(super) fn wait_in_memory(&mut self, effect: &EffectRef) {
        let (Some(workflow_id), Some(dispatch)) = (&effect.workflow_id, &effect.dispatch_id) else { return };
        let run = self.state.runs.get(workflow_id).map(|entry| &entry.run);
        let awaited = run.filter(|run| run.run_id == dispatch.run_id).and_then(|run| retry(run, &dispatch.node_id));
        if let Some(timer) = awaited {
            self.delays.heap.add(timer);
        }
    }

    /// Attempts that are due, as far as there is room.
    pub(super) fn decide_retries(&mut self, at_most: usize, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        let now = self.clock.at(env.now);
        for _ in 0..at_most {
            let room = self.has_room_for_due(draft, env);
            let Some(due) = room.then(|| self.delays.heap.pop(now)).flatten() else { break };
            self.decide_timer(due, draft, env)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_has_the_longest_tier_that_is_no_longer() {
        for (millis, tier) in [
            (999, None),
            (1_000, Some("1s")),
            (9_999, Some("1s")),
            (10_000, Some("10s")),
            (90_000, Some("1m")),
            (86_400_000 * 3, Some("1d")),
        ] {
            assert_eq!(tier_for(Duration::from_millis(millis)).map(DelayTier::as_str), tier, "{millis} ms");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_delay_has_a_tier_that_is_too_long_or_could_be_longer(seconds: u64, nanos in 0..1_000_000_000_u32, shift in 0..64_u32) {
            let delay = Duration::new(seconds >> shift, nanos);
            let tier = tier_for(delay);
            let fits = |tier: &DelayTier| tier.delay() <= delay;
            proptest::prop_assert!(tier.iter().all(fits), "{tier:?} is longer than {delay:?}");
            let longer = DelayTier::ALL.into_iter().filter(|other| tier.is_none_or(|tier| other.delay() > tier.delay()));
            proptest::prop_assert!(!longer.into_iter().any(|tier| fits(&tier)), "{delay:?} fits a longer tier than {tier:?}");
        }
    }
}
