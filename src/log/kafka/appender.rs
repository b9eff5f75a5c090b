//! Appends over an idempotent producer.

use super::super::{Ack, AppendError, Appender, NewRecord, Purpose, Token, Topic};
use super::control::Asker;
use super::faults;
use super::gather::Gather;
use super::lifeline::Lifeline;
use super::names::Names;
use super::raw::{Event, Message, Tap};
use super::watch::{Context, Watch, log_line};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long it is looked whether a topic is there.
const LOOK: Duration = Duration::from_secs(2);
/// At most so many records are held: a few thousand are one request's worth.
const MAX_HELD: usize = 10_000;

/// An [`Appender`] of Kafka.
pub(super) struct KafkaAppender {
    outbox: Tap<BaseProducer<Context>>,
    purpose: Purpose,
    names: Names,
    known: HashMap<Topic, String>,
    asker: Asker,
    watch: Arc<Watch>,
    lifeline: Lifeline,
    in_flight: usize,
    gather: Gather,
    /// Why nothing can be appended any more.
    dead: Option<String>,
}

impl KafkaAppender {
    /// Takes a producer over.
    pub(super) fn new(producer: BaseProducer<Context>, purpose: Purpose, names: Names, asker: Asker) -> Option<Self> {
        let outbox = Tap::producer(producer)?;
        let watch = Arc::clone(asker.watch());
        let lifeline = Lifeline::new(Arc::clone(&watch));
        Some(Self {
            outbox,
            purpose,
            names,
            known: HashMap::new(),
            asker,
            watch,
            lifeline,
            in_flight: 0,
            gather: Gather::new(purpose),
            dead: None,
        })
    }

    /// What an error is for the caller, and whether it is the end of this appender.
    fn judge(&mut self, topic: &str, code: Code) -> AppendError {
        let fatal = self.outbox.client().client().fatal_error().map(|(_, reason)| reason);
        let mut error = faults::append_error(topic, code, fatal);
        // A broker that is starting knows no topics: librdkafka then says the same of one that is there.
        if let (AppendError::Refused(reason), Code::UnknownTopic | Code::UnknownTopicOrPartition) = (&error, code)
            && !matches!(self.asker.partitions(topic, LOOK), Ok(None))
        {
            error = AppendError::Unconfirmed(reason.clone());
        }
        match &error {
            AppendError::Full => {}
            AppendError::Unconfirmed(reason) => self.watch.suspect(reason),
            AppendError::Fatal(reason) => self.dead = Some(reason.clone()),
            AppendError::Refused(_) => {}
        }
        self.poison(&error);
        error
    }

    /// A publication that has failed leaves a gap if another one follows.
    fn poison(&mut self, error: &AppendError) {
        if self.purpose == Purpose::Events && !matches!(error, AppendError::Full) && self.dead.is_none() {
            self.dead = Some(format!("an earlier record failed, and the next one would leave a gap: {error}"));
        }
    }

    fn refuse(&mut self, reason: String) -> AppendError {
        let error = AppendError::Refused(reason);
        self.poison(&error);
        error
    }

    fn send(&self, name: &str, record: &NewRecord, partition: Option<i32>, token: usize) -> Result<(), KafkaError> {
        let mut out = BaseRecord::<[u8], [u8], usize>::with_opaque_to(name, token);
        out.partition = partition;
        out.key = record.key.as_deref();
        out.payload = record.value.as_deref();
        out.headers = headers(record);
        self.outbox.client().send(out).map_err(|(error, _)| error)
    }

    fn end(&mut self, report: Report) -> Ack {
        self.in_flight = self.in_flight.saturating_sub(1);
        let result = report.result.map_err(|(topic, code)| self.judge(&topic, code));
        Ack { token: report.token, result }
    }

    /// An error of the whole producer.
    fn fault(&mut self, code: Code, reason: &str) {
        match self.outbox.client().client().fatal_error() {
            Some((_, fatal)) => {
                tracing::error!("the {:?} appender has failed for good: {fatal}", self.purpose);
                self.dead = Some(fatal);
            }
            None => self.watch.suspect(&format!("{code}: {reason}")),
        }
    }
}

/// The end of an append as librdkafka tells it.
struct Report {
    token: Token,
    result: Result<(u32, u64), (String, Code)>,
}

impl Report {
    fn of(message: &Message<'_>) -> Self {
        let failed = |code| Err((message.topic().to_owned(), code));
        let place = (u32::try_from(message.partition()), u64::try_from(message.offset()));
        let result = match (message.error(), place) {
            (Some(code), _) => failed(code),
            (None, (Ok(partition), Ok(offset))) => Ok((partition, offset)),
            // Delivered, but it is not known where: that is what the broker answers to a repeated sequence whose
            // batch it no longer remembers.
            (None, _) => failed(Code::NoOffset),
        };
        Self { token: message.token() as Token, result }
    }
}

fn headers(record: &NewRecord) -> Option<OwnedHeaders> {
    if record.headers.is_empty() {
        return None;
    }
    let all = OwnedHeaders::new_with_capacity(record.headers.len());
    let insert =
        |all: OwnedHeaders, (key, value): &super::super::Header| all.insert(Header { key, value: Some(&value[..]) });
    Some(record.headers.iter().fold(all, insert))
}

impl KafkaAppender {
    /// Hands a record to librdkafka.
    fn hand_over(&mut self, record: &NewRecord, token: Token) -> Result<(), AppendError> {
        if let Some(reason) = &self.dead {
            return Err(AppendError::Fatal(reason.clone()));
        }
        let Ok(opaque) = usize::try_from(token) else {
            return Err(self.refuse(format!("the token {token} does not fit this machine's word")));
        };
        let Ok(partition) = record.partition.map(i32::try_from).transpose() else {
            return Err(self.refuse(format!("{}: Kafka has no partition {:?}", record.topic, record.partition)));
        };
        if let Some((name, _)) = record.headers.iter().find(|(name, _)| name.contains('\0')) {
            return Err(self.refuse(format!("{}: the header name {name:?} holds a NUL", record.topic)));
        }
        if !self.known.contains_key(&record.topic) {
            self.known.insert(record.topic.clone(), self.names.name(&record.topic));
        }
        let name = self.known.get(&record.topic).map_or("", String::as_str);
        match self.send(name, record, partition, opaque) {
            Ok(()) => {
                self.in_flight += 1;
                Ok(())
            }
            Err(error) => {
                let name = name.to_owned();
                Err(match error.rdkafka_error_code() {
                    Some(code) => self.judge(&name, code),
                    None => self.refuse(format!("{name}: {error}")),
                })
            }
        }
    }

    /// Hands over what was held, until librdkafka is full.
    fn release(&mut self, acks: &mut Vec<Ack>) {
        while let Some((record, token)) = self.gather.held.pop_front() {
            match self.hand_over(&record, token) {
                Ok(()) => {}
                Err(AppendError::Full) => {
                    self.gather.held.push_front((record, token));
                    return;
                }
                Err(error) => acks.push(Ack { token, result: Err(error) }),
            }
        }
    }
}

impl Appender for KafkaAppender {
    fn append(&mut self, record: NewRecord, token: Token) -> Result<(), AppendError> {
        if !self.gather.holds() {
            return self.hand_over(&record, token);
        }
        if self.gather.held.len() >= MAX_HELD {
            return Err(AppendError::Full);
        }
        self.gather.held.push_back((record, token));
        Ok(())
    }

    fn poll(&mut self, acks: &mut Vec<Ack>) {
        let mut ended = Vec::new();
        self.lifeline.tend(self.outbox.client().client());
        loop {
            let outbox = &self.outbox;
            let mut fault = None;
            let found = outbox.poll(|event| match event {
                Event::Delivered(reports) => ended.extend(reports.map(|report| Report::of(&report))),
                Event::Client { code, reason } | Event::Partition { code, reason, .. } => fault = Some((code, reason)),
                Event::Log { facility, line } => log_line(&facility, &line),
                Event::Record(_) | Event::Other => {}
            });
            if let Some((code, reason)) = fault {
                self.fault(code, &reason);
            }
            if !found {
                break;
            }
        }
        acks.reserve(ended.len());
        for report in ended {
            acks.push(self.end(report));
        }
        if self.gather.turn(self.in_flight) {
            self.release(acks);
        }
    }

    fn in_flight(&self) -> usize {
        self.in_flight + self.gather.held.len()
    }

    fn is_gathering(&self) -> bool {
        !self.gather.held.is_empty()
    }
}
