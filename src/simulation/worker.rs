//! A worker's process: the production worker's protocol (what it remembers of attempts, and what it commits to its group),
//! around agents that are slow, repeat themselves, contradict themselves, lie, or never answer.

use super::agent::{Agents, Said, of_a_runner};
use super::definitions::AGENTS;
use crate::core::id::AgentName;
use crate::core::time::Timestamp;
use crate::local::LocalReport;
use crate::log::memory::{Clock, MemoryProcess};
use crate::log::{
    Ack, AppendError, Appender, Committed, Group, GroupEvent, Log, LogError, Membership, NewRecord, Purpose, Record,
    Token, Topic,
};
use crate::wire::report::{Report, encode};
use crate::wire::task::{Task, decode};
use crate::worker::attempts::{Attempts, Begin, MemoryLimits};
use crate::worker::progress::{Progress, Verdict};
use crate::worker::runner::{Desk, Hands, Inbox, LocalPlace, report_end, superseded};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So much is remembered: little, so that a repeated dispatch is sometimes a new one.
const LIMITS: MemoryLimits = MemoryLimits { results: 12, bytes: 1 << 20, nodes: 12 };
/// How often progress is committed.
const COMMIT_EVERY: Duration = Duration::from_millis(500);

/// Where an attempt was asked for.
enum Place {
    /// A record: the agent, the partition, the offset.
    Record(usize, u32, u64),
    /// The engine of the same process.
    Local(Arc<LocalPlace>),
}

impl Place {
    fn local(&self) -> Option<&LocalPlace> {
        match self {
            Self::Record(..) => None,
            Self::Local(place) => Some(place),
        }
    }
}

/// A task, on its way to its agent.
struct Job {
    task: Task,
    place: Place,
}

/// The moment in which something is done, its dice, and whether everyone is as good as can be.
struct Turn<'a> {
    now: Timestamp,
    honest: bool,
    rng: &'a mut StdRng,
}

/// What is to be sent, and the records that are done once it stands in the log.
struct Outgoing {
    record: NewRecord,
    places: Vec<Place>,
}

/// What a worker does at some time.
struct Due {
    said: Said,
    agent: usize,
    /// The partition of the run.
    partition: u32,
    /// Where it is said before the end, if not in `results`: to the engine of the same process.
    inbox: Option<Arc<Inbox>>,
}

/// A worker's process while it lives.
pub struct Worker {
    process: MemoryProcess,
    groups: Vec<Box<dyn Group>>,
    given: BTreeMap<(usize, u32), (Progress, Option<Committed>)>,
    attempts: Attempts<Place>,
    agents: Agents,
    /// How many attempts of each agent run at once, and those that wait.
    desks: Vec<Desk<Job>>,
    clock: Clock,
    /// For what the engine of the same process has it do: the dice, and whether it is honest.
    dice: StdRng,
    honest: bool,
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
    /// Its answers are told from others' by its number. It runs so many attempts of an agent at once.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn new(process: MemoryProcess, clock: Clock, number: u64, anew: bool, places: usize) -> Result<Self, LogError> {
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
            desks: AGENTS.iter().map(|_| Desk::new(places)).collect(),
            clock,
            dice: StdRng::seed_from_u64(number),
            honest: false,
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
    pub fn poll(&mut self, honest: bool, rng: &mut StdRng) -> Result<(), LogError> {
        let mut turn = Turn { now: self.clock.now(), honest, rng };
        for agent in 0..self.groups.len() {
            let mut events = std::mem::take(&mut self.events);
            self.groups[agent].poll(Duration::ZERO, &mut events)?;
            for event in events.drain(..) {
                self.handle(agent, event, &mut turn);
            }
            self.events = events;
        }
        if honest {
            for (task, all) in self.agents.relent(turn.rng) {
                all.into_iter().for_each(|said| self.plan(said, &task, None, turn.now));
            }
        }
        self.say_what_is_due(&mut turn);
        self.confirm()?;
        if turn.now.since(self.committed_at) >= COMMIT_EVERY {
            self.committed_at = turn.now;
            self.commit();
        }
        Ok(())
    }

    /// The engine of the same process will take its turn, in which agents may have to do, too.
    pub fn prepare(&mut self, honest: bool, dice: u64) {
        (self.honest, self.dice) = (honest, StdRng::seed_from_u64(dice));
    }

    /// Whether it has nothing to send and nothing to do.
    pub fn is_at_rest(&self) -> bool {
        self.due.is_empty() && self.under_way.is_empty() && self.agents.is_at_rest()
    }

    /// Whether attempts are under way.
    pub fn is_at_work(&self) -> bool {
        self.attempts.under_way() > 0
    }

    /// Whether its process has died.
    pub fn is_dead(&self) -> bool {
        self.process.is_dead()
    }

    fn handle(&mut self, agent: usize, event: GroupEvent, turn: &mut Turn) {
        match event {
            GroupEvent::Given { partition, committed, .. } => {
                self.forget(agent, partition);
                let (progress, _) = Progress::resume(committed.as_ref());
                self.given.insert((agent, partition), (progress, committed));
            }
            GroupEvent::Revoked { partition, .. } => {
                self.forget(agent, partition);
                self.commit_one(agent, partition);
                self.given.remove(&(agent, partition));
            }
            GroupEvent::Record(record) => self.take(agent, &record, turn),
        }
    }

    /// What waits of a partition will be run elsewhere.
    fn forget(&self, agent: usize, partition: u32) {
        self.desks[agent].forget(|job| matches!(job.place, Place::Record(_, of, _) if of == partition));
    }

    fn take(&mut self, agent: usize, record: &Record, turn: &mut Turn) {
        let Some((progress, _)) = self.given.get_mut(&(agent, record.partition)) else { return };
        if progress.take(record.offset) != Verdict::Take {
            return;
        }
        let place = Place::Record(agent, record.partition, record.offset);
        let task = decode(record.value.as_deref().unwrap_or_default()).expect("the engine writes tasks");
        if let Some(job) = self.desks[agent].admit(Job { task, place }) {
            self.begin(agent, job, turn);
        }
    }

    /// Begins a job that has a place, or whatever gets the place after it.
    fn begin(&mut self, agent: usize, job: Job, turn: &mut Turn) {
        let mut next = Some(job);
        while let Some(Job { task, place }) = next {
            let inbox = place.local().map(|place| place.inbox().clone());
            match self.attempts.begin(&task.dispatch_id, place) {
                Begin::Run => {
                    let all = match &inbox {
                        Some(_) => of_a_runner(self.agents.work_here(&task, turn.honest, turn.rng), &task, turn.rng),
                        None => self.agents.work(&task, turn.honest, turn.rng),
                    };
                    all.into_iter().for_each(|said| self.plan(said, &task, inbox.clone(), turn.now));
                    return;
                }
                Begin::UnderWay => {}
                Begin::Remembered(report, place) => self.report_end(of_task(&task, report), vec![place]),
                Begin::Superseded(newest, place) => {
                    self.report_end(of_task(&task, superseded(&task, newest)), vec![place]);
                }
            }
            next = self.desks[agent].next();
        }
    }

    fn plan(&mut self, said: Said, task: &Task, inbox: Option<Arc<Inbox>>, now: Timestamp) {
        self.planned += 1;
        let agent = agent_of(task).expect("the agents of the simulation are these");
        let due = Due { agent, partition: task.reply_partition, inbox, said };
        self.due.insert((now.after(due.said.after), self.planned), due);
    }

    fn say_what_is_due(&mut self, turn: &mut Turn) {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= turn.now) {
            let due = entry.remove();
            self.say(due, turn);
        }
    }

    /// The first end of an attempt is remembered and answers all who asked for it; whatever is said beside that is sent,
    /// too.
    fn say(&mut self, Due { said, agent, partition, inbox }: Due, turn: &mut Turn) {
        let report = match said.report {
            Ok(report) => report,
            Err(rubbish) => return self.send(Some(said.key), rubbish, Vec::new()),
        };
        let value = encode(&report);
        let Report { dispatch_id, workflow_id, .. } = report;
        if !said.ends {
            let report = LocalReport { dispatch_id, workflow_id, partition, value: Some(value), traceparent: None };
            let left = inbox.map_or(Some(report.clone()), |inbox| inbox.deliver(report));
            return left
                .into_iter()
                .for_each(|report| self.send(Some(said.key.clone()), report.value.unwrap_or_default(), Vec::new()));
        }
        let places = self.attempts.end(&dispatch_id, &value);
        let has_ended = !places.is_empty();
        self.report_end(
            LocalReport { dispatch_id, workflow_id, partition, value: Some(value), traceparent: None },
            places,
        );
        if has_ended && let Some(next) = self.desks[agent].next() {
            self.begin(agent, next, turn);
        }
    }

    fn report_end(&mut self, report: LocalReport, places: Vec<Place>) {
        if let Some(report) = report_end(report, places.iter().map(Place::local)) {
            self.send_report(report, places);
        }
    }

    fn send_report(&mut self, report: LocalReport, places: Vec<Place>) {
        let key = Bytes::from(report.workflow_id.to_string());
        self.send(Some(key), report.value.unwrap_or_default(), places);
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
        for place in places {
            if let Place::Record(agent, partition, offset) = place
                && let Some((progress, _)) = self.given.get_mut(&(*agent, *partition))
            {
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

/// A runner of the simulation, as the engine of its process sees it.
impl Hands for Mutex<Worker> {
    fn take_place(&self, agent: &AgentName) -> bool {
        let worker = locked(self);
        AGENTS.iter().position(|name| *name == agent.as_str()).is_some_and(|agent| worker.desks[agent].take_place())
    }

    fn start(&self, task: Task, _: Option<Bytes>, place: Arc<LocalPlace>) {
        let mut worker = locked(self);
        let Some(agent) = agent_of(&task) else { return };
        let mut dice = std::mem::replace(&mut worker.dice, StdRng::seed_from_u64(0));
        let (now, honest) = (worker.clock.now(), worker.honest);
        let mut turn = Turn { now, honest, rng: &mut dice };
        worker.begin(agent, Job { task, place: Place::Local(place) }, &mut turn);
        worker.say_what_is_due(&mut turn);
        worker.dice = dice;
    }

    fn send_to_log(&self, report: LocalReport) {
        locked(self).send_report(report, Vec::new());
    }
}

/// Locks a worker: there is one thread.
pub fn locked(worker: &Mutex<Worker>) -> MutexGuard<'_, Worker> {
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}

fn agent_of(task: &Task) -> Option<usize> {
    AGENTS.iter().position(|name| *name == task.agent_name.as_str())
}

/// A report of a task's attempt.
fn of_task(task: &Task, report: Bytes) -> LocalReport {
    let (dispatch_id, workflow_id) = (task.dispatch_id.clone(), task.workflow_id.clone());
    LocalReport { dispatch_id, workflow_id, partition: task.reply_partition, value: Some(report), traceparent: None }
}

/// Dice for nobody in particular.
pub fn one_in(rng: &mut StdRng, times: u32) -> bool {
    rng.random_range(0..times) == 0
}
