//! An event with its place on the stream.

use crate::core::id::WorkflowId;
use crate::core::time::Timestamp;
use crate::log::Record;
use crate::ui;
use crate::wire::event::{self, Published};
use crate::wire::schema;
use serde_json::{Value, json};

/// The members of an event as JSON ([`Placed::json`]): the names that expressions over it may use.
pub const MEMBERS: [&str; 10] =
    ["data", "event_id", "partition", "position", "run_id", "sequence", "time", "type", "version", "workflow_id"];

/// An event where it stands on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What happened.
    pub published: Published,
    /// The record's `ce_id`: it tells the events of all runs and partitions apart, and twins have the same.
    pub event_id: String,
    /// The version of the schema that it was written with.
    pub version: u32,
    /// The partition of the stream.
    pub partition: u32,
    /// The offset there.
    pub offset: u64,
    /// When the record was appended.
    pub published_at: Timestamp,
}

impl Placed {
    /// Reads a record of the stream.
    ///
    /// # Errors
    /// What somebody else has written, or changed: a sentence with the place.
    pub fn read(record: &Record) -> Result<Self, String> {
        let fault = |what: &str| format!("events/{}, offset {}: {what}", record.partition, record.offset);
        let value = record.value.as_ref().ok_or_else(|| fault("a record without value"))?;
        let published = event::decode(value).map_err(|error| fault(&error.to_string()))?;
        let schema = schema::of(value).ok_or_else(|| fault("a record without schema"))?;
        let event_id = event_id(&published);
        // The twin of a record has the same body; whoever goes by the header alone has to find it there as well.
        match record.header("ce_id") {
            Some(said) if said != event_id.as_bytes() => {
                let said = ui::style::harmless(&String::from_utf8_lossy(said));
                Err(fault(&format!("its header ce_id says {said:?}, and its body is event {event_id}")))
            }
            _ => Ok(Self {
                published,
                event_id,
                version: schema.version,
                partition: record.partition,
                offset: record.offset,
                published_at: record.time,
            }),
        }
    }

    /// The event's name.
    pub fn name(&self) -> &'static str {
        match &self.published {
            Published::Run(recorded) => recorded.event.name(),
            Published::Partition(recorded) => recorded.event.name(),
        }
    }

    /// The workflow whose event it is, or that an event of a partition names.
    pub fn workflow_id(&self) -> Option<&WorkflowId> {
        match &self.published {
            Published::Run(recorded) => Some(&recorded.workflow_id),
            Published::Partition(recorded) => recorded.event.workflow_id(),
        }
    }

    /// As JSON: what [`ui::event::json`] says of the event, with its id, the version of its schema and its place.
    pub fn json(&self) -> Value {
        let mut json = ui::event::json(&self.published);
        json["event_id"] = self.event_id.as_str().into();
        json["version"] = self.version.into();
        json["position"] = json!({
            "partition": self.partition,
            "offset": self.offset,
            "time": ui::time::rfc3339(self.published_at),
        });
        json
    }
}

/// What the header `ce_id` says of an event: `run_id/sequence`, or `partition-N/sequence`.
fn event_id(published: &Published) -> String {
    match published {
        Published::Run(recorded) => format!("{}/{}", recorded.run_id, recorded.sequence),
        Published::Partition(recorded) => format!("partition-{}/{}", recorded.partition, recorded.sequence),
    }
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use super::*;
    use crate::core::command::Origin;
    use crate::core::event::{Event, InputRejected, NodeStarted, PartitionEvent, Recorded};
    use crate::core::id::{NodeId, RunId};
    use crate::log::Topic;
    use crate::wire::event::PartitionRecorded;
    use crate::wire::headers::event_headers;

    /// An event as it stands on the stream.
    pub fn record(published: &Published) -> Record {
        let body = match published {
            Published::Run(recorded) => event::encode(recorded),
            Published::Partition(recorded) => event::encode_partition(recorded),
        };
        let headers = event_headers("orchestrator", published, &body, 7, &[0; 16], None);
        let (topic, key, value) = (Topic::Events, None, Some(body));
        Record { topic, partition: 2, offset: 11, time: Timestamp(1_738_324_800_000_000), key, value, headers }
    }

    fn started() -> Published {
        Published::Run(Recorded {
            workflow_id: WorkflowId::new("order 7").unwrap(),
            run_id: RunId::new(&"a".repeat(32)).unwrap(),
            sequence: 5,
            time: Timestamp(0),
            event: Event::NodeStarted(NodeStarted { node_id: NodeId::new("sum").unwrap(), attempt: 1, local: false }),
        })
    }

    fn rejected() -> Published {
        let origin = Origin { topic: "requests".to_owned(), partition: 0, offset: 0, time: Timestamp(0) };
        let event = PartitionEvent::InputRejected(InputRejected {
            origin,
            reason: "duplicate".to_owned(),
            message: String::new(),
            workflow_id: WorkflowId::new("order 7").unwrap(),
            run_id: None,
        });
        Published::Partition(PartitionRecorded { partition: 2, sequence: 9, time: Timestamp(0), event })
    }

    #[test]
    fn an_event_has_the_id_of_its_header_and_its_place() {
        let run = format!("{}/5", "a".repeat(32));
        for (published, id, version) in [(started(), run, 2), (rejected(), "partition-2/9".to_owned(), 1)] {
            let record = record(&published);
            assert_eq!(record.header("ce_id"), Some(id.as_bytes()));
            let json = Placed::read(&record).unwrap().json();
            assert_eq!((&json["event_id"], &json["version"]), (&id.into(), &version.into()));
            let position = json!({ "partition": 2, "offset": 11, "time": "2025-01-31T12:00:00Z" });
            assert_eq!(json["position"], position);
            let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(members.iter().all(|member| MEMBERS.contains(member)), "{members:?}");
        }
    }

    #[test]
    fn what_is_no_event_is_named_with_its_place() {
        let good = record(&started());
        let told = |record: Record| Placed::read(&record).unwrap_err();
        assert_eq!(told(Record { value: None, ..good.clone() }), "events/2, offset 11: a record without value");
        let foreign = told(Record { value: Some("{}".into()), ..good.clone() });
        assert!(foreign.starts_with("events/2, offset 11: "), "{foreign}");
        let other = Record { headers: record(&rejected()).headers, ..good };
        assert!(told(other).contains("ce_id says \"partition-2/9\""));
    }
}
