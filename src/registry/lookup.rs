//! From ids back to schemas, for readers.

use super::{Registry, RegistryError};
use crate::wire::framing;
use crate::wire::schema::{self, Schema};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Which of our schemas an id stands for; asked once for each id.
#[derive(Debug)]
pub(super) struct Lookup {
    registry: Registry,
    /// None: the registry does not know it, or it is none of ours.
    known: Mutex<BTreeMap<u32, Option<&'static Schema>>>,
}

impl Lookup {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, known: Mutex::default() }
    }

    /// A value in single-object framing, whichever it has. What cannot be told stays as it is: whoever decodes it says
    /// so, with its place.
    pub(super) fn single_object(&self, value: &Bytes) -> Result<Option<Bytes>, RegistryError> {
        let Some((id, body)) = framing::confluent(value) else { return Ok(None) };
        Ok(self.schema(id)?.map(|schema| framing::to_single_object(schema, body)))
    }

    fn schema(&self, id: u32) -> Result<Option<&'static Schema>, RegistryError> {
        // Held while the registry is asked: others would ask for the same.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.get(&id) {
            return Ok(*schema);
        }
        let text = self.registry.schema(id)?;
        let schema = text.as_deref().and_then(schema::fingerprint_of).and_then(|print| schema::by_fingerprint(&print));
        if schema.is_none() {
            let found = if text.is_some() { "a schema that this version does not know" } else { "nothing" };
            tracing::warn!(id, registry = self.registry.shown(), "the schema id of an event names {found}");
        }
        known.insert(id, schema);
        Ok(schema)
    }
}
