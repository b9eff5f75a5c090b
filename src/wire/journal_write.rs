//! Journal records as they are written: borrowed, with the fields of the schema in the schema's order.

use crate::core::command::Origin;
use crate::core::time::Timestamp;
use crate::journal::record::{Cause, EffectsThrough, InputPosition, InputRecord, PartitionTaken, Step, Transition};
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;

/// Bytes as Avro's `bytes` or `fixed`.
pub(super) struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// An array whose elements are made while it is written.
pub(super) struct Each<'a, T, F>(&'a [T], F);

impl<'a, T, U: Serialize, F: Fn(&'a T) -> U> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}

#[derive(Serialize)]
pub(super) struct TakenOut<'a> {
    term: u64,
    owner: Raw<'a>,
    time: Timestamp,
    group: &'a str,
    host: &'a str,
    version: &'a str,
    cluster: &'a str,
}

impl<'a> TakenOut<'a> {
    pub(super) fn of(taken: &'a PartitionTaken) -> Self {
        let PartitionTaken { term, owner, time, group, host, version, cluster } = taken;
        Self { term: *term, owner: Raw(&owner.0), time: *time, group, host, version, cluster }
    }
}

type EachTransition<'a> = Each<'a, Transition, fn(&'a Transition) -> TransitionOut<'a>>;

#[derive(Serialize)]
pub(super) struct StepOut<'a> {
    term: u64,
    owner: Raw<'a>,
    number: u64,
    time: Timestamp,
    positions: &'a [InputPosition],
    effects_through: Option<EffectsThrough>,
    transitions: EachTransition<'a>,
}

impl<'a> StepOut<'a> {
    pub(super) fn of(step: &'a Step) -> Self {
        let Step { term, owner, number, time, positions, effects_through, transitions } = step;
        Self {
            term: *term,
            owner: Raw(&owner.0),
            number: *number,
            time: *time,
            positions,
            effects_through: *effects_through,
            transitions: Each(transitions, TransitionOut::of),
        }
    }
}

/// The words of the schema's `CauseKind`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CauseKind {
    Input,
    Deadline,
    Continuation,
    EffectFailed,
}

#[derive(Serialize)]
struct CauseOut<'a> {
    kind: CauseKind,
    origin: Option<&'a Origin>,
}

#[derive(Serialize)]
struct TransitionOut<'a> {
    cause: CauseOut<'a>,
    chain: Raw<'a>,
    traceparent: Option<&'a str>,
    events: Each<'a, Bytes, fn(&'a Bytes) -> Raw<'a>>,
    input: Option<InputOut<'a>>,
}

impl<'a> TransitionOut<'a> {
    fn of(transition: &'a Transition) -> Self {
        let cause = match &transition.cause {
            Cause::Input(origin) => CauseOut { kind: CauseKind::Input, origin: Some(origin) },
            Cause::Timer => CauseOut { kind: CauseKind::Deadline, origin: None },
            Cause::Continuation => CauseOut { kind: CauseKind::Continuation, origin: None },
            Cause::EffectFailed => CauseOut { kind: CauseKind::EffectFailed, origin: None },
        };
        let events = Each(&transition.events[..], (|event| Raw(event)) as fn(&'a Bytes) -> Raw<'a>);
        Self {
            cause,
            chain: Raw(&transition.chain),
            traceparent: transition.traceparent.as_deref(),
            events,
            input: transition.input.as_ref().map(InputOut::of),
        }
    }
}

type Header = (Cow<'static, str>, Bytes);

#[derive(Serialize)]
struct InputOut<'a> {
    key: Option<Raw<'a>>,
    value: Option<Raw<'a>>,
    value_bytes: u64,
    value_sha256: &'a str,
    headers: Each<'a, Header, fn(&'a Header) -> HeaderOut<'a>>,
}

#[derive(Serialize)]
struct HeaderOut<'a> {
    name: &'a str,
    value: Raw<'a>,
}

impl<'a> InputOut<'a> {
    fn of(input: &'a InputRecord) -> Self {
        let header: fn(&'a Header) -> HeaderOut<'a> = |(name, value)| HeaderOut { name, value: Raw(value) };
        Self {
            key: input.key.as_deref().map(Raw),
            value: input.value.as_deref().map(Raw),
            value_bytes: input.value_bytes,
            value_sha256: &input.value_sha256,
            headers: Each(&input.headers, header),
        }
    }
}
