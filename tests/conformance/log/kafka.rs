//! The log on a real Kafka.

use super::Subject;
use crate::log_kafka::brokers;
use orchestrator::log::Log;
use orchestrator::log::kafka::{KafkaLog, KafkaSettings};
use std::sync::Arc;

/// A namespace of its own on the broker of the tests; every handle is a client of its own.
pub struct OnKafka(KafkaSettings);

impl Subject for OnKafka {
    fn is_there() -> bool {
        brokers().is_some()
    }

    fn fresh() -> Self {
        Self(KafkaSettings {
            brokers: brokers().unwrap_or_default(),
            namespace: format!("t{:016x}", rand::random::<u64>()),
            client_id: "conformance".to_owned(),
            ..KafkaSettings::default()
        })
    }

    fn open(&self) -> Arc<dyn Log> {
        Arc::new(KafkaLog::connect(self.0.clone()).unwrap())
    }

    fn group(&self, name: &str) -> String {
        format!("{}-{name}", self.0.namespace)
    }
}
