//! What requests and reports have in common: records written by others. Framing, size, the key, and what is said of a
//! record that is refused.
//!
//! Nesting is safe at any depth: what may nest is taken as raw text, which serde_json scans without recursion, and
//! checked by [`Json`] before anything recurses into it.

use super::framing::CONFLUENT;
use super::json_text::{self, FORMAT, Format};
use super::schema::{self, FRAME_BYTES, SINGLE_OBJECT, Schema};
use crate::core::id::{IllegalId, WorkflowId};
use crate::core::json::{Json, JsonFault, MAX_DEPTH};
use crate::core::rejection::{Refusal, RefusalReason};
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::marker::PhantomData;

/// A value without its framing.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Json(&'a str),
    Avro(Avro<'a>),
}

/// Avro without its framing, and the schemas that it may be written with, the newest first: one, or, where the framing
/// does not say which, all versions. (Versions only add fields at the end, so that a body fits one of them alone.)
#[derive(Clone, Copy)]
pub(super) struct Avro<'a> {
    bytes: &'a [u8],
    schemas: &'static [Schema],
}

impl<'a> Avro<'a> {
    /// Reads the value; the fault is the one that the newest schema finds.
    fn read<T: Deserialize<'a>>(&self) -> Result<T, (&'static Schema, String)> {
        let read = |schema: &'static Schema| {
            schema::read_all(self.bytes, schema.avro(), PhantomData).map_err(|fault| (schema, fault))
        };
        let newest = read(&self.schemas[0]);
        self.schemas[1..].iter().fold(newest, |found, older| found.or_else(|fault| read(older).map_err(|_| fault)))
    }

    /// Reads into something that keeps what comes before a fault. All versions begin with the same fields.
    pub(super) fn peek<S: DeserializeSeed<'a>>(&self, seed: S) -> Option<S::Value> {
        schema::read_all(self.bytes, self.schemas[0].avro(), seed).ok()
    }
}

/// A kind of record: its word in messages, its schema.
pub(super) struct Kind {
    pub(super) what: &'static str,
    pub(super) schema: &'static str,
}

impl Kind {
    /// Takes the framing off, once the size is known to be allowed.
    pub(super) fn body<'a>(&self, value: Option<&'a [u8]>, max_bytes: usize) -> Result<Body<'a>, Refusal> {
        let value = value.filter(|value| !value.is_empty()).ok_or_else(|| {
            Refusal::new(RefusalReason::NoValue, format!("expected a {}, found a record without value", self.what))
        })?;
        if value.len() > max_bytes {
            let message = format!("expected at most {max_bytes} bytes, found {}", value.len());
            return Err(Refusal::new(RefusalReason::TooLarge, message));
        }
        match value {
            [0xC3, 0x01, ..] => self.single_object(value),
            [CONFLUENT, _, _, _, _, bytes @ ..] => {
                Ok(Body::Avro(Avro { bytes, schemas: schema::versions(self.schema) }))
            }
            _ => self.json(value),
        }
    }

    fn single_object<'a>(&self, value: &'a [u8]) -> Result<Body<'a>, Refusal> {
        debug_assert_eq!(value[..2], SINGLE_OBJECT);
        let Some((frame, bytes)) = value.split_at_checked(FRAME_BYTES) else {
            return Err(malformed(format!("expected Avro single-object framing of 10 bytes, found {}", value.len())));
        };
        match schema::by_fingerprint(&frame[2..]) {
            Some(schema) if schema.name == self.schema => {
                Ok(Body::Avro(Avro { bytes, schemas: std::slice::from_ref(schema) }))
            }
            Some(other) => Err(malformed(format!("expected a {}, found an Avro {}", self.schema, other.name))),
            None => {
                let fingerprint = hex::encode(&frame[2..]);
                let known: Vec<String> = schema::versions(self.schema)
                    .iter()
                    .map(|schema| {
                        format!("schemas/{schema:?}.avsc (fingerprint {})", hex::encode(schema.fingerprint()))
                    })
                    .collect();
                let known = known.join(" or ");
                let message = format!("expected Avro written with {known}, found the fingerprint {fingerprint}");
                Err(Refusal::new(RefusalReason::Unsupported, message))
            }
        }
    }

    fn json<'a>(&self, value: &'a [u8]) -> Result<Body<'a>, Refusal> {
        let start = value.iter().position(|byte| !b" \t\r\n".contains(byte)).unwrap_or(value.len());
        if value.get(start) != Some(&b'{') {
            let message = format!(
                "expected a {} as a JSON object, or as Avro that begins with C3 01 (single object) or 00 (Confluent); \
                 found {} bytes that begin with {}",
                self.what,
                value.len(),
                first_bytes(&value[start..]),
            );
            return Err(malformed(message));
        }
        std::str::from_utf8(value).map(Body::Json).map_err(|fault| {
            malformed(format!("expected UTF-8, found an invalid sequence at byte {}", fault.valid_up_to()))
        })
    }

    /// Reads the body into the form that JSON and Avro share.
    pub(super) fn read<'a, J: Deserialize<'a>, A: Deserialize<'a>, T>(
        &self,
        body: Body<'a>,
        from_json: impl FnOnce(J) -> Result<T, Refusal>,
        from_avro: impl FnOnce(A) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match body {
            Body::Json(text) => {
                let read = serde_json::from_str(text).map_err(|fault| match Format::newer(text.as_bytes()) {
                    Some(format) => self.newer(format),
                    None => {
                        let fault = json_text::brief(&fault.to_string());
                        malformed(format!("expected a {}, found: {fault}", self.what))
                    }
                });
                from_json(read?)
            }
            Body::Avro(avro) => from_avro(avro.read().map_err(|(schema, fault)| {
                let fault = json_text::brief(&fault);
                malformed(format!("expected Avro as schemas/{schema:?}.avsc says, found: {fault}"))
            })?),
        }
    }

    /// Checks the `format` of a body that could be read.
    pub(super) fn known_format(&self, format: Option<u64>) -> Result<(), Refusal> {
        match format {
            Some(format) if format > FORMAT => Err(self.newer(format)),
            _ => Ok(()),
        }
    }

    /// A newer format explains whatever else is strange.
    fn newer(&self, format: u64) -> Refusal {
        let message = format!("the {} has format {format}, this version reads up to {FORMAT}", self.what);
        Refusal::new(RefusalReason::Unsupported, message)
    }

    /// Names the workflow of a refused record, as far as it can be read: by the key, else by the body.
    pub(super) fn name_workflow(
        &self,
        refusal: Refusal,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        max: usize,
    ) -> Refusal {
        let by_key = || WorkflowId::new(std::str::from_utf8(key?).ok()?).ok();
        let by_body = || {
            let peek = match self.body(value, max).ok()? {
                Body::Json(text) => serde_json::from_str::<Peek>(text).ok()?,
                Body::Avro(avro) => avro.read::<Peek>().ok()?,
            };
            WorkflowId::new(&peek.workflow_id?).ok()
        };
        Refusal { workflow_id: by_key().or_else(by_body), ..refusal }
    }
}

#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow)]
    workflow_id: Option<Cow<'a, str>>,
}

/// The workflow that key and body name together; none where neither does.
pub(super) fn workflow_id(key: Option<&[u8]>, named: Option<&str>) -> Result<Option<WorkflowId>, Refusal> {
    let by_key = match key {
        None => None,
        Some(key) => Some(by_key(key)?),
    };
    let by_body = named.map(WorkflowId::new).transpose().map_err(illegal)?;
    match (by_key, by_body) {
        (Some(key), Some(body)) if key != body => Err(Refusal::new(
            RefusalReason::KeyMismatch,
            format!(
                "expected key and body to name the same workflow, found the key {key:?} and the workflow_id {body:?}"
            ),
        )),
        (by_key, by_body) => Ok(by_key.or(by_body)),
    }
}

fn by_key(key: &[u8]) -> Result<WorkflowId, Refusal> {
    let text = std::str::from_utf8(key).map_err(|fault| {
        let message = format!(
            "the key is the workflow_id: expected UTF-8, found an invalid sequence at byte {} of it",
            fault.valid_up_to()
        );
        Refusal::new(RefusalReason::IllegalId, message)
    })?;
    WorkflowId::new(text)
        .map_err(|fault| Refusal::new(RefusalReason::IllegalId, format!("the key is the workflow_id: {fault}")))
}

/// A refusal of what is not of the expected form.
pub(super) fn malformed(message: String) -> Refusal {
    Refusal::new(RefusalReason::Malformed, message)
}

/// A refusal of an id or a name.
pub(super) fn illegal(fault: IllegalId) -> Refusal {
    Refusal::new(RefusalReason::IllegalId, fault.to_string())
}

/// Takes a part of a JSON body.
pub(super) fn from_raw(field: &str, raw: &RawValue) -> Result<Json, Refusal> {
    Json::from_raw(raw).map_err(|fault| json_fault(field, &fault))
}

/// Takes an Avro string that holds JSON.
pub(super) fn from_text(field: &str, text: &str) -> Result<Json, Refusal> {
    Json::parse(text).map_err(|fault| json_fault(field, &fault))
}

fn json_fault(field: &str, fault: &JsonFault) -> Refusal {
    match fault {
        JsonFault::TooDeep => Refusal::new(
            RefusalReason::TooDeep,
            format!("`{field}` is nested deeper than the {MAX_DEPTH} levels that are allowed"),
        ),
        JsonFault::Malformed(why) => malformed(format!("expected JSON in `{field}`, found: {}", json_text::brief(why))),
    }
}

fn first_bytes(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(8)];
    format!("{} ({:?})", hex::encode(head), String::from_utf8_lossy(head))
}
