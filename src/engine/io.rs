//! The engine's hands: appends and reads for all partitions of a process, and says what became of them.

use super::perform::EffectRef;
use super::settings::EngineSettings;
use crate::core::id::AgentName;
use crate::log::plan::agent_topics;
use crate::log::{Ack, AppendError, Appender, Ends, Log, LogError, NewRecord, Purpose, Reader, Token, Topic};
use crate::planted::{Bug, is_planted};
use bytes::Bytes;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

/// Who is told about an append: a partition, in the claim during which it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// The partition.
    pub partition: u32,
    /// Counts takings of this process.
    pub claim: u64,
}

/// What a partition is told about its appends.
#[derive(Debug)]
pub enum Signal {
    /// The journal did not take a record, or is not known to have.
    JournalFailed(String),
    /// The event stream did not take a record.
    PublicationFailed(String),
    /// An effect of a step is done.
    Done {
        /// The step.
        step: u64,
    },
    /// An effect of a step has failed for good.
    EffectFailed {
        /// The step.
        step: u64,
        /// The effect.
        effect: EffectRef,
        /// The record that was not taken.
        record: NewRecord,
        /// Why.
        message: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Journal = 0,
    Effects = 1,
    Events = 2,
}

enum Flight {
    Journal,
    Publication { step: u64 },
    Effect { step: u64, effect: EffectRef, record: NewRecord },
}

/// One of the three appenders, with what is under way on it.
struct LaneState {
    purpose: Purpose,
    appender: Box<dyn Appender>,
    flights: BTreeMap<Token, (Claimant, Flight)>,
    backlog: VecDeque<(Token, NewRecord)>,
}

/// The clients of one engine.
pub struct Io {
    log: Arc<dyn Log>,
    reader: Box<dyn Reader>,
    delays: Box<dyn Reader>,
    lanes: [LaneState; 3],
    next_token: Token,
    known_agents: HashSet<AgentName>,
    /// The claims under way, by partition.
    claims: BTreeMap<u32, u64>,
    partitions: u32,
    acks: Vec<Ack>,
}

impl Io {
    /// Connects.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn new(log: Arc<dyn Log>, settings: &EngineSettings) -> Result<Self, LogError> {
        let lane = |purpose| -> Result<LaneState, LogError> {
            let appender = log.appender(purpose)?;
            Ok(LaneState { purpose, appender, flights: BTreeMap::new(), backlog: VecDeque::new() })
        };
        let lanes = [lane(Purpose::Journal)?, lane(Purpose::Effects)?, lane(Purpose::Events)?];
        Ok(Self {
            reader: log.reader()?,
            delays: log.patient_reader()?,
            lanes,
            log,
            next_token: 0,
            known_agents: HashSet::new(),
            claims: BTreeMap::new(),
            partitions: settings.partitions,
            acks: Vec::new(),
        })
    }

    /// What is performed for this claim is tried until it lands.
    pub fn begin_claim(&mut self, claimant: Claimant) {
        self.claims.insert(claimant.partition, claimant.claim);
    }

    /// What a claim that is over has under way is not tried again: the next one, here or elsewhere, performs it.
    pub fn end_claim(&mut self, partition: u32) {
        self.claims.remove(&partition);
    }

    fn is_over(&self, claimant: Claimant) -> bool {
        self.claims.get(&claimant.partition) != Some(&claimant.claim)
    }

    /// The reader of all partitions.
    pub fn reader(&mut self) -> &mut dyn Reader {
        &mut *self.reader
    }

    /// The reader of the delay topics of all partitions. What it reads waits anyway, and it is apart so that fetches for
    /// what is urgent stay small.
    pub fn delays(&mut self) -> &mut dyn Reader {
        &mut *self.delays
    }

    /// The ends of a partition, asked for now.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn ends(&self, topic: &Topic, partition: u32) -> Result<Ends, LogError> {
        self.log.ends(topic, partition)
    }

    /// How often the log has answered again after it had not.
    pub fn interruptions(&self) -> u64 {
        self.log.interruptions()
    }

    /// What identifies the log.
    pub fn cluster(&self) -> String {
        self.log.cluster()
    }

    /// Appends a record to the journal.
    pub fn append_journal(&mut self, claimant: Claimant, value: Bytes) {
        let record = NewRecord {
            topic: Topic::Journal,
            partition: Some(claimant.partition),
            key: None,
            value: Some(value),
            headers: Vec::new(),
        };
        self.append(Lane::Journal, claimant, Flight::Journal, record);
    }

    /// Publishes an event.
    pub fn publish(&mut self, claimant: Claimant, step: u64, record: NewRecord) {
        self.append(Lane::Events, claimant, Flight::Publication { step }, record);
    }

    /// Performs an effect.
    pub fn perform(&mut self, claimant: Claimant, step: u64, effect: EffectRef, record: NewRecord) {
        self.append(Lane::Effects, claimant, Flight::Effect { step, effect, record: record.clone() }, record);
    }

    /// Creates the topics of an agent, once in the life of this process.
    pub fn ensure_agent(&mut self, agent: &AgentName) {
        if self.known_agents.contains(agent) {
            return;
        }
        let created = self
            .log
            .brokers()
            .and_then(|brokers| self.log.create_topics(&agent_topics(agent, self.partitions, brokers)));
        if let Err(error) = &created {
            tracing::warn!(%agent, %error, "the topics of an agent could not be created");
        }
        // Who may not create topics is not asked to again: a dispatch fails until somebody has made them.
        if !matches!(created, Err(LogError::Unreachable { .. })) {
            self.known_agents.insert(agent.clone());
        }
    }

    fn append(&mut self, lane: Lane, claimant: Claimant, flight: Flight, record: NewRecord) {
        // The lowest two bits of a token name its lane.
        let token = self.next_token | lane as Token;
        self.next_token += 4;
        let lane = &mut self.lanes[lane as usize];
        lane.flights.insert(token, (claimant, flight));
        lane.send(token, record, &mut self.acks);
    }

    /// Whether records wait for a poll that will not be long in coming.
    pub fn is_gathering(&self) -> bool {
        self.lanes.iter().any(|lane| lane.appender.is_gathering())
    }

    /// Moves what is under way; what became of it, by partition.
    pub fn poll(&mut self, signals: &mut Vec<(Claimant, Signal)>) {
        for lane in [Lane::Journal, Lane::Effects, Lane::Events] {
            let mut acks = std::mem::take(&mut self.acks);
            self.lanes[lane as usize].poll(&mut acks);
            // Settling may append again, and what fails at once is settled in the next turn.
            for ack in acks {
                self.settle(ack, signals);
            }
        }
    }

    fn settle(&mut self, ack: Ack, signals: &mut Vec<(Claimant, Signal)>) {
        let index = (ack.token & 3) as usize;
        match ack.result {
            Ok(_) => {
                if let Some((claimant, flight)) = self.lanes[index].flights.remove(&ack.token) {
                    match flight {
                        Flight::Journal => {}
                        Flight::Publication { step } | Flight::Effect { step, .. } => {
                            signals.push((claimant, Signal::Done { step }));
                        }
                    }
                }
            }
            Err(error) => self.failed(index, ack.token, error, signals),
        }
    }

    fn failed(&mut self, index: usize, token: Token, error: AppendError, signals: &mut Vec<(Claimant, Signal)>) {
        // One that was under way on an appender that has been replaced since: it was looked after then.
        if !self.lanes[index].flights.contains_key(&token) {
            return;
        }
        let fatal = matches!(error, AppendError::Fatal(_));
        // After any error on the event stream nothing more may land on that appender: it is gapless.
        if fatal || index == Lane::Events as usize {
            self.rebuild(index, &error, signals);
            return;
        }
        let Some((claimant, flight)) = self.lanes[index].flights.remove(&token) else { return };
        match (flight, error) {
            (Flight::Journal, error) => signals.push((claimant, Signal::JournalFailed(error.to_string()))),
            (Flight::Publication { .. }, error) => {
                signals.push((claimant, Signal::PublicationFailed(error.to_string())));
            }
            (Flight::Effect { step, effect, record }, AppendError::Refused(message)) => {
                signals.push((claimant, Signal::EffectFailed { step, effect, record, message }));
            }
            (Flight::Effect { .. }, _) if self.is_over(claimant) => {}
            (Flight::Effect { step, .. }, _) if is_planted(Bug::TakesUnconfirmedAsDone) => {
                signals.push((claimant, Signal::Done { step }));
            }
            (Flight::Effect { step, effect, record }, error) => {
                // An outage is waited out; the record may stand twice then, with the same ids.
                tracing::warn!(topic = %record.topic, %error, "an effect was not confirmed; performing it again");
                self.append(Lane::Effects, claimant, Flight::Effect { step, effect, record: record.clone() }, record);
            }
        }
    }

    /// Makes an appender anew. Effects that were under way are performed again; partitions whose journal records or
    /// publications were under way are told, and recover.
    fn rebuild(&mut self, index: usize, error: &AppendError, signals: &mut Vec<(Claimant, Signal)>) {
        let lane = &mut self.lanes[index];
        tracing::warn!(purpose = ?lane.purpose, %error, "an appender has failed; making a new one");
        match self.log.appender(lane.purpose) {
            Ok(appender) => lane.appender = appender,
            Err(error) => tracing::error!(%error, "no new appender could be made; trying again at the next append"),
        }
        lane.backlog.clear();
        for (_, (claimant, flight)) in std::mem::take(&mut lane.flights) {
            match flight {
                Flight::Journal => signals.push((claimant, Signal::JournalFailed(error.to_string()))),
                Flight::Publication { .. } => signals.push((claimant, Signal::PublicationFailed(error.to_string()))),
                Flight::Effect { .. } if self.is_over(claimant) => {}
                Flight::Effect { step, effect, record } => {
                    let again = Flight::Effect { step, effect, record: record.clone() };
                    self.append(Lane::Effects, claimant, again, record);
                }
            }
        }
    }
}

impl LaneState {
    fn send(&mut self, token: Token, record: NewRecord, failures: &mut Vec<Ack>) {
        if !self.backlog.is_empty() {
            self.backlog.push_back((token, record));
            return;
        }
        match self.appender.append(record.clone(), token) {
            Ok(()) => {}
            Err(AppendError::Full) => self.backlog.push_back((token, record)),
            Err(error) => failures.push(Ack { token, result: Err(error) }),
        }
    }

    fn poll(&mut self, acks: &mut Vec<Ack>) {
        self.appender.poll(acks);
        while let Some((token, record)) = self.backlog.pop_front() {
            match self.appender.append(record.clone(), token) {
                Ok(()) => {}
                Err(AppendError::Full) => {
                    self.backlog.push_front((token, record));
                    return;
                }
                Err(error) => acks.push(Ack { token, result: Err(error) }),
            }
        }
    }
}
