//! From settings to the parts that they name. Whatever has to be opened is opened here.

use super::exit::{Exit, fail};
use crate::config::{HttpTarget, LogTarget, Settings, StoreKind};
use crate::core::catalogue::Catalogue;
use crate::core::definition::Definition;
use crate::installation::{Installation, topics};
use crate::log::kafka::{KafkaLog, KafkaSettings};
use crate::log::sqlite::SqliteLog;
use crate::log::{Log, Topic};
use crate::registry::{FramedLog, Registry, register_events};
use crate::store::{self, Store};
use crate::ui::graph;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;

/// The pinned number of partitions and the definitions of the installation that the settings name.
///
/// # Errors
/// Where the log does not answer, or `init` has not run.
pub fn installation(log: &dyn Log, settings: &Settings) -> Result<(u32, Catalogue)> {
    Ok(Installation::require(log, &place(settings))?)
}

/// Checks the topics; returns what is odd without being unsafe, as sentences.
///
/// # Errors
/// Everything that is unsafe, at once.
pub fn check(log: &dyn Log, settings: &Settings, partitions: u32) -> Result<Vec<String>> {
    let mut warnings = topics::check(log, &place(settings), partitions)?;
    if matches!(settings.log, LogTarget::Kafka { .. }) && log.brokers()? == 1 {
        warnings.push("there is one broker: every topic has one replica, and what its disk loses is lost".to_owned());
    }
    Ok(warnings)
}

/// Where the installation is, for people.
pub fn place(settings: &Settings) -> String {
    format!("{} (namespace {})", settings.log.url(), settings.namespace)
}

/// How a definition is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// For a terminal.
    Terminal,
    /// For Graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
}

/// Opens the log that the settings name. Events come in single-object framing, whichever they were published in.
///
/// # Errors
/// Where it does not answer, or there is no such file.
pub fn open_log(settings: &Settings) -> Result<Arc<dyn Log>> {
    let log = open_unframed_log(settings)?;
    Ok(match registry(settings)? {
        Some(registry) => Arc::new(FramedLog::reading(log, registry)),
        None => log,
    })
}

/// The log of a process that publishes events, in the framing that the settings ask for: registers the schemas first,
/// where they name a registry.
///
/// # Errors
/// Where the registry does not answer or refuses.
pub fn publishing(log: Arc<dyn Log>, settings: &Settings) -> Result<Arc<dyn Log>> {
    let Some(registry) = registry(settings)? else { return Ok(log) };
    let ids = register_events(&registry, &format!("{}.{}", settings.namespace, Topic::Events))?;
    tracing::info!(registry = registry.shown(), schemas = ids.len(), "the schemas of the events are registered");
    Ok(Arc::new(FramedLog::publishing(log, ids)))
}

fn registry(settings: &Settings) -> Result<Option<Registry>> {
    let open = |target: &HttpTarget| Registry::new(&target.url).context("no HTTP call can be made");
    settings.schema_registry.as_ref().map(open).transpose()
}

/// Opens the log that the settings name, as it is.
///
/// # Errors
/// Where it does not answer, or there is no such file.
pub fn open_unframed_log(settings: &Settings) -> Result<Arc<dyn Log>> {
    if let LogTarget::Sqlite { path } = &settings.log
        && !path.exists()
    {
        let message = format!(
            "there is no log at {}: `orchestrator dev` and `orchestrator init` make one, for example with --data DIR",
            path.display()
        );
        return Err(fail(Exit::Refused, message));
    }
    connect_log(settings)
}

/// Opens the log that the settings name, and makes its folder where it is a file.
///
/// # Errors
/// Where it does not answer, or the folder can't be made.
pub fn make_log(settings: &Settings) -> Result<Arc<dyn Log>> {
    if let LogTarget::Sqlite { path } = &settings.log {
        make_folder_of(path)?;
    }
    connect_log(settings)
}

fn connect_log(settings: &Settings) -> Result<Arc<dyn Log>> {
    Ok(match &settings.log {
        LogTarget::Sqlite { path } => Arc::new(SqliteLog::open(path, &settings.namespace)?),
        LogTarget::Kafka { brokers } => Arc::new(KafkaLog::connect(KafkaSettings {
            brokers: brokers.clone(),
            namespace: settings.namespace.clone(),
            client_id: "orchestrator".to_owned(),
            journal_timeout: settings.journal_timeout,
            properties: settings.kafka.iter().map(|p| (p.key.clone(), p.value.clone())).collect(),
        })?),
    })
}

/// Opens the store that the settings name, and makes its folder where it is a file.
///
/// # Errors
/// Where it does not answer, or the folder can't be made.
pub fn open_store(settings: &Settings) -> Result<Arc<dyn Store>> {
    if settings.store.kind == StoreKind::Sqlite
        && let Some(path) = settings.store.url.strip_prefix("sqlite://")
    {
        let path = Path::new(path);
        let log_is_there = !matches!(&settings.log, LogTarget::Sqlite { path } if !path.exists());
        if !path.exists() && !log_is_there {
            let message =
                format!("there is no store at {}: `orchestrator dev` and `orchestrator init` make one", path.display());
            return Err(fail(Exit::Refused, message));
        }
        make_folder_of(path)?;
    }
    Ok(store::open(&settings.store.url)?)
}

/// Draws the graph of a definition.
pub fn draw(definition: &Definition, drawing: Drawing) -> String {
    match drawing {
        Drawing::Terminal => graph::draw(definition),
        Drawing::Dot => graph::dot(definition),
        Drawing::Mermaid => graph::mermaid(definition),
    }
}

fn make_folder_of(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).with_context(|| format!("the folder {} can't be made", folder.display()))
        }
        _ => Ok(()),
    }
}

pub use crate::engine::thread::wall_clock as now;
