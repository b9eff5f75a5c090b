//! Making definitions known.

use super::{Installation, InstallationError, record, records, topics};
use crate::core::catalogue::{Applied, Catalogue, Placement};
use crate::core::definition::{Definition, DefinitionRef};
use crate::core::id::AgentName;
use crate::core::time::Timestamp;
use crate::log::Log;
use crate::wire::definition::DefinitionRecord;
use std::collections::BTreeSet;

/// A definition and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The version that counts.
    pub reference: DefinitionRef,
    /// Whether it was there before.
    pub known: bool,
    /// The newest version of the name, which requests without a version get.
    pub newest: u32,
}

/// Makes definitions known: the topics of their agents first, then their records, then what the log says of them.
/// `place` is where, for people.
///
/// # Errors
/// Where there is no installation, or the log does not take a record.
pub fn apply(
    log: &dyn Log,
    place: &str,
    definitions: &[Definition],
    now: Timestamp,
) -> Result<Vec<Outcome>, InstallationError> {
    let (partitions, before) = Installation::require(log, place)?;
    let agents: BTreeSet<&AgentName> =
        definitions.iter().flat_map(|definition| &definition.nodes).map(|node| &node.agent_name).collect();
    topics::make_for_agents(log, agents, partitions)?;
    let records: Vec<_> = new_ones(&before, definitions, now).iter().map(record).collect();
    if !records.is_empty() {
        records::append(log, records)?;
    }
    // Someone else may have claimed the same version a moment earlier: what stands in the log decides.
    let (_, after) = Installation::require(log, place)?;
    definitions.iter().map(|definition| outcome(&before, &after, definition)).collect()
}

fn new_ones(before: &Catalogue, definitions: &[Definition], now: Timestamp) -> Vec<DefinitionRecord> {
    let mut expected = before.clone();
    let mut records = Vec::new();
    for definition in definitions {
        if let Placement::New(reference) = expected.place(&definition.name, &definition.hash) {
            let document = definition.document.clone();
            expected.fold(Applied { reference: reference.clone(), applied_at: now, document: document.clone() });
            records.push(DefinitionRecord::Applied { reference, applied_at: now, document });
        }
    }
    records
}

fn outcome(before: &Catalogue, after: &Catalogue, definition: &Definition) -> Result<Outcome, InstallationError> {
    let known = matches!(before.place(&definition.name, &definition.hash), Placement::Known(_));
    match (after.place(&definition.name, &definition.hash), after.newest(definition.name.as_str())) {
        (Placement::Known(reference), Some(newest)) => {
            Ok(Outcome { newest: newest.reference.version, reference, known })
        }
        _ => Err(InstallationError::Vanished { name: definition.name.to_string() }),
    }
}
