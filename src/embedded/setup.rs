//! What a folder needs before anything can run: topics, the pinned number of partitions, definitions.

use super::EmbeddedError;
use super::records::{append, read_to_end};
use crate::core::catalogue::{Applied, Catalogue, Placement};
use crate::core::definition::{Definition, DefinitionRef};
use crate::core::id::AgentName;
use crate::engine::thread::wall_clock;
use crate::log::plan::{agent_topics, topic_plan};
use crate::log::{Log, NewRecord, Topic};
use crate::wire::definition::{DefinitionRecord, decode, encode};

/// Creates what is missing; how many partitions the installation has.
///
/// # Errors
/// Where the log does not answer, or was written by a newer version.
pub fn install(log: &dyn Log, partitions: u32) -> Result<u32, EmbeddedError> {
    let pinned = match log.partitions(&Topic::Definitions)? {
        Some(_) => read(log)?.0,
        None => None,
    };
    let partitions = pinned.unwrap_or(partitions);
    log.create_topics(&topic_plan(partitions, log.brokers()?))?;
    if pinned.is_none() {
        append(log, vec![record(&DefinitionRecord::Installation { partitions })])?;
    }
    Ok(partitions)
}

/// Creates the topics of agents where they are missing.
///
/// # Errors
/// Where the log does not answer.
pub fn create_agent_topics<'a>(
    log: &dyn Log,
    agents: impl Iterator<Item = &'a AgentName>,
    partitions: u32,
) -> Result<(), EmbeddedError> {
    let brokers = log.brokers()?;
    let topics: Vec<_> = agents.flat_map(|agent| agent_topics(agent, partitions, brokers)).collect();
    Ok(log.create_topics(&topics)?)
}

/// Applies a definition: the version under which it counts.
///
/// # Errors
/// Where the log does not take it.
pub fn apply(log: &dyn Log, definition: &Definition, partitions: u32) -> Result<DefinitionRef, EmbeddedError> {
    create_agent_topics(log, definition.nodes.iter().map(|node| &node.agent_name), partitions)?;
    let reference = match read(log)?.1.place(&definition.name, &definition.hash) {
        Placement::Known(reference) => return Ok(reference),
        Placement::New(reference) => reference,
    };
    let applied =
        DefinitionRecord::Applied { reference, applied_at: wall_clock(), document: definition.document.clone() };
    append(log, vec![record(&applied)])?;
    // Another process may have applied one at the same moment: what stands in the log counts.
    match read(log)?.1.place(&definition.name, &definition.hash) {
        Placement::Known(reference) | Placement::New(reference) => Ok(reference),
    }
}

/// The pinned number of partitions, and the definitions.
fn read(log: &dyn Log) -> Result<(Option<u32>, Catalogue), EmbeddedError> {
    let (mut pinned, mut catalogue) = (None, Catalogue::default());
    read_to_end(log, &Topic::Definitions, 0, |record| {
        let (Some(key), Some(value)) = (&record.key, &record.value) else { return Ok(()) };
        let unreadable = |fault| {
            let topic = Topic::Definitions.to_string();
            EmbeddedError::Unreadable { topic, offset: record.offset, fault }
        };
        match decode(key, value).map_err(unreadable)? {
            DefinitionRecord::Installation { partitions } => pinned = Some(partitions),
            DefinitionRecord::Applied { reference, applied_at, document } => {
                catalogue.fold(Applied { reference, applied_at, document });
            }
        }
        Ok(())
    })?;
    Ok((pinned, catalogue))
}

fn record(record: &DefinitionRecord) -> NewRecord {
    let (key, value) = encode(record);
    NewRecord { topic: Topic::Definitions, partition: Some(0), key: Some(key), value: Some(value), headers: Vec::new() }
}
