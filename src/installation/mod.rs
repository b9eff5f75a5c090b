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
    /// A record of `definitions` cannot be read.
    #[error("definitions, offset {offset}: {fault}")]
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
    /// Reads what is there; an installation without anything where the topic does not exist.
    ///
    /// # Errors
    /// Where the log does not answer, or a record was written by a newer version.
    pub fn read(log: &dyn Log) -> Result<Self, InstallationError> {
        let mut installation = Self::default();
        if log.partitions(&Topic::Definitions)?.is_none() {
            return Ok(installation);
        }
        records::read_to_end(log, &Topic::Definitions, 0, 0, |record| {
            // A tombstone: definitions never have one, whatever else wrote it says nothing here.
            let (Some(key), Some(value)) = (&record.key, &record.value) else { return Ok(ControlFlow::Continue(())) };
            let unreadable = |fault| InstallationError::Unreadable { offset: record.offset, fault };
            installation.fold(definition::decode(key, value).map_err(unreadable)?);
            Ok::<_, InstallationError>(ControlFlow::Continue(()))
        })?;
        Ok(installation)
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
