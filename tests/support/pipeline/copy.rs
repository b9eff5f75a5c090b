//! A copy of the event stream beside it, for `replay --events-of`.

use super::{Installation, Leg};
use orchestrator::installation::records::{append, read_to_end};
use orchestrator::log::kafka::{KafkaLog, KafkaSettings};
use orchestrator::log::plan::topic_plan;
use orchestrator::log::sqlite::SqliteLog;
use orchestrator::log::{Log, LogError, NewRecord, Topic};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// The log of another namespace beside the installation's.
fn beside(at: &Installation, namespace: &str) -> Arc<dyn Log> {
    let namespace = namespace.to_owned();
    match at.leg() {
        Leg::Embedded => Arc::new(SqliteLog::open(&at.folder().join("log.db"), &namespace).unwrap()),
        Leg::Kafka => Arc::new(
            KafkaLog::connect(KafkaSettings {
                brokers: at.brokers().to_owned(),
                namespace,
                client_id: "copy".to_owned(),
                journal_timeout: Duration::from_secs(30),
                properties: Default::default(),
            })
            .unwrap(),
        ),
    }
}

/// A copy of the event stream, whose records, partition by partition, may be changed on their way; its namespace.
pub fn copy(at: &Installation, name: &str, mut change: impl FnMut(u32, &mut Vec<NewRecord>)) -> String {
    let namespace = format!("{}-{name}", at.namespace());
    let (from, to) = (at.log(), beside(at, &namespace));
    let partitions = from.partitions(&Topic::Events).unwrap().unwrap();
    let events = topic_plan(partitions, 1).into_iter().filter(|spec| spec.topic == Topic::Events).collect::<Vec<_>>();
    to.create_topics(&events).unwrap();
    for p in 0..partitions {
        let mut records = Vec::new();
        read_to_end(from, &Topic::Events, p, 0, |record| {
            let (key, value, headers) = (record.key, record.value, record.headers);
            records.push(NewRecord { topic: Topic::Events, partition: Some(p), key, value, headers });
            Ok::<_, LogError>(ControlFlow::Continue(()))
        })
        .unwrap();
        change(p, &mut records);
        append(to.as_ref(), records).unwrap();
    }
    namespace
}
