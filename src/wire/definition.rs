//! Definitions on their compacted topic, as JSON, and the reserved record with the number of partitions.

use super::WireError;
use super::json_text::{self, Object};
use crate::core::definition::{DefinitionHash, DefinitionRef};
use crate::core::id::DefinitionName;
use crate::core::rfc3339;
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

/// The key of the reserved record. No definition can have it: names do not hold a slash.
pub const INSTALLATION_KEY: &[u8] = b"orchestrator/installation";

/// A record of `definitions`.
#[derive(Clone, Debug, PartialEq)]
pub enum DefinitionRecord {
    /// `{"format":1,"name":…,"version":…,"hash":…,"applied_at":…,"document":{…}}` under the key `name@hash`.
    Applied {
        /// Name, version and hash.
        reference: DefinitionRef,
        /// When it was applied.
        applied_at: Timestamp,
        /// The document.
        document: Value,
    },
    /// `{"format":1,"partitions":4}` under [`INSTALLATION_KEY`].
    Installation {
        /// The number of partitions of `requests`, `signals`, `results`, `journal`, `delay.*` and `events`.
        partitions: u32,
    },
}

/// Key and value of a record.
pub fn encode(record: &DefinitionRecord) -> (Bytes, Bytes) {
    match record {
        DefinitionRecord::Applied { reference, applied_at, document } => {
            let document = document.to_string();
            let value = Object::with_format(document.len())
                .text("name", reference.name.as_str())
                .number("version", reference.version.into())
                .text("hash", &reference.hash.0)
                .text("applied_at", &rfc3339::write(*applied_at))
                .literal("document", &document);
            (key(&reference.name, &reference.hash).into(), value.finish())
        }
        DefinitionRecord::Installation { partitions } => {
            let value = Object::with_format(0).number("partitions", (*partitions).into());
            (Bytes::from_static(INSTALLATION_KEY), value.finish())
        }
    }
}

fn key(name: &DefinitionName, hash: &DefinitionHash) -> String {
    format!("{name}@{hash}")
}

#[derive(Deserialize)]
struct AppliedIn {
    format: Option<u64>,
    name: String,
    version: u32,
    hash: String,
    applied_at: String,
    document: Value,
}

#[derive(Deserialize)]
struct InstallationIn {
    format: Option<u64>,
    partitions: u32,
}

/// Reads a record. Versions and partitions are 1 to 2³¹−1, what Avro's `int` and Kafka can hold.
pub fn decode(record_key: &[u8], value: &[u8]) -> Result<DefinitionRecord, WireError> {
    let countable = |number: u32| number > 0 && i32::try_from(number).is_ok();
    if record_key == INSTALLATION_KEY {
        const EXPECTED: &str = "the installation's record, {\"format\":1,\"partitions\":N}";
        let InstallationIn { partitions, .. } =
            json_text::read("the installation's record", EXPECTED, value, |read: &InstallationIn| read.format)?;
        if !countable(partitions) {
            return Err(malformed(EXPECTED, format!("{partitions} partitions")));
        }
        return Ok(DefinitionRecord::Installation { partitions });
    }
    const EXPECTED: &str = "a definition under the key name@hash";
    let applied = json_text::read("the definition", EXPECTED, value, |read: &AppliedIn| read.format)?;
    let name = DefinitionName::new(&applied.name).map_err(|fault| malformed(EXPECTED, fault.to_string()))?;
    let applied_at = rfc3339::read(&applied.applied_at)
        .ok_or_else(|| malformed(EXPECTED, "applied_at is not an RFC 3339 time".to_owned()))?;
    if !countable(applied.version) {
        return Err(malformed(EXPECTED, format!("version {}", applied.version)));
    }
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if applied.hash.len() != 64 || !applied.hash.bytes().all(digit) {
        return Err(malformed(EXPECTED, "a hash that is not 64 lower-case hexadecimal digits".to_owned()));
    }
    let hash = DefinitionHash(applied.hash.into());
    if key(&name, &hash).as_bytes() != record_key {
        let found = format!("{name}@{hash} under the key {}", json_text::brief(&String::from_utf8_lossy(record_key)));
        return Err(malformed(EXPECTED, found));
    }
    let reference = DefinitionRef { name, version: applied.version, hash };
    Ok(DefinitionRecord::Applied { reference, applied_at, document: applied.document })
}

fn malformed(expected: &'static str, found: String) -> WireError {
    WireError::Malformed { expected, found }
}
