//! The definitions that an engine knows: read from their topic, compiled once each.

use super::io::Io;
use crate::core::catalogue::{Applied, Catalogue};
use crate::core::definition::graph::Graph;
use crate::core::definition::validate::validate;
use crate::core::definition::{DefinitionHash, DefinitionRef};
use crate::core::id::DefinitionName;
use crate::core::time::Timestamp;
use crate::log::{LogError, Record, Topic};
use crate::wire::definition::{DefinitionRecord, decode};
use std::collections::HashMap;
use std::sync::Arc;

/// All definitions read so far.
#[derive(Default)]
pub struct Definitions {
    catalogue: Catalogue,
    graphs: HashMap<DefinitionHash, Arc<Graph>>,
    next: u64,
    /// The end that was asked for last, and when.
    asked: Option<(Timestamp, u64)>,
}

impl Definitions {
    /// Takes the next record of the topic.
    pub fn read(&mut self, record: &Record) {
        self.next = self.next.max(record.offset + 1);
        let (Some(key), Some(value)) = (&record.key, &record.value) else { return };
        match decode(key, value) {
            Ok(DefinitionRecord::Applied { reference, applied_at, document }) => {
                self.add(Applied { reference, applied_at, document });
            }
            Ok(DefinitionRecord::Installation { .. }) => {}
            Err(error) => {
                tracing::error!(offset = record.offset, %error, "a record of `definitions` cannot be read; it is left out");
            }
        }
    }

    /// Everything below `offset` has been read.
    pub fn reached(&mut self, offset: u64) {
        self.next = self.next.max(offset);
    }

    /// The definition of a name: the version asked for, or the newest.
    pub fn find(&self, name: &DefinitionName, version: Option<u32>) -> Option<(DefinitionRef, Arc<Graph>)> {
        let applied = match version {
            Some(version) => self.catalogue.version(name.as_str(), version)?,
            None => self.catalogue.newest(name.as_str())?,
        };
        let reference = &applied.reference;
        Some((reference.clone(), self.graph(&reference.hash)?))
    }

    /// The graph with this hash.
    pub fn graph(&self, hash: &DefinitionHash) -> Option<Arc<Graph>> {
        self.graphs.get(hash).cloned()
    }

    /// Whether everything that stood in the topic at `since` has been read; asks for its end if that is not known.
    ///
    /// # Errors
    /// Where the log does not say.
    pub fn up_to_date(&mut self, since: Timestamp, now: Timestamp, io: &Io) -> Result<bool, LogError> {
        let high = match self.asked {
            Some((at, high)) if at >= since => high,
            _ => {
                let high = io.ends(&Topic::Definitions, 0)?.high;
                self.asked = Some((now, high));
                high
            }
        };
        Ok(self.next >= high)
    }

    fn add(&mut self, applied: Applied) {
        let reference = self.catalogue.fold(applied.clone());
        if self.graphs.contains_key(&reference.hash) {
            return;
        }
        match validate(applied.document) {
            Ok(definition) if definition.hash == reference.hash => {
                self.graphs.insert(reference.hash, Arc::new(Graph::compile(&definition)));
            }
            Ok(definition) => tracing::error!(name = %reference.name, expected = %reference.hash,
                found = %definition.hash, "a definition is not what its hash says; it cannot be executed"),
            Err(faults) => tracing::error!(name = %reference.name, version = reference.version, ?faults,
                "a definition is not valid for this version of orchestrator; it cannot be executed"),
        }
    }
}
