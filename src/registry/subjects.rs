//! The subjects of the events, and the ids of their schemas.

use super::{Registry, RegistryError};
use crate::wire::framing;
use crate::wire::schema::{self, Schema};
use bytes::Bytes;

/// The subject of a schema's records in a topic: the topic and the record's full name (Confluent's
/// `TopicRecordNameStrategy`), e.g. `orchestrator.events-orchestrator.events.v1.NodeCompleted`.
pub fn subject(topic: &str, schema: &Schema) -> String {
    format!("{topic}-{}", schema.full_name())
}

/// The id of every version of every event.
#[derive(Clone, Debug)]
pub struct SchemaIds {
    /// By fingerprint, the most frequent first: a lookup is a short walk.
    ids: Vec<([u8; 8], u32)>,
}

impl SchemaIds {
    /// A value in Confluent's framing; as it is where it is none of ours.
    pub fn frame(&self, single_object: Bytes) -> Bytes {
        let fingerprint = schema::of(&single_object).map(Schema::fingerprint);
        match self.ids.iter().find(|(known, _)| Some(known) == fingerprint) {
            Some((_, id)) => framing::to_confluent(*id, &single_object),
            None => single_object,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Registers every version of every event that is not registered yet, each event's in order, so that the registry's
/// versions are ours; returns the ids.
///
/// What is there already is only looked for: whoever lets nobody but himself register can do so before.
///
/// # Errors
/// Where the registry does not answer or refuses. What has been registered by then stays.
pub fn register_events(registry: &Registry, topic: &str) -> Result<SchemaIds, RegistryError> {
    let mut events: Vec<&Schema> = schema::all().iter().filter(|schema| schema.is_event()).collect();
    let order: Vec<[u8; 8]> = events.iter().map(|schema| *schema.fingerprint()).collect();
    events.sort_by_key(|schema| (schema.name, schema.version));
    let mut ids = Vec::with_capacity(events.len());
    for schema in events {
        let subject = subject(topic, schema);
        let id = match registry.find(&subject, schema.text)? {
            Some(id) => id,
            None => registry.register(&subject, schema.text)?,
        };
        ids.push((*schema.fingerprint(), id));
    }
    ids.sort_by_key(|(fingerprint, _)| order.iter().position(|known| known == fingerprint));
    Ok(SchemaIds { ids })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_topic_and_record() {
        let completed = schema::by_name("NodeCompleted").unwrap();
        let expected = "shop.events-orchestrator.events.v1.NodeCompleted";
        assert_eq!(subject("shop.events", completed), expected);
        // It stands in a path as it is.
        assert!(expected.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let ids = SchemaIds { ids: Vec::new() };
        assert_eq!(ids.frame(Bytes::from_static(b"{}")), Bytes::from_static(b"{}"));
    }
}
