//! A worker's process: the production worker's protocol (what it remembers of attempts, and what it commits to its group),
//! around agents that are slow, repeat themselves, contradict themselves, lie, or never answer.

use super::agent::{Agents, Said};
use super::definitions::AGENTS;
use crate::core::id::AgentName;
use crate::core::time::Timestamp;
use crate::log::memory::{MemoryProcess, ProcessId};
use crate::log::{
    Ack, AppendError, Appender, Committed, Group, GroupEvent, Log, LogError, Membership, NewRecord, Purpose, Record,
    Token, Topic,
};
use crate::wire::report::{Report, encode};
use crate::wire::task::decode;
use crate::worker::attempts::{Attempts, Begin, MemoryLimits};
use crate::worker::progress::{Progress, Verdict};
use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::time::Duration;

/// So much is remembered: little, so that a repeated dispatch is sometimes a new one.
const LIMITS: MemoryLimits = MemoryLimits { results: 12, bytes: 1 << 20, nodes: 12 };
/// How often progress is committed.
const COMMIT_EVERY: Duration = Duration::from_millis(500);

/// Where a task stands: the agent, the partition, the offset.
type Place = (usize, u32, u64);

/// What is to be sent, and the records that are done once it stands in the log.
struct Outgoing {
    record: NewRecord,
    places: Vec<Place>,
}

/// What a worker does at some time.
struct Due {
    said: Said,
    /// It ends the attempt.
    ends: bool,
}

/// A worker's process while it lives.
pub struct Worker {
    process: MemoryProcess,
    groups: Vec<Box<dyn Group>>,
    given: BTreeMap<(usize, u32), (Progress, Option<Committed>)>,
    attempts: Attempts<Place>,
    agents: Agents,
    appender: Box<dyn Appender>,
    due: BTreeMap<(Timestamp, u64), Due>,
    under_way: BTreeMap<Token, Outgoing>,
    planned: u64,
    last_token: Token,
    /// The appender is of no use any more.
    broken: bool,
    committed_at: Timestamp,
    events: Vec<GroupEvent>,
    acks: Vec<Ack>,
}

impl Worker {
    /// A worker that joins the groups of all agents: those that begin anew, or those that go on from what was committed.
    /// Its answers are told from others' by its number.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn new(process: MemoryProcess, number: u64, anew: bool) -> Result<Self, LogError> {
        let join = |agent: &str| {
            let topic = Topic::Ready(AgentName::new(agent).expect("the agents of the simulation have legal names"));
            let group = format!("workers-{agent}{}", if anew { "-anew" } else { "" });
            process.group(&group, &[topic], Membership::Fetch)
        };
        Ok(Self {
            groups: AGENTS.into_iter().map(join).collect::<Result<_, _>>()?,
            appender: process.appender(Purpose::Client)?,
            process,
            given: BTreeMap::new(),
            attempts: Attempts::new(LIMITS),
            agents: Agents::new(number),
            due: BTreeMap::new(),
            under_way: BTreeMap::new(),
            planned: 0,
            last_token: 0,
            broken: false,
            committed_at: Timestamp::default(),
            events: Vec::new(),
            acks: Vec::new(),
        })
    }

    /// Takes what is there, and sends what is due. While `honest`, every task is answered, once and soon.
    ///
    /// # Errors
    /// Where it cannot go on: it is replaced by another one.
    pub fn poll(&mut self, now: Timestamp, honest: bool, rng: &mut StdRng) -> Result<(), LogError> {
        for agent in 0..self.groups.len() {
            let mut events = std::mem::take(&mut self.events);
            self.groups[agent].poll(Duration::ZERO, &mut events)?;
            for event in events.drain(..) {
                self.handle(agent, event, now, honest, rng);
            }
            self.events = events;
        }
        if honest {
            for said in self.agents.relent(rng) {
                self.plan(said, now);
            }
        }
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let due = entry.remove();
            self.say(due);
        }
        self.confirm()?;
        if now.since(self.committed_at) >= COMMIT_EVERY {
            self.committed_at = now;
            self.commit();
        }
        Ok(())
    }

    /// Whether it has nothing to send and nothing to do.
    pub fn is_at_rest(&self) -> bool {
        self.due.is_empty() && self.under_way.is_empty() && self.agents.is_at_rest()
    }

    /// Whether its process has died.
    pub fn is_dead(&self) -> bool {
        self.process.is_dead()
    }

    fn handle(&mut self, agent: usize, event: GroupEvent, now: Timestamp, honest: bool, rng: &mut StdRng) {
        match event {
            GroupEvent::Given { partition, committed, .. } => {
                let (progress, _) = Progress::resume(committed.as_ref());
                self.given.insert((agent, partition), (progress, committed));
            }
            GroupEvent::Revoked { partition, .. } => {
                self.commit_one(agent, partition);
                self.given.remove(&(agent, partition));
            }
            GroupEvent::Record(record) => self.take(agent, &record, now, honest, rng),
        }
    }

    fn take(&mut self, agent: usize, record: &Record, now: Timestamp, honest: bool, rng: &mut StdRng) {
        let Some((progress, _)) = self.given.get_mut(&(agent, record.partition)) else { return };
        if progress.take(record.offset) != Verdict::Take {
            return;
        }
        let place = (agent, record.partition, record.offset);
        let task = decode(record.value.as_deref().unwrap_or_default()).expect("the engine writes tasks");
        match self.attempts.begin(&task.dispatch_id, place) {
            Begin::Run => {
                for said in self.agents.work(&task, honest, rng) {
                    self.plan(said, now);
                }
            }
            Begin::UnderWay => {}
            Begin::Remembered(report, place) => {
                let key = Bytes::from(task.workflow_id.to_string());
                self.send(Some(key), report, vec![place]);
            }
            Begin::Superseded(_, place) => self.done(&[place]),
        }
    }

    fn plan(&mut self, said: Said, now: Timestamp) {
        self.planned += 1;
        let (at, ends) = (now.after(said.after), said.ends);
        self.due.insert((at, self.planned), Due { said, ends });
    }

    /// The first end of an attempt is remembered and answers every record that asked for it; whatever is said beside
    /// that is sent, too.
    fn say(&mut self, Due { said, ends }: Due) {
        let value = match &said.report {
            Ok(report) => encode(report),
            Err(rubbish) => rubbish.clone(),
        };
        let places = match &said.report {
            Ok(Report { dispatch_id, .. }) if ends => self.attempts.end(dispatch_id, &value),
            _ => Vec::new(),
        };
        self.send(Some(said.key), value, places);
    }

    fn send(&mut self, key: Option<Bytes>, value: Bytes, places: Vec<Place>) {
        let record = NewRecord { topic: Topic::Results, partition: None, key, value: Some(value), headers: Vec::new() };
        self.append(Outgoing { record, places });
    }

    fn append(&mut self, outgoing: Outgoing) {
        self.last_token += 1;
        // One that is not taken is sent again once nothing is under way any more.
        let taken = self.appender.append(outgoing.record.clone(), self.last_token);
        self.broken |= matches!(taken, Err(AppendError::Fatal(_)));
        self.under_way.insert(self.last_token, outgoing);
    }

    /// What stands in the log is done; what is not known to is sent again.
    fn confirm(&mut self) -> Result<(), LogError> {
        self.acks.clear();
        let mut acks = std::mem::take(&mut self.acks);
        self.appender.poll(&mut acks);
        let mut again = Vec::new();
        for ack in acks.drain(..) {
            let Some(outgoing) = self.under_way.remove(&ack.token) else { continue };
            match ack.result {
                Ok(_) => self.done(&outgoing.places),
                Err(error) => {
                    self.broken |= matches!(error, AppendError::Fatal(_));
                    again.push(outgoing);
                }
            }
        }
        self.acks = acks;
        if self.broken || self.appender.in_flight() == 0 {
            again.extend(std::mem::take(&mut self.under_way).into_values());
        }
        if std::mem::take(&mut self.broken) {
            self.appender = self.process.appender(Purpose::Client)?;
        }
        again.into_iter().for_each(|outgoing| self.append(outgoing));
        Ok(())
    }

    fn done(&mut self, places: &[Place]) {
        for (agent, partition, offset) in places {
            if let Some((progress, _)) = self.given.get_mut(&(*agent, *partition)) {
                progress.done(*offset);
            }
        }
    }

    fn commit(&mut self) {
        let all: Vec<_> = self.given.keys().copied().collect();
        all.into_iter().for_each(|(agent, partition)| self.commit_one(agent, partition));
    }

    /// Nothing is lost where that fails: what is done is recognised, or run again.
    fn commit_one(&mut self, agent: usize, partition: u32) {
        let Some((progress, committed)) = self.given.get_mut(&(agent, partition)) else { return };
        let Some(snapshot) = progress.snapshot().filter(|snapshot| committed.as_ref() != Some(snapshot)) else {
            return;
        };
        let topic = Topic::Ready(AgentName::new(AGENTS[agent]).expect("the agents of the simulation have legal names"));
        if self.groups[agent].commit(&topic, partition, &snapshot, true).is_ok() {
            *committed = Some(snapshot);
        }
    }
}

/// A worker's process, whether there is a worker in it or not.
pub struct WorkerSlot {
    /// The process.
    pub id: ProcessId,
    /// The worker.
    pub worker: Option<Worker>,
    lives: u64,
    anew: bool,
}

impl WorkerSlot {
    /// Nobody yet.
    pub fn new(id: ProcessId) -> Self {
        Self { id, worker: None, lives: 0, anew: false }
    }

    /// Starts one where there is none, if the log answers.
    pub fn start(&mut self, process: MemoryProcess) {
        self.lives += 1;
        self.worker = Worker::new(process, self.id.0 * 1_000 + self.lives, self.anew).ok();
    }

    /// From here on its workers read every task from the start: what they have reported is lost.
    pub fn begin_anew(&mut self) {
        self.anew = true;
        self.worker = None;
    }

    /// Whether it has nothing to do.
    pub fn is_at_rest(&self) -> bool {
        self.worker.as_ref().is_some_and(Worker::is_at_rest)
    }
}

/// Dice for nobody in particular.
pub fn one_in(rng: &mut StdRng, times: u32) -> bool {
    rng.random_range(0..times) == 0
}
