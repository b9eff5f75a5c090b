//! Journal records as Avro.

use super::WireError;
use super::journal_read::{StepSeed, TakenIn};
use super::journal_write::{StepOut, TakenOut};
use super::schema::{self, Schema};
use crate::journal::record::{JournalRecord, Step};
use bytes::Bytes;
use serde::Serialize;
use std::marker::PhantomData;
use std::sync::LazyLock;

static STEP: LazyLock<&'static Schema> = LazyLock::new(|| schema::known("JournalStep"));
static TAKEN: LazyLock<&'static Schema> = LazyLock::new(|| schema::known("PartitionTaken"));

/// The bytes of a journal record.
pub fn encode(record: &JournalRecord) -> Bytes {
    match record {
        JournalRecord::Step(step) => write(&STEP, &StepOut::of(step), step_bytes(step)),
        JournalRecord::PartitionTaken(taken) => write(&TAKEN, &TakenOut::of(taken), 256),
    }
}

fn write<T: Serialize>(schema: &Schema, record: &T, about: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(about);
    bytes.extend_from_slice(&schema.frame());
    schema::append(&mut bytes, schema.avro(), record)
        .expect("the schema has the record's fields (a test encodes both kinds), and offsets fit Avro's long");
    bytes.into()
}

/// A little more than the bytes that a step takes, so that its buffer is made once.
fn step_bytes(step: &Step) -> usize {
    let transitions = step.transitions.iter().map(|transition| {
        let events = transition.events.iter().map(|event| event.len() + 4).sum::<usize>();
        let input = transition.input.as_ref().map_or(0, |input| {
            let headers = input.headers.iter().map(|(name, value)| name.len() + value.len() + 8);
            128 + [&input.key, &input.value].into_iter().flatten().map(Bytes::len).sum::<usize>()
                + headers.sum::<usize>()
        });
        128 + events + input
    });
    256 + 48 * step.positions.len() + transitions.sum::<usize>()
}

/// Reads a journal record; the events in it stay bytes (slices of `bytes`, not copies).
pub fn decode(bytes: &Bytes) -> Result<JournalRecord, WireError> {
    let (schema, body) = schema::unframe("the journal record", bytes)?;
    let read = match schema.name {
        "JournalStep" => schema::read_all(body, schema.avro(), StepSeed(bytes)).map(JournalRecord::Step),
        "PartitionTaken" => schema::read_all(body, schema.avro(), PhantomData::<TakenIn>)
            .map(|taken| JournalRecord::PartitionTaken(taken.into_record())),
        other => return Err(WireError::Malformed { expected: "a journal record", found: format!("a {other}") }),
    };
    read.map_err(|fault| WireError::Malformed {
        expected: "a journal record as its schema says",
        found: format!("{}: {fault}", schema.name),
    })
}
