//! Events as the Avro bytes that stand in the journal and on the event stream.
//!
//! The schema of an event is flat: the fields of its envelope, then its own. Avro writes a record as the
//! concatenation of its fields, so the envelope and the event are written one after the other, each with its half of
//! the schema, behind the framing of the whole.

use super::WireError;
use super::schema;
use crate::core::event::{Event, PartitionEvent, Recorded};
use crate::core::id::{RunId, WorkflowId};
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_avro_fast::Schema as AvroSchema;
use serde_avro_fast::de::read::SliceRead;
use std::marker::PhantomData;
use std::sync::LazyLock;

/// An event of a partition with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecorded {
    /// The partition.
    pub partition: u32,
    /// Counts a partition's own events from 1.
    pub sequence: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// What happened.
    pub event: PartitionEvent,
}

/// Any event of the event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made, and most events are of runs")]
pub enum Published {
    /// Of a run.
    Run(Recorded),
    /// Of a partition.
    Partition(PartitionRecorded),
}

#[derive(Serialize, Deserialize)]
struct RunEnvelope<W, R> {
    workflow_id: W,
    run_id: R,
    sequence: u64,
    time: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct PartitionEnvelope {
    partition: u32,
    sequence: u64,
    time: Timestamp,
}

#[derive(Clone, Copy, PartialEq)]
enum Subject {
    Run,
    Partition,
}

impl Subject {
    /// How many fields of a flat schema are the envelope.
    const fn envelope_fields(self) -> usize {
        match self {
            Self::Run => 4,
            Self::Partition => 3,
        }
    }
}

/// A flat schema in two halves.
struct Halves {
    name: &'static str,
    subject: Subject,
    frame: [u8; schema::FRAME_BYTES],
    envelope: AvroSchema,
    body: AvroSchema,
}

/// The halves of every event's schema, in the order of [`schema::all`]: the most frequent first.
static EVENTS: LazyLock<Vec<Halves>> = LazyLock::new(|| schema::all().iter().filter_map(Halves::of).collect());

impl Halves {
    fn of(schema: &'static schema::Schema) -> Option<Self> {
        let whole: serde_json::Value = serde_json::from_str(schema.text).ok()?;
        let fields = whole["fields"].as_array()?;
        let subject = match fields.first()?["name"].as_str()? {
            _ if whole["namespace"] != "orchestrator.events.v1" => return None,
            "workflow_id" => Subject::Run,
            _ => Subject::Partition,
        };
        let (envelope, body) = fields.split_at(subject.envelope_fields());
        let half = |fields: &[serde_json::Value]| {
            let mut half = whole.clone();
            half["fields"] = fields.into();
            schema::parse(&half.to_string())
        };
        let (envelope, body) = (half(envelope), half(body));
        Some(Self { name: schema.name, subject, frame: schema.frame(), envelope, body })
    }

    fn named(name: &str) -> &'static Self {
        EVENTS.iter().find(|halves| halves.name == name).expect("every event has a schema; a test encodes each")
    }

    fn write<E: Serialize, B: Serialize>(&self, envelope: &E, event: &B, payload: usize) -> Bytes {
        // Ids, numbers and words of a typical event are some 150 bytes.
        let mut bytes = Vec::with_capacity(256 + payload);
        bytes.extend_from_slice(&self.frame);
        schema::append(&mut bytes, &self.envelope, envelope)
            .and_then(|()| schema::append(&mut bytes, &self.body, event))
            .expect("the schema has the event's fields (a test encodes each event), and its numbers fit Avro's");
        bytes.into()
    }
}

/// The names of all events, of runs and of partitions, each once, whatever its versions.
pub fn names() -> impl Iterator<Item = &'static str> {
    let is_newest =
        |halves: &&Halves| schema::by_name(halves.name).is_some_and(|newest| newest.frame() == halves.frame);
    EVENTS.iter().filter(is_newest).map(|halves| halves.name)
}

/// The bytes of a run's event. A timeout that Avro's `long` cannot hold (292 million years) is written as the longest
/// that it can.
pub fn encode(recorded: &Recorded) -> Bytes {
    let Recorded { workflow_id, run_id, sequence, time, event } = recorded;
    let envelope = RunEnvelope { workflow_id, run_id, sequence: *sequence, time: *time };
    let halves = Halves::named(event.name());
    match event {
        Event::WorkflowStarted(event) if event.settings.agent_timeout_ms > LONGEST => {
            let mut event = event.clone();
            event.settings.agent_timeout_ms = LONGEST;
            halves.write(&envelope, &event, event.input.len())
        }
        Event::NodeScheduled(event) if event.timeout_ms > LONGEST => {
            let mut event = event.clone();
            event.timeout_ms = LONGEST;
            halves.write(&envelope, &event, event.input.len())
        }
        Event::WorkflowStarted(event) => halves.write(&envelope, event, 512 + event.input.len()),
        Event::PlanMade(event) => halves.write(&envelope, event, event.plan.as_ref().map_or(0, |plan| plan.len())),
        Event::NodeScheduled(event) => halves.write(&envelope, event, event.input.len()),
        Event::NodeStarted(event) => halves.write(&envelope, event, 0),
        Event::NodeProgressed(event) => halves.write(&envelope, event, 0),
        Event::NodeRecovered(event) => halves.write(&envelope, event, event.output.len()),
        Event::NodeCompleted(event) => halves.write(&envelope, event, event.output.len()),
        Event::NodeFailed(event) => {
            halves.write(&envelope, event, event.message.len() + event.input.as_ref().map_or(0, |input| input.len()))
        }
        Event::NodeRetryScheduled(event) => halves.write(&envelope, event, 0),
        Event::StateTransitioned(event) => halves.write(&envelope, event, 0),
        Event::WorkflowCompleted(event) => halves.write(&envelope, event, event.answer.len()),
        Event::WorkflowFailed(event) => {
            let context = event.context.as_ref().map_or(0, |context| context.len());
            halves.write(&envelope, event, event.message.len() + context)
        }
    }
}

const LONGEST: u64 = i64::MAX as u64;

/// The bytes of a partition's event.
pub fn encode_partition(recorded: &PartitionRecorded) -> Bytes {
    let PartitionRecorded { partition, sequence, time, event } = recorded;
    let envelope = PartitionEnvelope { partition: *partition, sequence: *sequence, time: *time };
    let halves = Halves::named(event.name());
    match event {
        PartitionEvent::InputRefused(event) => halves.write(&envelope, event, event.message.len()),
        PartitionEvent::InputRejected(event) => halves.write(&envelope, event, event.message.len()),
        PartitionEvent::InputForwarded(event) => halves.write(&envelope, event, 0),
        PartitionEvent::EffectFailed(event) => halves.write(&envelope, event, event.message.len()),
        PartitionEvent::InputLost(event) => halves.write(&envelope, event, event.message.len()),
        PartitionEvent::Trying(event) => halves.write(&envelope, event, 0),
        PartitionEvent::BreakerChanged(event) => halves.write(&envelope, event, 0),
        PartitionEvent::DeadLetterHandled(event) => halves.write(&envelope, event, 0),
    }
}

/// Reads either kind.
pub fn decode(bytes: &[u8]) -> Result<Published, WireError> {
    let known = bytes
        .split_first_chunk()
        .and_then(|(frame, body)| EVENTS.iter().find(|halves| halves.frame == *frame).map(|halves| (halves, body)));
    let Some((halves, body)) = known else { return Err(no_event(bytes)) };
    let read = match halves.subject {
        Subject::Run => read_run(halves, body).map(Published::Run),
        Subject::Partition => read_partition(halves, body).map(Published::Partition),
    };
    read.map_err(|fault| WireError::Malformed {
        expected: "an event as its schema says",
        found: format!("{}: {fault}", halves.name),
    })
}

fn no_event(bytes: &[u8]) -> WireError {
    match schema::unframe("the event", bytes) {
        Ok((schema, _)) => WireError::Malformed { expected: "an event", found: format!("a {}", schema.name) },
        Err(fault) => fault,
    }
}

fn read_run(halves: &Halves, body: &[u8]) -> Result<Recorded, String> {
    let (envelope, rest) = read_half::<RunEnvelope<WorkflowId, RunId>>(halves, body)?;
    let (event, rest) =
        schema::read_front(rest, body.len(), &halves.body, RunEvent(halves.name)).map_err(|fault| fault.to_string())?;
    schema::nothing_left(rest)?;
    let RunEnvelope { workflow_id, run_id, sequence, time } = envelope;
    Ok(Recorded { workflow_id, run_id, sequence, time, event })
}

fn read_partition(halves: &Halves, body: &[u8]) -> Result<PartitionRecorded, String> {
    let (envelope, rest) = read_half::<PartitionEnvelope>(halves, body)?;
    let (event, rest) = schema::read_front(rest, body.len(), &halves.body, OfPartition(halves.name))
        .map_err(|fault| fault.to_string())?;
    schema::nothing_left(rest)?;
    let PartitionEnvelope { partition, sequence, time } = envelope;
    Ok(PartitionRecorded { partition, sequence, time, event })
}

fn read_half<'de, T: Deserialize<'de>>(halves: &Halves, body: &'de [u8]) -> Result<(T, SliceRead<'de>), String> {
    schema::read_front(SliceRead::new(body), body.len(), &halves.envelope, PhantomData).map_err(|e| e.to_string())
}

/// Reads the own fields of a run's event with this name.
struct RunEvent(&'static str);

impl<'de> DeserializeSeed<'de> for RunEvent {
    type Value = Event;
    fn deserialize<D: Deserializer<'de>>(self, body: D) -> Result<Event, D::Error> {
        Ok(match self.0 {
            "WorkflowStarted" => Event::WorkflowStarted(Deserialize::deserialize(body)?),
            "PlanMade" => Event::PlanMade(Deserialize::deserialize(body)?),
            "NodeScheduled" => Event::NodeScheduled(Deserialize::deserialize(body)?),
            "NodeStarted" => Event::NodeStarted(Deserialize::deserialize(body)?),
            "NodeProgressed" => Event::NodeProgressed(Deserialize::deserialize(body)?),
            "NodeRecovered" => Event::NodeRecovered(Deserialize::deserialize(body)?),
            "NodeCompleted" => Event::NodeCompleted(Deserialize::deserialize(body)?),
            "NodeFailed" => Event::NodeFailed(Deserialize::deserialize(body)?),
            "NodeRetryScheduled" => Event::NodeRetryScheduled(Deserialize::deserialize(body)?),
            "StateTransitioned" => Event::StateTransitioned(Deserialize::deserialize(body)?),
            "WorkflowCompleted" => Event::WorkflowCompleted(Deserialize::deserialize(body)?),
            "WorkflowFailed" => Event::WorkflowFailed(Deserialize::deserialize(body)?),
            _ => return Err(D::Error::custom("no event of a run has this name")),
        })
    }
}

/// Reads the own fields of a partition's event with this name.
struct OfPartition(&'static str);

impl<'de> DeserializeSeed<'de> for OfPartition {
    type Value = PartitionEvent;
    fn deserialize<D: Deserializer<'de>>(self, body: D) -> Result<PartitionEvent, D::Error> {
        Ok(match self.0 {
            "InputRefused" => PartitionEvent::InputRefused(Deserialize::deserialize(body)?),
            "InputRejected" => PartitionEvent::InputRejected(Deserialize::deserialize(body)?),
            "InputForwarded" => PartitionEvent::InputForwarded(Deserialize::deserialize(body)?),
            "EffectFailed" => PartitionEvent::EffectFailed(Deserialize::deserialize(body)?),
            "InputLost" => PartitionEvent::InputLost(Deserialize::deserialize(body)?),
            "Trying" => PartitionEvent::Trying(Deserialize::deserialize(body)?),
            "BreakerChanged" => PartitionEvent::BreakerChanged(Deserialize::deserialize(body)?),
            "DeadLetterHandled" => PartitionEvent::DeadLetterHandled(Deserialize::deserialize(body)?),
            _ => return Err(D::Error::custom("no event of a partition has this name")),
        })
    }
}
