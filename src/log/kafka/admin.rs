//! Makes topics, and asks for their settings.

use super::super::{LogError, Topic, TopicSpec};
use super::control::{ANSWER, Asker};
use super::faults;
use super::names::Names;
use super::watch::Context;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How many copies a new topic has where there are brokers enough, and how many of them must have a record.
const REPLICAS: (u32, &str) = (3, "2");
/// Between two looks whether a new topic has its leaders.
const LOOK: Duration = Duration::from_millis(20);

/// Creates what is not there, and waits until all of it can be used. What is there is not asked for again: who may not
/// create topics has them made beforehand.
pub(super) fn create(
    admin: &AdminClient<Context>,
    asker: &Asker,
    names: &Names,
    topics: &[TopicSpec],
) -> Result<(), LogError> {
    let all: Vec<(String, &TopicSpec)> = topics.iter().map(|spec| (names.name(&spec.topic), spec)).collect();
    let mut missing = Vec::new();
    for (name, spec) in &all {
        if asker.partitions(name, ANSWER)?.is_none() {
            missing.push((name, *spec));
        }
    }
    if !missing.is_empty() {
        create_missing(admin, asker, names, &missing)?;
    }
    let began = Instant::now();
    all.iter().try_for_each(|(name, _)| wait_until_ready(asker, name, began))
}

fn create_missing(
    admin: &AdminClient<Context>,
    asker: &Asker,
    names: &Names,
    missing: &[(&String, &TopicSpec)],
) -> Result<(), LogError> {
    let brokers = asker.brokers(&names.name(&Topic::Definitions))?;
    if brokers == 2 {
        tracing::warn!(
            "only two brokers answer: a topic that is created now has one replica, and keeps that when there are three"
        );
    }
    let new: Vec<NewTopic<'_>> =
        missing.iter().map(|(name, spec)| new_topic(name, spec, brokers)).collect::<Result<_, _>>()?;
    let doing = "creating topics";
    let results = block_on(admin.create_topics(&new, &options()))
        .map_err(|error| faults::log_error(asker.at(), doing, &error))?;
    for result in results {
        match result {
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                let doing = format!("creating the topic {name}");
                return Err(faults::log_error(asker.at(), &doing, &KafkaError::AdminOp(code)));
            }
        }
    }
    Ok(())
}

fn new_topic<'a>(name: &'a str, spec: &'a TopicSpec, brokers: u32) -> Result<NewTopic<'a>, LogError> {
    let (replicas, in_sync) = REPLICAS;
    let replicated = brokers >= replicas;
    let partitions = i32::try_from(spec.partitions)
        .map_err(|_| LogError::Refused(format!("{name} cannot have {} partitions", spec.partitions)))?;
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(if replicated { 3 } else { 1 }));
    for (key, value) in &spec.settings {
        topic = topic.set(key, value);
    }
    if replicated && !spec.settings.iter().any(|(key, _)| key == "min.insync.replicas") {
        topic = topic.set("min.insync.replicas", in_sync);
    }
    Ok(topic)
}

fn wait_until_ready(asker: &Asker, name: &str, began: Instant) -> Result<(), LogError> {
    loop {
        let left = ANSWER.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(faults::unreachable(asker.at(), &format!("waiting for {name}"), "it has no leaders yet"));
        }
        if asker.is_ready(name, left)? {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

/// The settings of a topic.
pub(super) fn settings(
    admin: &AdminClient<Context>,
    asker: &Asker,
    name: &str,
) -> Result<Vec<(String, String)>, LogError> {
    let doing = format!("asking for the settings of {name}");
    let fault = |error: KafkaError| asker.looked_into(name, None, &doing, &error);
    let answer = block_on(admin.describe_configs([&ResourceSpecifier::Topic(name)], &options())).map_err(fault)?;
    let mut all = Vec::new();
    for resource in answer {
        let resource = resource.map_err(|code| fault(KafkaError::AdminOp(code)))?;
        all.extend(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
    }
    // A topic that does not exist is answered with no settings at all.
    if all.is_empty() && asker.partitions(name, ANSWER)?.is_none() {
        return Err(LogError::UnknownTopic(name.to_owned()));
    }
    Ok(all)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER))
}

/// Waits for a future on this thread. The futures of the admin client are woken by a thread of its own, and need no
/// runtime; a runtime here would panic where the caller is inside one.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
