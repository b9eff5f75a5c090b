//! A worker that says of each attempt what it is told to say, and a client that publishes requests.

use super::clients;
use super::setup::Installation;
use anyhow::{Context, Result};
use orchestrator::wire::report::{self, Report, ReportOutcome};
use orchestrator::wire::task::{self, Task};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord};
use std::time::Duration;

/// The worker of an agent, and a client.
pub struct Hand {
    producer: BaseProducer,
    tasks: BaseConsumer,
    requests: String,
    results: String,
}

impl Hand {
    /// Takes all tasks of an agent from now on.
    pub fn open(installation: &Installation, agent: &str) -> Result<Self> {
        let brokers = installation.services.brokers();
        Ok(Self {
            producer: clients::producer(brokers)?,
            tasks: clients::consumer(
                brokers,
                &[&installation.topic(&format!("ready.{agent}"))],
                installation.partitions,
            )?,
            requests: installation.topic("requests"),
            results: installation.topic("results"),
        })
    }

    /// Publishes a request.
    pub fn request(&self, workflow_id: &str, definition: &str) -> Result<()> {
        let value = format!(r#"{{"definition":"{definition}","input":{{}}}}"#);
        self.send(BaseRecord::to(&self.requests).key(workflow_id).payload(&value))
    }

    /// Takes what tasks there are, and the first within `wait`; `fate` says what is reported of each. How many.
    pub fn work(&self, wait: Duration, mut fate: impl FnMut(&Task) -> Result<ReportOutcome>) -> Result<usize> {
        let (mut taken, mut wait) = (0, wait);
        while let Some(record) = clients::next(&self.tasks, wait)? {
            wait = Duration::ZERO;
            taken += 1;
            let task = task::decode(record.payload().unwrap_or_default()).context("a task")?;
            let outcome = fate(&task)?;
            self.report(&task, outcome)?;
            if taken % 256 == 0 {
                break;
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(taken)
    }

    fn report(&self, task: &Task, outcome: ReportOutcome) -> Result<()> {
        let partition = i32::try_from(task.reply_partition)?;
        let report = Report {
            dispatch_id: task.dispatch_id.clone(),
            workflow_id: task.workflow_id.clone(),
            outcome,
            usage: None,
        };
        let (key, value) = (task.workflow_id.as_str(), report::encode(&report));
        self.send(BaseRecord::to(&self.results).partition(partition).key(key).payload(&value[..]))
    }

    fn send(&self, mut record: BaseRecord<str, impl rdkafka::message::ToBytes + ?Sized>) -> Result<()> {
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.producer.poll(Duration::from_millis(1));
                    record = again;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

/// A failure that another attempt may mend.
pub fn fails(retry_after: Option<Duration>) -> ReportOutcome {
    ReportOutcome::Failed(orchestrator::core::failure::ReportedFailure {
        class: None,
        code: "http_503".to_owned(),
        message: "not well".to_owned(),
        details: None,
        retry_after,
    })
}

/// An output.
pub fn completes() -> ReportOutcome {
    ReportOutcome::Completed(orchestrator::core::json::Json::null())
}
