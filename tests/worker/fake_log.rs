//! A log in memory on real threads, as far as workers use one, with faults to be asked for.

use bytes::Bytes;
use orchestrator::core::time::Timestamp;
use orchestrator::log::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What appenders do with the records they get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// They take and confirm them.
    #[default]
    Well,
    /// They take them, and say nothing until the mood changes.
    Silent,
    /// Their queue is full.
    Full,
    /// They take them, and do not confirm.
    Unconfirmed,
    /// They say that they have failed for good, and are of no use then.
    Fatal,
    /// They refuse them.
    Refusing,
    /// They refuse those with more bytes.
    RefusingOver(usize),
}

#[derive(Default)]
struct State {
    topics: BTreeMap<(Topic, u32), Vec<Record>>,
    partitions: u32,
    /// What the one group has committed.
    committed: BTreeMap<u32, Committed>,
    /// What the member has not been told yet.
    news: VecDeque<GroupEvent>,
    /// Partitions that the member has, with the next offset that it gets.
    given: BTreeMap<u32, u64>,
    paused: BTreeMap<u32, bool>,
    /// How often a partition was paused.
    pauses: usize,
    mood: Mood,
    away: bool,
    /// The group says nothing yet.
    undecided: bool,
    appenders: usize,
    members: usize,
    left: usize,
    commits_in_time: Vec<(u32, Committed, bool)>,
}

/// The log; clones are the same.
#[derive(Clone)]
pub struct FakeLog(Arc<(Mutex<State>, Condvar)>);

impl FakeLog {
    /// With this many partitions in every topic.
    pub fn new(partitions: u32) -> Self {
        let state = State { partitions, ..State::default() };
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn changed(&self) {
        self.0.1.notify_all();
    }

    /// Appends a record as an engine would.
    pub fn put(&self, topic: Topic, partition: u32, value: Option<Bytes>, headers: Vec<Header>) -> u64 {
        let mut state = self.lock();
        let offset = state.put(topic, partition, None, value, headers);
        drop(state);
        self.changed();
        offset
    }

    /// Everything in a topic, partition by partition.
    pub fn records(&self, topic: &Topic) -> Vec<Record> {
        let state = self.lock();
        state.topics.iter().filter(|((found, _), _)| found == topic).flat_map(|(_, records)| records.clone()).collect()
    }

    /// What is committed for a partition.
    pub fn committed(&self, partition: u32) -> Option<Committed> {
        self.lock().committed.get(&partition).cloned()
    }

    /// Every commit: partition, what, and whether it was waited for.
    pub fn commits(&self) -> Vec<(u32, Committed, bool)> {
        self.lock().commits_in_time.clone()
    }

    /// Says what is committed before anyone joins.
    pub fn commit(&self, partition: u32, offset: u64, metadata: &str) {
        self.lock().committed.insert(partition, Committed { offset, metadata: metadata.to_owned() });
    }

    pub fn set_mood(&self, mood: Mood) {
        self.lock().mood = mood;
        self.changed();
    }

    /// Whether questions are answered.
    pub fn set_away(&self, away: bool) {
        self.lock().away = away;
        self.changed();
    }

    /// Whether the group has yet to say which partitions are the member's.
    pub fn set_undecided(&self, undecided: bool) {
        self.lock().undecided = undecided;
        self.changed();
    }

    /// Takes a partition from the member.
    pub fn revoke(&self, topic: &Topic, partition: u32) {
        let mut state = self.lock();
        state.news.push_back(GroupEvent::Revoked { topic: topic.clone(), partition, thrown_out: false });
        drop(state);
        self.changed();
    }

    /// Gives a partition (back) to the member.
    pub fn give(&self, topic: &Topic, partition: u32) {
        let mut state = self.lock();
        let committed = state.committed.get(&partition).cloned();
        state.news.push_back(GroupEvent::Given { topic: topic.clone(), partition, committed });
        drop(state);
        self.changed();
    }

    /// How often partitions were held back, and how many are now.
    pub fn pauses(&self) -> (usize, usize) {
        let state = self.lock();
        (state.pauses, state.paused.values().filter(|paused| **paused).count())
    }

    /// How many appenders were made.
    pub fn appenders(&self) -> usize {
        self.lock().appenders
    }

    /// How many members have joined, and left.
    pub fn members(&self) -> (usize, usize) {
        let state = self.lock();
        (state.members, state.left)
    }

    fn answer<T>(&self, answer: impl FnOnce(&mut State) -> T) -> Result<T, LogError> {
        let mut state = self.lock();
        if state.away {
            return Err(LogError::Unreachable { at: "fake".to_owned(), reason: "it is away".to_owned() });
        }
        Ok(answer(&mut state))
    }
}

impl State {
    fn put(
        &mut self,
        topic: Topic,
        partition: u32,
        key: Option<Bytes>,
        value: Option<Bytes>,
        headers: Vec<Header>,
    ) -> u64 {
        let records = self.topics.entry((topic.clone(), partition)).or_default();
        let offset = records.len() as u64;
        records.push(Record { topic, partition, offset, time: Timestamp::default(), key, value, headers });
        offset
    }
}

struct FakeAppender {
    log: FakeLog,
    acks: Vec<Ack>,
    /// Taken in silence.
    silent: Vec<Token>,
    broken: bool,
}

impl Appender for FakeAppender {
    fn append(&mut self, record: NewRecord, token: Token) -> Result<(), AppendError> {
        if self.broken {
            return Err(AppendError::Fatal("broken".to_owned()));
        }
        let mut state = self.log.lock();
        let size = record.value.as_ref().map_or(0, Bytes::len);
        match state.mood {
            Mood::RefusingOver(limit) if size > limit => return Err(AppendError::Refused("too large".to_owned())),
            Mood::Well | Mood::RefusingOver(_) => {
                let partition = record.partition.expect("workers name the partition");
                let offset = state.put(record.topic, partition, record.key, record.value, record.headers);
                self.acks.push(Ack { token, result: Ok((partition, offset)) });
            }
            Mood::Silent => self.silent.push(token),
            Mood::Full => return Err(AppendError::Full),
            Mood::Unconfirmed => {
                self.acks.push(Ack { token, result: Err(AppendError::Unconfirmed("lost".to_owned())) });
            }
            Mood::Fatal => {
                self.broken = true;
                return Err(AppendError::Fatal("broken".to_owned()));
            }
            Mood::Refusing => return Err(AppendError::Refused("no".to_owned())),
        }
        drop(state);
        self.log.changed();
        Ok(())
    }

    fn poll(&mut self, acks: &mut Vec<Ack>) {
        acks.append(&mut self.acks);
        let mood = self.log.lock().mood;
        if mood == Mood::Fatal {
            self.broken = true;
        }
        if mood != Mood::Silent {
            let lost = |token| Ack { token, result: Err(AppendError::Unconfirmed("not in time".to_owned())) };
            acks.extend(self.silent.drain(..).map(lost));
        }
    }

    fn in_flight(&self) -> usize {
        self.acks.len() + self.silent.len()
    }
}

struct FakeGroup {
    log: FakeLog,
    topic: Topic,
    settled: bool,
}

impl FakeGroup {
    /// News first, then records: a batch of at most ten of each partition.
    fn take(&mut self, state: &mut State, out: &mut Vec<GroupEvent>) {
        if state.undecided {
            return;
        }
        self.settled = true;
        while let Some(event) = state.news.pop_front() {
            match &event {
                GroupEvent::Given { partition, committed, .. } => {
                    let next = committed.as_ref().map_or(0, |committed| committed.offset);
                    state.given.insert(*partition, next);
                    state.paused.insert(*partition, false);
                }
                GroupEvent::Revoked { partition, .. } => {
                    state.given.remove(partition);
                }
                GroupEvent::Record(_) => {}
            }
            out.push(event);
        }
        let State { given, paused, topics, .. } = state;
        for (partition, next) in given {
            if paused.get(partition) == Some(&true) {
                continue;
            }
            let records = topics.get(&(self.topic.clone(), *partition)).map_or(&[][..], Vec::as_slice);
            let new: Vec<&Record> = records.iter().filter(|record| record.offset >= *next).take(10).collect();
            if let Some(last) = new.last() {
                *next = last.offset + 1;
            }
            out.extend(new.into_iter().cloned().map(GroupEvent::Record));
        }
    }
}

impl Group for FakeGroup {
    fn poll(&mut self, wait: Duration, out: &mut Vec<GroupEvent>) -> Result<(), LogError> {
        let end = Instant::now() + wait;
        let log = self.log.clone();
        let mut state = log.lock();
        loop {
            self.take(&mut state, out);
            let left = end.saturating_duration_since(Instant::now());
            if !out.is_empty() || left.is_zero() {
                return Ok(());
            }
            state = log.0.1.wait_timeout(state, left).unwrap().0;
        }
    }

    fn is_settled(&self) -> bool {
        self.settled
    }

    fn commit(&mut self, _: &Topic, partition: u32, committed: &Committed, wait: bool) -> Result<(), LogError> {
        assert!(committed.metadata.len() <= MAX_COMMIT_METADATA);
        self.log.answer(|state| {
            state.committed.insert(partition, committed.clone());
            state.commits_in_time.push((partition, committed.clone(), wait));
        })?;
        self.log.changed();
        Ok(())
    }

    fn pause(&mut self, _: &Topic, partition: u32) -> Result<(), LogError> {
        self.log.answer(|state| {
            state.paused.insert(partition, true);
            state.pauses += 1;
        })
    }

    fn resume(&mut self, _: &Topic, partition: u32) -> Result<(), LogError> {
        self.log.answer(|state| {
            state.paused.insert(partition, false);
        })?;
        self.log.changed();
        Ok(())
    }

    fn leave(&mut self) {
        let mut state = self.log.lock();
        state.left += 1;
        state.given.clear();
    }
}

impl Log for FakeLog {
    fn appender(&self, purpose: Purpose) -> Result<Box<dyn Appender>, LogError> {
        assert_eq!(purpose, Purpose::Client);
        self.answer(|state| state.appenders += 1)?;
        Ok(Box::new(FakeAppender { log: self.clone(), acks: Vec::new(), silent: Vec::new(), broken: false }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        Err(LogError::Refused("workers do not read".to_owned()))
    }

    fn group(&self, name: &str, topics: &[Topic], membership: Membership) -> Result<Box<dyn Group>, LogError> {
        let [topic @ Topic::Ready(agent)] = topics else { panic!("{topics:?}") };
        assert_eq!((name, membership), (format!("orchestrator-workers-{agent}").as_str(), Membership::Fetch));
        self.answer(|state| {
            state.members += 1;
            for partition in 0..state.partitions {
                let committed = state.committed.get(&partition).cloned();
                state.news.push_back(GroupEvent::Given { topic: topic.clone(), partition, committed });
            }
        })?;
        Ok(Box::new(FakeGroup { log: self.clone(), topic: topic.clone(), settled: false }))
    }

    fn look_at_group(&self, _: &str, _: &Topic) -> Result<GroupSeen, LogError> {
        Err(LogError::Refused("workers do not look at groups".to_owned()))
    }

    fn ends(&self, _: &Topic, _: u32) -> Result<Ends, LogError> {
        Err(LogError::Refused("workers do not ask for ends".to_owned()))
    }

    fn offset_at(&self, _: &Topic, _: u32, _: Timestamp) -> Result<u64, LogError> {
        Err(LogError::Refused("workers do not ask for times".to_owned()))
    }

    fn partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError> {
        // Tasks are replied to in partition 2.
        let at_least = if *topic == Topic::Results { 3 } else { 0 };
        self.answer(|state| Some(state.partitions.max(at_least)))
    }

    fn create_topics(&self, _: &[TopicSpec]) -> Result<(), LogError> {
        self.answer(|_| ())
    }

    fn topic_settings(&self, _: &Topic) -> Result<Vec<(String, String)>, LogError> {
        Ok(Vec::new())
    }

    fn brokers(&self) -> Result<u32, LogError> {
        self.answer(|_| 1)
    }

    fn cluster(&self) -> String {
        "fake".to_owned()
    }
}
