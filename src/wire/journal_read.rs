//! Journal records as they are read. What is bytes in them becomes slices of the record, not copies: the seeds carry
//! the record along.

use super::journal_write::CauseKind;
use crate::core::command::Origin;
use crate::core::time::Timestamp;
use crate::journal::record::{
    Cause, EffectsThrough, InputPosition, InputRecord, Owner, PartitionTaken, Step, Transition,
};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Bytes that are still a part of the record.
#[derive(Clone, Copy)]
struct RawIn<'a>(&'a [u8]);

impl<'de: 'a, 'a> Deserialize<'de> for RawIn<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = RawIn<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<RawIn<'de>, E> {
                Ok(RawIn(bytes))
            }
        }
        deserializer.deserialize_bytes(Borrowed)
    }
}

impl RawIn<'_> {
    fn owner<E: Error>(self) -> Result<Owner, E> {
        self.0.try_into().map(Owner).map_err(|_| E::custom("an owner is not of 16 bytes"))
    }
}

#[derive(Deserialize)]
pub(super) struct TakenIn {
    term: u64,
    #[serde(deserialize_with = "owner")]
    owner: Owner,
    time: Timestamp,
    group: String,
    host: String,
    version: String,
    cluster: String,
}

fn owner<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Owner, D::Error> {
    RawIn::deserialize(deserializer)?.owner()
}

impl TakenIn {
    pub(super) fn into_record(self) -> PartitionTaken {
        let Self { term, owner, time, group, host, version, cluster } = self;
        PartitionTaken { term, owner, time, group, host, version, cluster }
    }
}

#[derive(Deserialize)]
struct CauseIn {
    kind: CauseKind,
    origin: Option<Origin>,
}

impl CauseIn {
    fn into_cause<E: Error>(self) -> Result<Cause, E> {
        Ok(match (self.kind, self.origin) {
            (CauseKind::Input, Some(origin)) => Cause::Input(origin),
            (CauseKind::Input, None) => return Err(E::custom("a cause of the kind input without origin")),
            (CauseKind::Deadline, _) => Cause::Timer,
            (CauseKind::Continuation, _) => Cause::Continuation,
            (CauseKind::EffectFailed, _) => Cause::EffectFailed,
        })
    }
}

#[derive(Deserialize)]
struct InputIn<'a> {
    #[serde(borrow)]
    key: Option<RawIn<'a>>,
    #[serde(borrow)]
    value: Option<RawIn<'a>>,
    value_bytes: u64,
    value_sha256: String,
    #[serde(borrow)]
    headers: Vec<HeaderIn<'a>>,
}

#[derive(Deserialize)]
struct HeaderIn<'a> {
    name: String,
    #[serde(borrow)]
    value: RawIn<'a>,
}

impl InputIn<'_> {
    fn into_record(self, record: &Bytes) -> InputRecord {
        let slice = |raw: RawIn| record.slice_ref(raw.0);
        InputRecord {
            key: self.key.map(slice),
            value: self.value.map(slice),
            value_bytes: self.value_bytes,
            value_sha256: self.value_sha256,
            headers: self.headers.into_iter().map(|header| (header.name.into(), slice(header.value))).collect(),
        }
    }
}

/// An array, each element read by a copy of the seed.
struct Each<S>(S);

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for Each<S> {
    type Value = Vec<S::Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for Each<S> {
    type Value = Vec<S::Value>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        // A claimed length is never believed: the vector grows with what is really there.
        let mut all = Vec::new();
        while let Some(element) = elements.next_element_seed(self.0)? {
            all.push(element);
        }
        Ok(all)
    }
}

/// An event, as a slice of the record.
#[derive(Clone, Copy)]
struct EventSeed<'b>(&'b Bytes);

impl<'de> DeserializeSeed<'de> for EventSeed<'_> {
    type Value = Bytes;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bytes, D::Error> {
        RawIn::deserialize(deserializer).map(|raw| self.0.slice_ref(raw.0))
    }
}

#[derive(Clone, Copy)]
struct TransitionSeed<'b>(&'b Bytes);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum TransitionField {
    Cause,
    Chain,
    Traceparent,
    Events,
    Input,
}

impl<'de> DeserializeSeed<'de> for TransitionSeed<'_> {
    type Value = Transition;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Transition, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TransitionSeed<'_> {
    type Value = Transition;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a transition")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Transition, A::Error> {
        let mut cause = None;
        let mut transition =
            Transition { cause: Cause::Timer, chain: [0; 16], traceparent: None, events: Vec::new(), input: None };
        while let Some(field) = fields.next_key()? {
            match field {
                TransitionField::Cause => cause = Some(fields.next_value::<CauseIn>()?.into_cause()?),
                TransitionField::Chain => transition.chain = fields.next_value::<RawIn>()?.owner()?.0,
                TransitionField::Traceparent => transition.traceparent = fields.next_value()?,
                TransitionField::Events => transition.events = fields.next_value_seed(Each(EventSeed(self.0)))?,
                TransitionField::Input => {
                    let input: Option<InputIn> = fields.next_value()?;
                    transition.input = input.map(|input| input.into_record(self.0));
                }
            }
        }
        transition.cause = cause.ok_or_else(|| A::Error::missing_field("cause"))?;
        Ok(transition)
    }
}

/// Reads a step; holds the record that its events are slices of.
pub(super) struct StepSeed<'b>(pub(super) &'b Bytes);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum StepField {
    Term,
    Owner,
    Number,
    Time,
    Positions,
    EffectsThrough,
    Transitions,
}

impl<'de> DeserializeSeed<'de> for StepSeed<'_> {
    type Value = Step;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Step, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for StepSeed<'_> {
    type Value = Step;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a step")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Step, A::Error> {
        // Avro's records are complete: every field of the schema comes by, in its order.
        let mut step = Step {
            term: 0,
            owner: Owner([0; 16]),
            number: 0,
            time: Timestamp(0),
            positions: Vec::new(),
            effects_through: None,
            transitions: Vec::new(),
        };
        while let Some(field) = fields.next_key()? {
            match field {
                StepField::Term => step.term = fields.next_value()?,
                StepField::Owner => step.owner = fields.next_value::<RawIn>()?.owner()?,
                StepField::Number => step.number = fields.next_value()?,
                StepField::Time => step.time = fields.next_value()?,
                StepField::Positions => step.positions = fields.next_value::<Vec<InputPosition>>()?,
                StepField::EffectsThrough => step.effects_through = fields.next_value::<Option<EffectsThrough>>()?,
                StepField::Transitions => step.transitions = fields.next_value_seed(Each(TransitionSeed(self.0)))?,
            }
        }
        Ok(step)
    }
}
