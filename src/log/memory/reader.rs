//! A handle that reads.

use super::Shared;
use super::trace::What;
use super::world::{Life, Place, Standing, World};
use crate::core::time::Timestamp;
use crate::log::{Delivery, LogError, Reader, Topic};
use rand::RngExt as _;
use std::time::Duration;

/// An earlier state of a partition, shown for a while.
struct Horizon {
    high: u64,
    until: Timestamp,
}

struct Part {
    place: Place,
    next: u64,
    paused: bool,
    /// Whether `End` was said at `next`.
    ended: bool,
    /// The end when the reading began: an earlier state is never called the end.
    floor: u64,
    horizon: Option<Horizon>,
    /// Losses of the topic that are known.
    losses: usize,
}

pub(super) struct MemoryReader {
    pub(super) world: Shared,
    pub(super) life: Life,
    parts: Vec<Part>,
}

impl MemoryReader {
    pub(super) fn new(world: Shared, life: Life) -> Self {
        Self { world, life, parts: vec![] }
    }

    fn set_paused(&mut self, topic: &Topic, partition: u32, paused: bool) -> Result<(), LogError> {
        let part = self.parts.iter_mut().find(|part| part.place.1 == partition && part.place.0 == *topic);
        let unassigned = || LogError::Refused(format!("{topic}[{partition}] is not being read; assign it first"));
        part.ok_or_else(unassigned)?.paused = paused;
        Ok(())
    }
}

impl Part {
    /// Up to where the reader is shown the partition.
    fn visible(&mut self, world: &mut World, life: Life, high: u64) -> u64 {
        let now = world.clock.now();
        match &self.horizon {
            Some(horizon) if now < horizon.until => return horizon.high.clamp(self.next, high),
            _ => self.horizon = None,
        }
        if high > self.next && world.happens(world.faults.delivery_late) {
            let shown = world.rng.random_range(self.next..high);
            self.horizon = Some(Horizon { high: shown, until: world.within(world.faults.delivery_delay) });
            world.note_append(What::DeliveryHeld, Some(life.process), Some(&self.place), Some(shown), None);
            return shown;
        }
        high
    }

    fn read(&mut self, world: &mut World, life: Life, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        let (topic, partition) = self.place.clone();
        let ends = world.ends(&topic, partition)?;
        let (losses, passed) = world.losses(&self.place, self.losses, self.next);
        self.losses = losses;
        if passed || self.next < ends.low || self.next > ends.high {
            world.note_append(What::Lost, Some(life.process), Some(&self.place), Some(self.next), None);
            let wanted = std::mem::replace(&mut self.next, ends.low);
            let topic = topic.clone();
            out.push(Delivery::Lost { topic, partition, wanted, low: ends.low, high: ends.high });
            (self.ended, self.horizon) = (false, None);
        }
        let visible = self.visible(world, life, ends.high);
        let mut until = visible;
        if visible > self.next && world.happens(world.faults.delivery_partial) {
            until = world.rng.random_range(self.next..visible);
        }
        let records = &world.partition(&topic, partition)?[self.next as usize..until as usize];
        out.extend(records.iter().cloned().map(Delivery::Record));
        self.ended &= records.is_empty();
        self.next = until;
        if self.next == visible && self.next >= self.floor.min(ends.high) && !self.ended {
            self.ended = true;
            out.push(Delivery::End { topic, partition, offset: self.next });
        }
        Ok(())
    }
}

impl Reader for MemoryReader {
    fn assign(&mut self, topic: &Topic, partition: u32, offset: u64) -> Result<(), LogError> {
        let place = (topic.clone(), partition);
        let (floor, losses) = {
            let world = self.world.lock();
            (world.ends(topic, partition)?.high, world.losses(&place, 0, 0).0)
        };
        self.unassign(topic, partition)?;
        self.parts.push(Part { place, next: offset, paused: false, ended: false, floor, horizon: None, losses });
        Ok(())
    }

    fn unassign(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.parts.retain(|part| part.place.1 != partition || part.place.0 != *topic);
        Ok(())
    }

    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.set_paused(topic, partition, true)
    }

    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.set_paused(topic, partition, false)
    }

    fn poll(&mut self, _wait: Duration, out: &mut Vec<Delivery>) -> Result<(), LogError> {
        let mut world = self.world.lock();
        world.operate(self.life);
        world.pump();
        if world.standing(self.life) != Standing::Alive {
            return Ok(());
        }
        for part in self.parts.iter_mut().filter(|part| !part.paused) {
            part.read(&mut world, self.life, out)?;
        }
        Ok(())
    }
}
