//! What stands in the log before any fault.

use super::definitions;
use super::world::{BEGINNING, CLIENT};
use crate::core::definition::{Definition, DefinitionRef};
use crate::core::id::AgentName;
use crate::log::memory::MemoryLog;
use crate::log::plan::{agent_topics, topic_plan};
use crate::log::{Log, NewRecord, Purpose, Topic};
use crate::wire::definition::{DefinitionRecord, encode};

/// Topics and definitions.
pub(super) fn install(log: &MemoryLog, partitions: u32, known: &[Definition]) {
    let process = log.process(CLIENT);
    let mut topics = topic_plan(partitions, 1);
    for agent in definitions::AGENTS {
        let agent = AgentName::new(agent).expect("the agents of the simulation have legal names");
        topics.extend(agent_topics(&agent, partitions, 1));
    }
    process.create_topics(&topics).expect("the log answers before faults begin");
    let mut appender = process.appender(Purpose::Client).expect("the log answers before faults begin");
    for (token, definition) in known.iter().enumerate() {
        let reference = DefinitionRef { name: definition.name.clone(), version: 1, hash: definition.hash.clone() };
        let document = definition.document.clone();
        let record = DefinitionRecord::Applied { reference, applied_at: BEGINNING, document };
        let (key, value) = encode(&record);
        let record = NewRecord {
            topic: Topic::Definitions,
            partition: Some(0),
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        };
        appender.append(record, token as u64).expect("a plain log takes everything");
    }
    log.settle();
}
