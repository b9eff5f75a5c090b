//! An installation: the topics under one namespace, the pinned number of partitions, the definitions.
//!
//! Made by `init`, `dev`, `demo` and whoever embeds the engine; read by everything that begins. The same for every log.
//!
//! | file | what it is |
//! |---|---|
//! | [`records`] | reading partitions to their end, appending and waiting until the records stand in the log |
//! | [`topics`] | creating what is missing, checking what is there |
//! | [`apply`] | making definitions known |

pub mod apply;
pub mod records;
pub mod topics;

use crate::core::catalogue::{Applied, Catalogue};
use crate::log::{AppendError, Log, LogError, NewRecord, Topic};
use crate::wire::WireError;
use crate::wire::definition::{self, DefinitionRecord};
use std::ops::ControlFlow;

/// What stands in `definitions`.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// The pinned number of partitions; none: `init` has not run.
    pub partitions: Option<u32>,
    /// The definitions.
    pub catalogue: Catalogue,
}

/// Why an installation cannot be read, made or used.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// A fault of the log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record was not taken, or is not known to have been.
    #[error("a record for {topic}: {fault}")]
    Append {
        /// For which topic.
        topic: Topic,
        /// Why.
        fault: AppendError,
    },
    /// The record that pins the number of partitions cannot be read.
    #[error("the number of partitions is pinned at offset {offset} of `definitions`, and cannot be read: {fault}")]
    Unreadable {
        /// Where.
        offset: u64,
        /// Why.
        fault: WireError,
    },
    /// `init` has not run.
    #[error("there is no installation in {place}: run `orchestrator init` once")]
    Missing {
        /// Where it should be, for people.
        place: String,
    },
    /// Another number of partitions was asked for than the pinned one.
    #[error(
        "{asked} partitions were asked for, but this installation is pinned to {pinned}: the number can't be changed; \
         leave ORCHESTRATOR_PARTITIONS out, or use another --namespace"
    )]
    Pinned {
        /// How many were asked for.
        asked: u32,
        /// How many there are.
        pinned: u32,
    },
    /// Topics on which it would not be safe to run; each with what to do.
    #[error("the topics of {place} are not as they should be:\n  {}", faults.join("\n  "))]
    Topics {
        /// Where, for people.
        place: String,
        /// Everything that is wrong.
        faults: Vec<String>,
    },
    /// What was appended to `definitions` is not there afterwards.
    #[error("{name} was appended and is not there: the topic `definitions` loses records")]
    Vanished {
        /// The definition.
        name: String,
    },
}

impl Installation {
    /// Reads what is there; an installation without anything where the topic does not exist. A definition that cannot
    /// be read is left out, as engines do: whoever may write the topic, or has a newer version, must not be able to
    /// keep everybody else from starting.
    ///
    /// # Errors
    /// Where the log does not answer, or the number of partitions is pinned and cannot be read.
    pub fn read(log: &dyn Log) -> Result<Self, InstallationError> {
        let mut installation = Self::default();
        let mut pinned = None;
        if log.partitions(&Topic::Definitions)?.is_none() {
            return Ok(installation);
        }
        records::read_to_end(log, &Topic::Definitions, 0, 0, |record| {
            // A tombstone: definitions never have one, whatever else wrote it says nothing here.
            let (Some(key), Some(value)) = (&record.key, &record.value) else { return Ok(ControlFlow::Continue(())) };
            match definition::decode(key, value) {
                Ok(decoded) => installation.fold(decoded),
                Err(fault) if key[..] == *definition::INSTALLATION_KEY => pinned = Some((record.offset, fault)),
                Err(error) => {
                    tracing::error!(offset = record.offset, %error, "a record of `definitions` cannot be read; it is left out");
                }
            }
            Ok::<_, InstallationError>(ControlFlow::Continue(()))
        })?;
        match (pinned, installation.partitions) {
            (Some((offset, fault)), None) => Err(InstallationError::Unreadable { offset, fault }),
            _ => Ok(installation),
        }
    }

    /// Reads what is there, and refuses where `init` has not run; `place` is where, for people.
    ///
    /// # Errors
    /// As [`Installation::read`], and where nothing is pinned.
    pub fn require(log: &dyn Log, place: &str) -> Result<(u32, Catalogue), InstallationError> {
        let installation = Self::read(log)?;
        let missing = || InstallationError::Missing { place: place.to_owned() };
        Ok((installation.partitions.ok_or_else(missing)?, installation.catalogue))
    }

    fn fold(&mut self, record: DefinitionRecord) {
        match record {
            DefinitionRecord::Installation { partitions } => self.partitions = Some(partitions),
            DefinitionRecord::Applied { reference, applied_at, document } => {
                self.catalogue.fold(Applied { reference, applied_at, document });
            }
        }
    }
}

/// A record of the definitions topic as it is appended.
fn record(record: &DefinitionRecord) -> NewRecord {
    let (key, value) = definition::encode(record);
    NewRecord { topic: Topic::Definitions, partition: Some(0), key: Some(key), value: Some(value), headers: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::{Clock, MemoryLog, ProcessId};
    use crate::log::plan::topic_plan;
    use bytes::Bytes;

    fn read(records: &[(&'static str, &'static str)]) -> Result<Installation, InstallationError> {
        let clock = Clock::at(crate::core::time::Timestamp(0));
        let memory = MemoryLog::new(clock, 1);
        let log = memory.process(ProcessId(1));
        log.create_topics(&topic_plan(1, 1)).unwrap();
        let new = |(key, value): &(&'static str, &'static str)| NewRecord {
            topic: Topic::Definitions,
            partition: Some(0),
            key: Some(Bytes::from(*key)),
            value: Some(Bytes::from(*value)),
            headers: Vec::new(),
        };
        records::append(&log, records.iter().map(new).collect()).unwrap();
        Installation::read(&log)
    }

    const PINNED: (&str, &str) = ("orchestrator/installation", r#"{"format":1,"partitions":4}"#);

    #[test]
    fn what_cannot_be_read_keeps_nobody_from_starting() {
        let newer = ("load@x", r#"{"format":2,"name":"load","newfield":1}"#);
        let installation = read(&[("load@xyz", "garbage"), PINNED, newer, (PINNED.0, "garbage")]).unwrap();
        assert_eq!(installation.partitions, Some(4));
    }

    #[test]
    fn a_pinned_number_that_cannot_be_read_is_said() {
        let fault = read(&[(PINNED.0, r#"{"format":9}"#)]).unwrap_err();
        assert!(matches!(fault, InstallationError::Unreadable { offset: 0, .. }), "{fault}");
    }
}
