//! The log in memory, for simulation: one thread, virtual time, one seed.
//!
//! Without faults it is a log like any other. With [`Faults`] it does everything that a real one may do to its
//! users, as the dice of its seed fall: records land late, twice, behind an error or after their owner's death;
//! acknowledgements are late or lost; readers are shown an earlier state; the group tells anyone anything; processes
//! stand still and come back; a partition loses its last records. The same seed and the same calls give the same
//! run. What always holds: records of one appender to one partition land in the order of `append` until an error
//! intervenes (a repetition aside), and of an appender with `Purpose::Events` nothing lands after an error.
//!
//! No call waits: `poll` returns what there is at this point of virtual time.

mod appender;
mod clock;
#[cfg(test)]
mod fate_tests;
mod faults;
mod flight;
mod group;
mod reader;
#[cfg(test)]
mod tests;
mod trace;
mod world;

use super::{Appender, Ends, Group, GroupSeen, Log, LogError, Membership, Purpose, Reader, Record, Topic, TopicSpec};
use crate::core::time::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use world::{Life, Standing, TopicState, World};

pub use clock::Clock;
pub use faults::Faults;
pub use trace::{Happening, What};
pub use world::Doom;

/// Names a simulated process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u64);

#[derive(Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log as the simulation has it: hands out what each process sees, and decides their fates. Clones are the
/// same log.
#[derive(Clone)]
pub struct MemoryLog(Shared);

impl MemoryLog {
    /// An empty log without faults.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self(Shared(Arc::new(Mutex::new(World::new(clock, seed)))))
    }

    /// From now on these faults happen.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// The log as one process sees it: everything that is made from it dies with [`MemoryLog::drop_process`].
    pub fn process(&self, id: ProcessId) -> MemoryProcess {
        let life = self.0.lock().life(id);
        MemoryProcess { world: self.0.clone(), life }
    }

    /// A process dies: its parts are of no use any more, its members stay in their groups until the session times
    /// out, and what it had under way may still land ([`Faults::orphans`]). The id may be used again.
    pub fn drop_process(&self, id: ProcessId) {
        self.0.lock().drop_process(id);
    }

    /// A process comes to its doom in the middle of what it does: before the operation after so many others.
    pub fn doom(&self, id: ProcessId, operations: u32, doom: Doom) {
        self.0.lock().doom(id, operations, doom);
    }

    /// A process is spared what it was doomed to.
    pub fn pardon(&self, id: ProcessId) {
        self.0.lock().pardon(id);
    }

    /// Whether a process stands still.
    pub fn is_frozen(&self, id: ProcessId) -> bool {
        self.0.lock().is_frozen(id)
    }

    /// How often what stands in it has changed.
    pub fn changes(&self) -> u64 {
        self.0.lock().changes
    }

    /// Stands for every record of every topic: SHA-256, in hexadecimal digits.
    pub fn digest(&self) -> String {
        self.0.lock().digest()
    }

    /// From here on the dice fall as this number says: what happens from now on depends on it, and not on how often
    /// they were rolled before.
    pub fn reseed(&self, seed: u64) {
        self.0.lock().rng = StdRng::seed_from_u64(seed);
    }

    /// A process stands still: nothing that it has not sent leaves it, and its parts say nothing.
    pub fn freeze(&self, id: ProcessId) {
        self.0.lock().freeze(id);
    }

    /// A process that stood still goes on, and what it held back is on its way.
    pub fn thaw(&self, id: ProcessId) {
        self.0.lock().thaw(id);
    }

    /// Moves the clock on and lets land what is due by then.
    pub fn advance(&self, by: Duration) {
        let mut world = self.0.lock();
        world.clock.advance(by);
        world.pump();
    }

    /// Lets some of what is under way land now, whenever it was due.
    pub fn land_some(&self) {
        self.0.lock().land_some();
    }

    /// From now on nothing goes wrong, and what is under way lands (but for frozen processes).
    pub fn settle(&self) {
        self.0.lock().settle();
    }

    /// How many records are under way, those of frozen processes aside.
    pub fn under_way(&self) -> usize {
        self.0.lock().under_way()
    }

    /// Every member of every group that shares a topic is told, at its next poll, that the partition is its own.
    pub fn stampede(&self, topic: &Topic, partition: u32) {
        self.0.lock().stampede(topic, partition);
    }

    /// A partition loses its last records. Readers that were beyond them are told, even where as many have been
    /// appended since: Kafka's find out by the leader's epoch.
    pub fn lose_suffix(&self, topic: &Topic, partition: u32, records: usize) {
        self.0.lock().lose_suffix(topic, partition, records);
    }

    /// Everything that stands in a partition; nothing where there is none.
    pub fn records(&self, topic: &Topic, partition: u32) -> Vec<Record> {
        self.0.lock().partition(topic, partition).cloned().unwrap_or_default()
    }

    /// What stands in a partition from an offset on.
    pub fn records_from(&self, topic: &Topic, partition: u32, offset: u64) -> Vec<Record> {
        let world = self.0.lock();
        let records = world.partition(topic, partition).map(Vec::as_slice).unwrap_or_default();
        records.get(offset as usize..).unwrap_or_default().to_vec()
    }

    /// What happened, the oldest first (the last 100,000).
    pub fn trace(&self) -> Vec<Happening> {
        self.0.lock().trace.happenings.iter().cloned().collect()
    }

    /// How often each thing happened since the beginning.
    pub fn counts(&self) -> BTreeMap<What, u64> {
        self.0.lock().trace.counts.clone()
    }
}

/// The log as one process sees it. Clones are the same process.
#[derive(Clone)]
pub struct MemoryProcess {
    world: Shared,
    life: Life,
}

impl MemoryProcess {
    /// It does something that is no operation of the log. Whether it is there to do it, and sees what comes of it.
    pub fn operate(&self) -> bool {
        let mut world = self.world.lock();
        world.operate(self.life);
        world.standing(self.life) == Standing::Alive
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        self.world.lock().standing(self.life) == Standing::Dead
    }

    fn ask<T>(&self, question: impl FnOnce(&mut World) -> Result<T, LogError>) -> Result<T, LogError> {
        let mut world = self.world.lock();
        world.operate(self.life);
        world.pump();
        let unreachable = world.faults.unreachable;
        let unanswered = world.standing(self.life) != Standing::Alive || world.happens(unreachable);
        if unanswered {
            world.note(What::Unreachable, Some(self.life.process), None);
            let reason = "no answer came in time".to_owned();
            return Err(LogError::Unreachable { at: format!("memory:{}", world.seed), reason });
        }
        question(&mut world)
    }
}

impl Log for MemoryProcess {
    fn appender(&self, purpose: Purpose) -> Result<Box<dyn Appender>, LogError> {
        let id = self.world.lock().add_appender(self.life, purpose);
        Ok(Box::new(appender::MemoryAppender { world: self.world.clone(), life: self.life, id, turn: 0 }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(reader::MemoryReader::new(self.world.clone(), self.life)))
    }

    fn group(&self, name: &str, topics: &[Topic], membership: Membership) -> Result<Box<dyn Group>, LogError> {
        Ok(Box::new(group::MemoryGroup::join(self.world.clone(), self.life, name, topics, membership)?))
    }

    fn look_at_group(&self, name: &str, topic: &Topic) -> Result<GroupSeen, LogError> {
        self.ask(|world| world.look_at_group(name, topic))
    }

    fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError> {
        self.ask(|world| world.ends(topic, partition))
    }

    fn offset_at(&self, topic: &Topic, partition: u32, time: Timestamp) -> Result<u64, LogError> {
        self.ask(|world| {
            let records = world.partition(topic, partition)?;
            Ok(records.partition_point(|record| record.time.as_millis() < time.as_millis()) as u64)
        })
    }

    fn partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError> {
        self.ask(|world| Ok(world.topics.get(topic).map(|state| state.partitions.len() as u32)))
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        if let Some(spec) = topics.iter().find(|spec| spec.partitions == 0) {
            return Err(LogError::Refused(format!("{} needs at least one partition", spec.topic)));
        }
        self.ask(|world| {
            for spec in topics {
                let new = || TopicState {
                    settings: spec.settings.clone(),
                    partitions: vec![vec![]; spec.partitions as usize],
                    losses: vec![],
                };
                world.topics.entry(spec.topic.clone()).or_insert_with(new);
            }
            Ok(())
        })
    }

    fn topic_settings(&self, topic: &Topic) -> Result<Vec<(String, String)>, LogError> {
        let unknown = || LogError::UnknownTopic(topic.to_string());
        self.ask(|world| world.topics.get(topic).map(|state| state.settings.clone()).ok_or_else(unknown))
    }

    fn brokers(&self) -> Result<u32, LogError> {
        Ok(1)
    }

    fn cluster(&self) -> String {
        format!("memory:{}", self.world.lock().seed)
    }
}
