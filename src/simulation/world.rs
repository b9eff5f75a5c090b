//! One run: processes, their fates, and the time in between.

use super::client::Client;
use super::worker::Worker;
use super::{Options, Violation, check, definitions};
use crate::core::definition::Definition;
use crate::core::definition::DefinitionRef;
use crate::core::time::Timestamp;
use crate::engine::partition::PhaseName;
use crate::engine::{Engine, EngineParts, EngineSettings};
use crate::log::memory::{Clock, Faults, MemoryLog, ProcessId};
use crate::log::plan::{agent_topics, topic_plan};
use crate::log::{Log, NewRecord, Purpose, Topic};
use crate::projector::Projector;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::wire::definition::{DefinitionRecord, encode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::time::Duration;

/// The simulation begins at this time: some moment in 2026.
const BEGINNING: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// How many rounds everything has to come to rest after it has healed, before that counts as stuck.
const ROUNDS_TO_REST: usize = 4_000;
/// The processes that are not engines.
const CLIENT: ProcessId = ProcessId(1_000);
const WORKER: ProcessId = ProcessId(1_001);
const PROJECTOR: ProcessId = ProcessId(2_000);

/// What a run saw, so that a pass is not an empty one.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Runs that ended.
    pub runs: usize,
    /// Counting steps.
    pub steps: u64,
    /// Void records of journals.
    pub void_records: u64,
    /// Counting takings.
    pub takings: u64,
    /// Publications beyond the first of each event.
    pub repeated_publications: u64,
    /// Engines that crashed.
    pub crashes: u64,
}

/// Runs one seed.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(seed: u64, options: &Options) -> Result<Report, Violation> {
    let violation = |what: String| Violation { seed, what };
    let mut world = World::new(seed, options.clone());
    for _ in 0..options.actions {
        world.act().map_err(violation)?;
    }
    world.heal();
    world.come_to_rest().map_err(violation)?;
    let mut report = check::all(&world.surroundings()).map_err(violation)?;
    report.crashes = world.crashes;
    Ok(report)
}

struct EngineSlot {
    id: ProcessId,
    engine: Option<Engine>,
    frozen: bool,
}

struct ProjectorSlot {
    id: ProcessId,
    partition: u32,
    projector: Option<Projector>,
}

struct World {
    options: Options,
    rng: StdRng,
    clock: Clock,
    log: MemoryLog,
    store: Arc<MemoryStore>,
    definitions: Vec<Definition>,
    engines: Vec<EngineSlot>,
    projectors: Vec<ProjectorSlot>,
    worker: Worker,
    client: Client,
    published: usize,
    crashes: u64,
    healed: bool,
}

impl World {
    fn new(seed: u64, options: Options) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let clock = Clock::at(BEGINNING);
        let log = MemoryLog::new(clock.clone(), seed);
        let definitions: Vec<_> = (0..4).map(|number| definitions::random(&mut rng, number)).collect();
        install(&log, options.partitions, &definitions);
        let client_log = log.process(CLIENT);
        let appender = client_log.appender(Purpose::Client).expect("the log answers before faults begin");
        let client = Client::new(appender, options.partitions, &definitions);
        let worker =
            Worker::new(&log.process(WORKER), options.partitions).expect("the log answers before faults begin");
        let slot = |i: usize| EngineSlot { id: ProcessId(i as u64), engine: None, frozen: false };
        let projector = |partition: u32| ProjectorSlot {
            id: ProcessId(PROJECTOR.0 + u64::from(partition)),
            partition,
            projector: None,
        };
        if options.faults {
            log.set_faults(Faults::all());
        }
        Self {
            engines: (0..options.engines).map(slot).collect(),
            projectors: (0..options.partitions).map(projector).collect(),
            store: Arc::new(MemoryStore::new()),
            options,
            rng,
            clock,
            log,
            definitions,
            worker,
            client,
            published: 0,
            crashes: 0,
            healed: false,
        }
    }

    fn surroundings(&self) -> check::Surroundings<'_> {
        check::Surroundings {
            log: &self.log,
            store: &self.store,
            definitions: &self.definitions,
            partitions: self.options.partitions,
            owned: self
                .engines
                .iter()
                .filter_map(|slot| slot.engine.as_ref())
                .flat_map(|engine| (0..self.options.partitions).filter_map(|p| engine.partition(p)?.owned()))
                .map(crate::engine::owner::Owning::state)
                .collect(),
        }
    }

    /// One action, as the dice fall.
    fn act(&mut self) -> Result<(), String> {
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
                let millis = self.rng.random_range(100..15_000);
                self.pass(Duration::from_millis(millis));
            }
            _ if !self.options.faults => self.pass(Duration::from_millis(5)),
            970..978 => self.crash_engine(),
            978..984 => self.freeze_or_thaw(),
            984..988 => self.crash_projector(),
            988..991 => {
                let away = self.rng.random_bool(0.5);
                self.store.set_away(away);
            }
            991..993 => self.store.lose_unsynced(),
            993..996 => self.store.sync(),
            996..998 => self.worker.forget(),
            _ => {
                self.worker = Worker::new(&self.log.process(WORKER), self.options.partitions)
                    .unwrap_or_else(|_| self.new_worker_without_faults());
            }
        }
        Ok(())
    }

    fn new_worker_without_faults(&self) -> Worker {
        self.log.set_faults(Faults::default());
        let worker = Worker::new(&self.log.process(WORKER), self.options.partitions);
        self.log.set_faults(Faults::all());
        worker.expect("without faults the log answers")
    }

    fn poll_engine(&mut self, i: usize) -> Result<(), String> {
        let slot = &mut self.engines[i];
        if slot.frozen {
            return Ok(());
        }
        let Some(engine) = &mut slot.engine else {
            self.start_engine(i);
            return Ok(());
        };
        let now = self.clock.now();
        engine.poll(|| now, Duration::ZERO).map_err(|error| format!("an engine cannot go on: {error}"))
    }

    fn start_engine(&mut self, i: usize) {
        let slot = &mut self.engines[i];
        let log: Arc<dyn Log> = Arc::new(self.log.process(slot.id));
        let settings = EngineSettings {
            partitions: self.options.partitions,
            max_steps_ahead: 3,
            // Small, so that steps close, nodes are left over and requests are held back.
            step_nodes: 4,
            limits: crate::core::limits::Limits { schedule_nodes: 2, ..Default::default() },
            max_unfinished: 6,
            ..EngineSettings::default()
        };
        let store: Arc<dyn Store> = self.store.clone();
        let store = self.rng.random_bool(0.9).then_some(store);
        let seed = self.rng.random();
        // Where the log does not answer, the process tries again at its next turn.
        slot.engine = Engine::new(EngineParts { log, store, settings, seed, on_threads: false }).ok();
    }

    fn crash_engine(&mut self) {
        let i = self.rng.random_range(0..self.engines.len());
        let slot = &mut self.engines[i];
        // The process first: one that is killed says goodbye to nobody.
        self.log.drop_process(slot.id);
        if slot.engine.take().is_some() {
            self.crashes += 1;
        }
        slot.frozen = false;
    }

    fn freeze_or_thaw(&mut self) {
        let i = self.rng.random_range(0..self.engines.len());
        let slot = &mut self.engines[i];
        slot.frozen = !slot.frozen;
        if slot.frozen {
            self.log.freeze(slot.id);
        } else {
            self.log.thaw(slot.id);
        }
    }

    fn poll_projector(&mut self, i: usize) -> Result<(), String> {
        let slot = &mut self.projectors[i];
        let Some(projector) = &mut slot.projector else {
            let store: Arc<dyn Store> = self.store.clone();
            slot.projector = Projector::new(&self.log.process(slot.id), store, slot.partition).ok();
            return Ok(());
        };
        match projector.poll(Duration::ZERO) {
            Ok(_) => Ok(()),
            Err(crate::projector::ProjectorError::Log(_)) => {
                slot.projector = None;
                Ok(())
            }
            Err(error) => Err(format!("partition {} cannot be projected: {error}", slot.partition)),
        }
    }

    fn crash_projector(&mut self) {
        let i = self.rng.random_range(0..self.projectors.len());
        let slot = &mut self.projectors[i];
        self.log.drop_process(slot.id);
        slot.projector = None;
    }

    fn poll_worker(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        self.worker.poll(now, self.healed, &mut self.rng).map_err(|error| format!("the worker cannot go on: {error}"))
    }

    fn publish(&mut self) {
        if self.published < self.options.requests {
            self.published += 1;
            self.client.publish(&mut self.rng);
        }
        self.client.poll();
    }

    fn pass(&mut self, time: Duration) {
        self.log.advance(time);
    }

    /// From here on nothing fails.
    fn heal(&mut self) {
        self.healed = true;
        self.log.set_faults(Faults::default());
        for slot in &mut self.engines {
            self.log.thaw(slot.id);
            slot.frozen = false;
        }
        self.store.set_away(false);
        // Reports that were lost by an error are sent again by workers that read their tasks anew.
        self.worker =
            Worker::new(&self.log.process(WORKER), self.options.partitions).expect("without faults the log answers");
        while self.published < self.options.requests {
            self.publish();
        }
    }

    /// Goes on until nothing is under way any more.
    fn come_to_rest(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..ROUNDS_TO_REST {
            self.client.poll();
            for i in 0..self.engines.len() {
                self.poll_engine(i)?;
            }
            for i in 0..self.projectors.len() {
                self.poll_projector(i)?;
            }
            self.poll_worker()?;
            self.pass(Duration::from_millis(20));
            quiet = if self.is_at_rest() { quiet + 1 } else { 0 };
            // Longer than the pause before a mark, and than any delivery that is still under way.
            if quiet > 50 {
                return Ok(());
            }
        }
        Err(format!("nothing comes to rest: {}", self.what_is_under_way()))
    }

    fn is_at_rest(&self) -> bool {
        self.worker.is_at_rest()
            && (0..self.options.partitions).all(|p| {
                self.owner(p).is_some_and(|owner| {
                    owner.is_at_rest() && owner.unfinished() == 0 && self.everything_is_decided(p, owner)
                })
            })
            && (0..self.options.partitions).all(|p| self.is_projected(p))
    }

    fn everything_is_decided(&self, partition: u32, owner: &crate::engine::owner::Owning) -> bool {
        [Topic::Requests, Topic::Results].iter().all(|topic| {
            let next = owner.state().inputs.get(&topic.to_string()).map_or(0, |input| input.next);
            self.log.records(topic, partition).last().is_none_or(|last| last.offset < next)
        })
    }

    fn is_projected(&self, partition: u32) -> bool {
        let position = self.store.position(partition).ok().flatten().map_or(0, |position| position.next_offset);
        self.log.records(&Topic::Journal, partition).last().is_none_or(|last| last.offset < position)
    }

    fn owner(&self, partition: u32) -> Option<&crate::engine::owner::Owning> {
        self.engines.iter().find_map(|slot| slot.engine.as_ref()?.partition(partition)?.owned())
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
                let open: Vec<_> = owner
                    .state()
                    .runs
                    .values()
                    .flat_map(|entry| entry.run.nodes.iter().map(move |(id, node)| (entry.run.status, id, node.status)))
                    .filter(|(_, _, status)| status.is_open())
                    .map(|(status, id, node)| format!("{status}:{id}:{node}"))
                    .collect();
                words.push(format!(
                    "partition {partition}: {} unfinished runs, open {open:?}, at rest {}, decided {}, projected {}",
                    owner.unfinished(),
                    owner.is_at_rest(),
                    self.everything_is_decided(partition, owner),
                    self.is_projected(partition)
                ));
            }
        }
        words.push(format!("worker at rest {}", self.worker.is_at_rest()));
        words.join("; ")
    }
}

/// Topics and definitions, before any fault.
fn install(log: &MemoryLog, partitions: u32, known: &[Definition]) {
    let process = log.process(CLIENT);
    let mut topics = topic_plan(partitions, 1);
    for agent in definitions::AGENTS {
        let agent = crate::core::id::AgentName::new(agent).expect("the agents of the simulation have legal names");
        topics.extend(agent_topics(&agent, partitions, 1));
    }
    process.create_topics(&topics).expect("the log answers before faults begin");
    let mut appender = process.appender(Purpose::Client).expect("the log answers before faults begin");
    for (token, definition) in known.iter().enumerate() {
        let reference = DefinitionRef { name: definition.name.clone(), version: 1, hash: definition.hash.clone() };
        let document = definition.document.clone();
        let record = DefinitionRecord::Applied { reference, applied_at: BEGINNING, document };
        let (key, value) = encode(&record);
        let record = NewRecord {
            topic: Topic::Definitions,
            partition: Some(0),
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        };
        appender.append(record, token as u64).expect("a plain log takes everything");
    }
    log.settle();
}
