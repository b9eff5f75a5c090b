//! A client: publishes requests and waits for their answers.

use super::clients;
use super::setup::Installation;
use anyhow::{Context, Result, bail};
use orchestrator::wire::event::{Published, decode};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Nothing takes longer.
pub const STUCK: Duration = Duration::from_secs(600);

pub struct Client {
    producer: BaseProducer,
    responses: BaseConsumer,
    requests: String,
}

impl Client {
    pub fn open(installation: &Installation) -> Result<Self> {
        let brokers = installation.services.brokers();
        Ok(Self {
            producer: clients::producer(brokers)?,
            responses: clients::consumer(brokers, &[&installation.topic("responses")], installation.partitions)?,
            requests: installation.topic("requests"),
        })
    }

    /// Hands a request over to the broker; `confirm` waits until it has it.
    pub fn publish(&self, id: &[u8], request: &str) -> Result<()> {
        loop {
            match self.producer.send(BaseRecord::to(&self.requests).key(id).payload(request)) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits until the broker has all requests.
    pub fn confirm(&self) -> Result<()> {
        Ok(self.producer.flush(STUCK)?)
    }

    /// The next answer or refusal.
    pub fn answer(&self) -> Result<Value> {
        let record = clients::next(&self.responses, STUCK)?.context("there is no answer for ten minutes")?;
        Ok(serde_json::from_slice(record.payload().unwrap_or_default())?)
    }

    /// One workflow, from its request to its answer.
    pub fn run(&self, id: &str, request: &str) -> Result<Duration> {
        let began = Instant::now();
        self.publish(id.as_bytes(), request)?;
        let answer = self.answer()?;
        if answer["status"] != "completed" {
            bail!("expected that workflow {id} completes, found {answer:.300}");
        }
        Ok(began.elapsed())
    }
}

/// When nodes were completed, ascending (microseconds), until a run ends.
pub fn completions(events: &BaseConsumer) -> Result<Vec<i64>> {
    let mut times = Vec::new();
    loop {
        let record = clients::next(events, STUCK)?.context("there is no event for ten minutes")?;
        let Published::Run(recorded) = decode(record.payload().unwrap_or_default())? else { continue };
        match recorded.event.name() {
            "NodeCompleted" => times.push(recorded.time.0),
            "WorkflowCompleted" => return Ok(times),
            "WorkflowFailed" => bail!("the workflow failed: {:?}", recorded.event),
            _ => {}
        }
    }
}
