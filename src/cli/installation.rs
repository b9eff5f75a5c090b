//! What an installation is, as its `definitions` topic says: the pinned number of partitions and the catalogue.

use super::exit::{Exit, fail};
use super::records::read_to_end;
use crate::config::{LogTarget, Settings};
use crate::core::catalogue::{Applied, Catalogue};
use crate::log::plan::{self, Deviation};
use crate::log::{Log, NewRecord, Topic, TopicSpec};
use crate::wire::definition::{self, DefinitionRecord};
use anyhow::{Context, Result};
use std::ops::ControlFlow;

/// What stands in `definitions`.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// The pinned number of partitions; none: `init` has not run.
    pub partitions: Option<u32>,
    /// The definitions.
    pub catalogue: Catalogue,
}

/// What to do where there is nothing.
pub const RUN_INIT: &str = "run `orchestrator init` once";

/// Reads what is there; an installation without anything where the topic does not exist.
///
/// # Errors
/// Where the log does not answer, or a record was written by a newer version.
pub fn read(log: &dyn Log) -> Result<Installation> {
    let mut installation = Installation::default();
    if log.partitions(&Topic::Definitions)?.is_none() {
        return Ok(installation);
    }
    read_to_end(log, &Topic::Definitions, 0, 0, |record| {
        // A tombstone: definitions never have one, whatever else wrote it says nothing here.
        let (Some(key), Some(value)) = (&record.key, &record.value) else { return Ok(ControlFlow::Continue(())) };
        let place = || format!("definitions, offset {}", record.offset);
        match definition::decode(key, value).with_context(place)? {
            DefinitionRecord::Installation { partitions } => installation.partitions = Some(partitions),
            DefinitionRecord::Applied { reference, applied_at, document } => {
                installation.catalogue.fold(Applied { reference, applied_at, document });
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(installation)
}

/// Reads what is there, and refuses where `init` has not run.
///
/// # Errors
/// As [`read`], and where nothing is pinned.
pub fn require(log: &dyn Log, settings: &Settings) -> Result<(u32, Catalogue)> {
    let installation = read(log)?;
    match installation.partitions {
        Some(partitions) => Ok((partitions, installation.catalogue)),
        None => Err(fail(Exit::Refused, format!("there is no installation in {}: {RUN_INIT}", place(settings)))),
    }
}

/// The installation, for people.
fn place(settings: &Settings) -> String {
    format!("{} (namespace {})", settings.log.url(), settings.namespace)
}

/// The record of the definitions topic as it is appended.
pub fn record(record: &DefinitionRecord) -> NewRecord {
    let (key, value) = definition::encode(record);
    NewRecord { topic: Topic::Definitions, partition: Some(0), key: Some(key), value: Some(value), headers: Vec::new() }
}

/// Checks the topics against the plan: all there, with the pinned number of partitions, with settings on which
/// safety can rest. Returns what is odd without being unsafe, as sentences.
///
/// # Errors
/// Everything that is unsafe, at once.
pub fn check(log: &dyn Log, settings: &Settings, partitions: u32) -> Result<Vec<String>> {
    let brokers = log.brokers()?;
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    for planned in plan::topic_plan(partitions, brokers) {
        match log.partitions(&planned.topic)? {
            None => faults.push(format!("the topic {} does not exist: {RUN_INIT}", planned.topic)),
            Some(found) if found != planned.partitions => faults.push(other_partitions(&planned, found)),
            Some(_) => {
                let found = log.topic_settings(&planned.topic)?;
                for deviation in plan::deviations(&planned, &found) {
                    let list = if deviation.unsafe_to_run { &mut faults } else { &mut warnings };
                    list.push(words(&deviation));
                }
            }
        }
    }
    if brokers == 1 && matches!(settings.log, LogTarget::Kafka { .. }) {
        warnings.push("there is one broker: every topic has one replica, and what its disk loses is lost".to_owned());
    }
    if faults.is_empty() {
        return Ok(warnings);
    }
    Err(fail(
        Exit::Refused,
        format!("the topics of {} are not as they should be:\n  {}", place(settings), faults.join("\n  ")),
    ))
}

/// What to say of a topic with another number of partitions than planned.
pub fn other_partitions(planned: &TopicSpec, found: u32) -> String {
    format!(
        "the topic {} has {found} partitions, expected {}: the number is pinned by `init` and can't be changed; use \
         another --namespace for a new installation",
        planned.topic, planned.partitions
    )
}

fn words(deviation: &Deviation) -> String {
    let Deviation { topic, setting, planned, found, .. } = deviation;
    format!(
        "the topic {topic} has {setting}={found}, expected {planned}: set it with Kafka's own tools (kafka-configs.sh \
         --alter); `orchestrator init` sets it on topics that it creates"
    )
}
