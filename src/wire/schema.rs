//! The schemas of `schemas/`, parsed once, found by name or by fingerprint, and Avro's single-object framing: `C3 01`
//! and the schema's CRC-64-AVRO fingerprint, little-endian (Avro 1.11 specification, "Single object encoding").

use super::{WireError, framing};
use serde::Serialize;
use serde::de::DeserializeSeed;
use serde_avro_fast::Schema as AvroSchema;
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeError, DeserializerConfig, DeserializerState};
use serde_avro_fast::ser::SerializerConfig;
use std::io::BufRead;
use std::sync::LazyLock;

/// The first two bytes of single-object framing.
pub const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];
/// Length of single-object framing: the marker and the fingerprint.
pub const FRAME_BYTES: usize = 10;

/// A schema of `schemas/`.
pub struct Schema {
    /// The record's name without namespace, e.g. `NodeCompleted`.
    pub name: &'static str,
    /// The version, counted from 1. A released schema is never edited: the next version joins it.
    pub version: u32,
    /// The file's text.
    pub text: &'static str,
    /// The CloudEvents type of its events, e.g. `orchestrator.NodeCompleted.v1`.
    pub event_type: String,
    full_name: String,
    avro: AvroSchema,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}.v{}", self.name, self.version)
    }
}

macro_rules! files {
    ($($name:literal v $version:literal),* $(,)?) => {
        [$(($name, $version, include_str!(concat!("../../schemas/", $name, ".v", $version, ".avsc")))),*]
    };
}

/// Every schema, the most frequent first: a lookup is a short walk. Of one name the newest stands first.
static ALL: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    files![
        "NodeCompleted" v 2,
        "NodeScheduled" v 2,
        "NodeStarted" v 2,
        "StateTransitioned" v 1,
        "WorkflowStarted" v 3,
        "PlanMade" v 1,
        "WorkflowCompleted" v 1,
        "NodeFailed" v 3,
        "NodeRetryScheduled" v 1,
        "NodeProgressed" v 1,
        "NodeRecovered" v 1,
        "WorkflowFailed" v 2,
        "InputRejected" v 1,
        "InputForwarded" v 1,
        "InputRefused" v 1,
        "EffectFailed" v 1,
        "InputLost" v 1,
        "Trying" v 2,
        "BreakerChanged" v 1,
        "DeadLetterHandled" v 1,
        "JournalStep" v 1,
        "PartitionTaken" v 1,
        "Request" v 1,
        "Report" v 3,
        "Report" v 2,
        "Report" v 1,
        "WorkflowStarted" v 2,
        "WorkflowStarted" v 1,
        "NodeCompleted" v 1,
        "Trying" v 1,
        "NodeStarted" v 1,
        "NodeFailed" v 2,
        "NodeFailed" v 1,
        "NodeScheduled" v 1,
        "WorkflowFailed" v 1,
    ]
    .into_iter()
    .map(|(name, version, text)| Schema {
        name,
        version,
        text,
        full_name: full_name(name, text),
        event_type: format!("orchestrator.{name}.v{version}"),
        avro: parse(text),
    })
    .collect()
});

fn full_name(name: &str, text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Named {
        namespace: String,
    }
    let Named { namespace } =
        serde_json::from_str(text).expect("every file of schemas/ has a namespace; a test reads it");
    format!("{namespace}.{name}")
}

/// The fingerprint of a schema from elsewhere (little-endian, as it stands in the framing); none: it is no schema.
pub fn fingerprint_of(text: &str) -> Option<[u8; 8]> {
    text.parse::<AvroSchema>().ok().map(|schema| *schema.rabin_fingerprint())
}

/// All schemas that this version reads.
pub fn all() -> &'static [Schema] {
    &ALL
}

/// The schema with a fingerprint (little-endian, as it stands in the framing).
pub fn by_fingerprint(fingerprint: &[u8]) -> Option<&'static Schema> {
    ALL.iter().find(|schema| schema.fingerprint() == fingerprint)
}

/// The schema that framed bytes were written with.
pub fn of(bytes: &[u8]) -> Option<&'static Schema> {
    bytes.get(SINGLE_OBJECT.len()..FRAME_BYTES).and_then(by_fingerprint)
}

/// The newest version of a schema.
pub fn by_name(name: &str) -> Option<&'static Schema> {
    ALL.iter().filter(|schema| schema.name == name).max_by_key(|schema| schema.version)
}

/// All versions of a schema, the newest first. They stand one behind the other where records may come from others.
pub(super) fn versions(name: &str) -> &'static [Schema] {
    let is_other = |schema: &Schema| schema.name != name;
    let from = ALL.iter().position(|schema| !is_other(schema)).unwrap_or(ALL.len());
    let rest = &ALL[from..];
    &rest[..rest.iter().position(is_other).unwrap_or(rest.len())]
}

impl Schema {
    /// CRC-64-AVRO of the schema's parsing canonical form, little-endian.
    pub fn fingerprint(&self) -> &[u8; 8] {
        self.avro.rabin_fingerprint()
    }

    /// The bytes before every body of this schema.
    pub fn frame(&self) -> [u8; FRAME_BYTES] {
        let mut frame = [0; FRAME_BYTES];
        frame[..2].copy_from_slice(&SINGLE_OBJECT);
        frame[2..].copy_from_slice(self.fingerprint());
        frame
    }

    /// The record's name with its namespace, e.g. `orchestrator.events.v1.NodeCompleted`.
    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    /// Whether it is of an event, rather than of the journal or of a message that others write.
    pub fn is_event(&self) -> bool {
        self.full_name.starts_with("orchestrator.events.")
    }

    /// For the codecs of this room.
    pub(super) fn avro(&self) -> &AvroSchema {
        &self.avro
    }
}

/// A schema that is known to be in `schemas/`.
pub(super) fn known(name: &'static str) -> &'static Schema {
    by_name(name).expect("the codecs name files of schemas/ alone; a test encodes with each of them")
}

/// Parses one of our own schemas.
pub(super) fn parse(text: &str) -> AvroSchema {
    text.parse().expect("the files of schemas/ are compiled in; a test reads every one of them")
}

/// Takes single-object framing off: the schema and the body.
pub(super) fn unframe<'a>(what: &'static str, bytes: &'a [u8]) -> Result<(&'static Schema, &'a [u8]), WireError> {
    let Some((frame, body)) = bytes.split_at_checked(FRAME_BYTES).filter(|(frame, _)| frame[..2] == SINGLE_OBJECT)
    else {
        let found = match framing::confluent(bytes) {
            Some((id, _)) => {
                format!("Confluent's with the schema id {id}, and no schema registry that says what it is")
            }
            None => format!("{} bytes that begin with {}", bytes.len(), hex::encode(&bytes[..bytes.len().min(4)])),
        };
        return Err(WireError::Malformed { expected: "Avro single-object framing (C3 01 and a fingerprint)", found });
    };
    match by_fingerprint(&frame[2..]) {
        Some(schema) => Ok((schema, body)),
        None => Err(WireError::Newer {
            what,
            found: format!("the schema fingerprint {}", hex::encode(&frame[2..])),
            known: "the schemas of its own schemas/".to_owned(),
        }),
    }
}

/// Appends a value's Avro encoding.
pub(super) fn append<T: Serialize>(
    bytes: &mut Vec<u8>,
    schema: &AvroSchema,
    value: &T,
) -> Result<(), serde_avro_fast::ser::SerError> {
    serde_avro_fast::to_datum(value, bytes, &mut SerializerConfig::new(schema)).map(|_| ())
}

/// Reads a value from the front of a body and returns what follows it.
///
/// A length prefix allocates nothing: strings and bytes are slices of `body`, checked against what is left, and an
/// array may not claim more elements than there are bytes (none of ours has elements of zero bytes).
pub(super) fn read_front<'de, S: DeserializeSeed<'de>>(
    body: SliceRead<'de>,
    limit: usize,
    schema: &AvroSchema,
    seed: S,
) -> Result<(S::Value, SliceRead<'de>), DeError> {
    let mut config = DeserializerConfig::new(schema);
    config.max_seq_size = limit;
    let mut state = DeserializerState::with_config(body, config);
    let value = seed.deserialize(state.deserializer())?;
    Ok((value, state.into_reader()))
}

/// Reads a whole body; bytes after the value are a fault.
pub(super) fn read_all<'de, S: DeserializeSeed<'de>>(
    body: &'de [u8],
    schema: &AvroSchema,
    seed: S,
) -> Result<S::Value, String> {
    let (value, rest) = read_front(SliceRead::new(body), body.len(), schema, seed).map_err(|e| e.to_string())?;
    nothing_left(rest)?;
    Ok(value)
}

/// Refuses bytes after the end of a value.
pub(super) fn nothing_left(mut rest: SliceRead) -> Result<(), String> {
    match rest.fill_buf().map_or(0, <[u8]>::len) {
        0 => Ok(()),
        left => Err(format!("{left} bytes after the end of the record")),
    }
}
