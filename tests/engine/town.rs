//! An installation of two partitions in memory, one engine, a projector, and whoever publishes by hand.

use super::desk::Desk;
use super::wires::{Board, Wired};
use bytes::Bytes;
use orchestrator::core::definition::validate::validate;
use orchestrator::core::definition::{Definition, DefinitionRef};
use orchestrator::core::event::{PartitionEvent, Recorded};
use orchestrator::core::id::{AgentName, WorkflowId};
use orchestrator::core::json::Json;
use orchestrator::core::partition::partition_of;
use orchestrator::core::time::Timestamp;
use orchestrator::engine::owner::Owning;
use orchestrator::engine::{Engine, EngineParts, EngineSettings};
use orchestrator::journal::record::{JournalRecord, Owner, PartitionTaken};
use orchestrator::log::memory::{Clock, MemoryLog, ProcessId};
use orchestrator::log::plan::{agent_topics, topic_plan};
use orchestrator::log::{Appender, Header, Log, NewRecord, Purpose, Record, Topic};
use orchestrator::projector::Projector;
use orchestrator::store::Store;
use orchestrator::store::memory::MemoryStore;
use orchestrator::store::row::{ProjectionBatch, RunRow};
use orchestrator::wire::answer::{self, Response};
use orchestrator::wire::definition::{self, DefinitionRecord};
use orchestrator::wire::event::{self, Published};
use orchestrator::wire::journal;
use orchestrator::wire::report::{self, Report, ReportOutcome};
use orchestrator::wire::task::{self, Task};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub const PARTITIONS: u32 = 2;
/// How far one turn moves the clock.
pub const TURN: Duration = Duration::from_millis(20);
/// How far a long turn moves it: less than a member of a group may be silent.
const LONG_TURN: Duration = Duration::from_secs(5);
const ENGINE: ProcessId = ProcessId(1);
const OTHERS: ProcessId = ProcessId(2);
/// Longer than any pause, grace and session together.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Town {
    pub log: MemoryLog,
    pub board: Board,
    pub engine: Option<Engine>,
    /// The agents of its process.
    pub desk: Arc<Desk>,
    store: Arc<MemoryStore>,
    clock: Clock,
    hand: Box<dyn Appender>,
    token: u64,
    seed: u64,
}

/// A definition `name` of one node `work`, whose attempts may take two seconds.
pub fn one_node(name: &str) -> Definition {
    let node = json!({ "node_id": "work", "agent_name": "hand", "timeout": "2s", "retry": { "max_retries": 0 } });
    validate(json!({ "name": name, "nodes": [node] })).unwrap()
}

impl Town {
    /// Without an engine yet; these definitions are applied.
    pub fn new(definitions: &[Definition]) -> Self {
        let clock = Clock::at(Timestamp::from_millis(1_767_225_600_000));
        let log = MemoryLog::new(clock.clone(), 1);
        let others = log.process(OTHERS);
        let mut topics = topic_plan(PARTITIONS, 1);
        topics.extend(agent_topics(&AgentName::new("hand").unwrap(), PARTITIONS, 1));
        others.create_topics(&topics).unwrap();
        let hand = others.appender(Purpose::Client).unwrap();
        let (board, store, desk) = (Board::default(), Arc::new(MemoryStore::new()), Arc::default());
        let mut town = Self { log, board, engine: None, desk, store, clock, hand, token: 0, seed: 0 };
        for definition in definitions {
            town.apply(definition);
        }
        town
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says that a definition is there.
    pub fn apply(&mut self, applied: &Definition) {
        let reference = DefinitionRef { name: applied.name.clone(), version: 1, hash: applied.hash.clone() };
        let document = applied.document.clone();
        let (key, value) =
            definition::encode(&DefinitionRecord::Applied { reference, applied_at: self.now(), document });
        self.append(Topic::Definitions, Some(0), Some(key), value, vec![]);
    }

    /// Starts an engine, after the one before has left its group.
    pub fn start(&mut self) {
        self.pass(Duration::from_secs(15));
        self.seed += 1;
        let log = Arc::new(Wired { process: self.log.process(ENGINE), board: self.board.clone() });
        let settings = EngineSettings { partitions: PARTITIONS, ..EngineSettings::default() };
        let store: Arc<dyn Store> = self.store.clone();
        let parts = EngineParts {
            log,
            local: self.desk.clone(),
            store: Some(store),
            settings,
            seed: self.seed,
            on_threads: false,
        };
        self.engine = Some(Engine::new(parts).unwrap());
    }

    /// Starts an engine that owns both partitions.
    pub fn start_and_own(&mut self) {
        self.start();
        self.until("both partitions are owned", |town| (0..PARTITIONS).all(|p| town.owner(p).is_some()));
    }

    /// The engine is killed.
    pub fn kill(&mut self) {
        self.log.drop_process(ENGINE);
        self.engine = None;
    }

    /// Somebody else takes a partition.
    #[track_caller]
    pub fn lose(&mut self, partition: u32) {
        let (term, owner, time, text) = (1_000, Owner([7; 16]), self.now(), String::new);
        let taken = PartitionTaken { term, owner, time, group: text(), host: text(), version: text(), cluster: text() };
        let value = journal::encode(&JournalRecord::PartitionTaken(taken));
        self.append(Topic::Journal, Some(partition), None, value, vec![]);
        self.until("the partition is lost", |town| town.owner(partition).is_none());
    }

    /// The store takes in what the journals hold.
    pub fn project(&mut self) {
        for partition in 0..PARTITIONS {
            let store: Arc<dyn Store> = self.store.clone();
            let mut projector = Projector::new(&self.log.process(OTHERS), store, partition).unwrap();
            for _ in 0..20 {
                projector.poll(Duration::ZERO).unwrap();
            }
        }
    }

    /// The store says that a run has seen one event fewer than it has.
    pub fn set_store_back(&self, id: &str) {
        let partition = home(id);
        let snapshot = self.store.snapshot(partition, Timestamp(0), 0).unwrap().unwrap();
        let stored = snapshot.runs.into_iter().find(|stored| stored.run.workflow_id.as_str() == id).unwrap();
        let mut run = stored.run;
        run.sequence -= 1;
        let batch = ProjectionBatch {
            partition,
            expected: Some(snapshot.position.clone()),
            next: snapshot.position,
            runs: vec![RunRow { run, chain: stored.chain }],
            carried: vec![],
            results: vec![],
            operations: vec![],
            errors: vec![],
            letters: vec![],
            handled: vec![],
            metrics: vec![],
            offsets: vec![],
            workflow_offsets: vec![],
        };
        self.store.commit(&batch).unwrap();
    }

    pub fn owner(&self, partition: u32) -> Option<&Owning> {
        self.engine.as_ref()?.partition(partition)?.owned()
    }

    /// One turn of the engine, and some time.
    pub fn turn(&mut self) {
        let now = self.now();
        if let Some(engine) = &mut self.engine {
            engine.poll(|| now, Duration::ZERO).unwrap();
        }
        self.hand.poll(&mut vec![]);
        self.pass(TURN);
    }

    pub fn turns_for(&mut self, time: Duration) {
        let until = self.now().after(time);
        while self.now() < until {
            self.turn();
        }
    }

    /// Long turns, as of an engine that has little to do.
    pub fn sleep_until(&mut self, time: Timestamp) {
        while self.now() < time {
            self.turn();
            self.pass(LONG_TURN);
        }
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let limit = self.now().after(PATIENCE);
        while !condition(self) {
            assert!(self.now() < limit, "it never comes to this: {what}");
            self.turn();
        }
    }

    pub fn pass(&self, time: Duration) {
        self.log.advance(time);
    }

    pub fn append(
        &mut self,
        topic: Topic,
        partition: Option<u32>,
        key: Option<Bytes>,
        value: Bytes,
        headers: Vec<Header>,
    ) {
        self.token += 1;
        self.hand.append(NewRecord { topic, partition, key, value: Some(value), headers }, self.token).unwrap();
        self.pass(Duration::ZERO);
    }

    /// Asks for a run, in a partition of one's choice.
    pub fn request_in(&mut self, partition: u32, definition: &str, id: &str) {
        let body = json!({ "definition": definition, "input": { "n": 1 }, "workflow_id": id });
        let value = Bytes::from(body.to_string());
        self.append(Topic::Requests, Some(partition), Some(Bytes::copy_from_slice(id.as_bytes())), value, vec![]);
    }

    pub fn request(&mut self, definition: &str, id: &str) {
        self.request_in(home(id), definition, id);
    }

    /// Asks for a run, and waits for its task.
    #[track_caller]
    pub fn begin(&mut self, definition: &str, id: &str) -> Task {
        self.request(definition, id);
        self.until("the task is there", |town| town.task(id).is_some());
        self.task(id).unwrap()
    }

    pub fn task(&self, id: &str) -> Option<Task> {
        self.tasks().into_iter().find(|task| task.workflow_id.as_str() == id)
    }

    /// Everything that was handed out.
    pub fn tasks(&self) -> Vec<Task> {
        let topic = Topic::Ready(AgentName::new("hand").unwrap());
        let records = self.records(&topic);
        records.iter().map(|record| task::decode(record.value.as_ref().unwrap()).unwrap()).collect()
    }

    pub fn report(&mut self, task: &Task, outcome: ReportOutcome) {
        let (dispatch_id, workflow_id) = (task.dispatch_id.clone(), task.workflow_id.clone());
        let key = Bytes::copy_from_slice(workflow_id.as_str().as_bytes());
        let value = report::encode(&Report { dispatch_id, workflow_id, outcome, usage: None });
        self.append(Topic::Results, Some(task.reply_partition), Some(key), value, vec![]);
    }

    pub fn complete(&mut self, task: &Task) {
        self.report(task, ReportOutcome::Completed(Json::parse("7").unwrap()));
    }

    /// All records of a topic, partition by partition.
    pub fn records(&self, topic: &Topic) -> Vec<Record> {
        (0..PARTITIONS).flat_map(|partition| self.log.records(topic, partition)).collect()
    }

    pub fn dead_letters(&self) -> Vec<Value> {
        let records = self.records(&Topic::DeadLetters);
        records.iter().map(|record| serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()).collect()
    }

    /// The responses to a workflow: `answer`, or the reason of a refusal.
    pub fn responses(&self, id: &str) -> Vec<String> {
        let word = |record: &Record| match answer::decode(record.value.as_ref().unwrap()).unwrap() {
            Response::Answer { workflow_id, .. } => (Some(workflow_id), "answer".to_owned()),
            Response::Refused { workflow_id, reason, .. } => (workflow_id, reason),
        };
        let all = self.records(&Topic::Responses);
        all.iter().map(word).filter(|(of, _)| of.as_ref().is_some_and(|of| of.as_str() == id)).map(|(_, w)| w).collect()
    }

    pub fn is_answered(&self, id: &str) -> bool {
        self.responses(id).iter().any(|word| word == "answer")
    }

    fn published(&self) -> Vec<Published> {
        self.records(&Topic::Events)
            .iter()
            .map(|record| event::decode(record.value.as_ref().unwrap()).unwrap())
            .collect()
    }

    /// The published events of all runs.
    pub fn run_events(&self) -> Vec<Recorded> {
        let of_run = |published: Published| match published {
            Published::Run(recorded) => Some(recorded),
            Published::Partition(_) => None,
        };
        self.published().into_iter().filter_map(of_run).collect()
    }

    /// A workflow's published events.
    pub fn recorded(&self, id: &str) -> Vec<Recorded> {
        self.run_events().into_iter().filter(|recorded| recorded.workflow_id.as_str() == id).collect()
    }

    /// The names of a workflow's published events.
    pub fn events(&self, id: &str) -> Vec<&'static str> {
        self.recorded(id).iter().map(|recorded| recorded.event.name()).collect()
    }

    /// What was published of the partitions themselves.
    pub fn partition_events(&self) -> Vec<PartitionEvent> {
        let event = |published: Published| match published {
            Published::Partition(recorded) => Some(recorded.event),
            Published::Run(_) => None,
        };
        self.published().into_iter().filter_map(event).collect()
    }

    pub fn journal(&self, partition: u32) -> Vec<JournalRecord> {
        let records = self.log.records(&Topic::Journal, partition);
        records.iter().map(|record| journal::decode(record.value.as_ref().unwrap()).unwrap()).collect()
    }

    pub fn takings(&self, partition: u32) -> usize {
        self.journal(partition).iter().filter(|record| matches!(record, JournalRecord::PartitionTaken(_))).count()
    }

    /// Whether a run is known, and has not ended.
    pub fn is_unfinished(&self, id: &str) -> bool {
        let id = WorkflowId::new(id).unwrap();
        self.owner(home(id.as_str())).is_some_and(|owner| owner.state().runs.contains_key(&id))
    }
}

/// The partition of a workflow.
pub fn home(id: &str) -> u32 {
    partition_of(id.as_bytes(), PARTITIONS)
}

/// A workflow id that begins so, and whose home is this partition.
pub fn id_in(partition: u32, name: &str) -> String {
    (0..).map(|n| format!("{name}-{n}")).find(|id| home(id) == partition).unwrap()
}
