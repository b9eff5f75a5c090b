//! From settings to the parts that they name. Whatever has to be opened is opened here.

use super::exit::{Exit, fail};
use crate::config::{LogTarget, Settings, StoreKind};
use crate::core::definition::Definition;
use crate::core::time::Timestamp;
use crate::log::Log;
use crate::store::Store;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

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

/// A fault of a definition, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionFault {
    /// Where in the document, e.g. `nodes[2].dependencies[0]`.
    pub place: String,
    /// The line, where it is known.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
}

/// Opens the log that the settings name.
///
/// # Errors
/// Where it does not answer, or there is no such file.
pub fn open_log(settings: &Settings) -> Result<Arc<dyn Log>> {
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
    bail!("the log {} cannot be opened by this build", settings.log.url())
}

/// Opens the store that the settings name, and makes its folder where it is a file.
///
/// # Errors
/// Where it does not answer, or the folder can't be made.
pub fn open_store(settings: &Settings) -> Result<Arc<dyn Store>> {
    if settings.store.kind == StoreKind::Sqlite
        && let Some(path) = settings.store.url.strip_prefix("sqlite://")
    {
        make_folder_of(Path::new(path))?;
    }
    bail!("the store {} cannot be opened by this build", settings.store.shown())
}

/// Reads and validates a definition, YAML or JSON.
///
/// # Errors
/// Every fault at once.
pub fn read_definition(_text: &str) -> Result<Definition, Vec<DefinitionFault>> {
    let message = "definitions cannot be read by this build".to_owned();
    Err(vec![DefinitionFault { place: String::new(), line: None, message }])
}

/// Draws the graph of a definition.
pub fn draw(definition: &Definition, _drawing: Drawing) -> String {
    definition.nodes.iter().map(|node| format!("{}\n", node.node_id)).collect()
}

fn make_folder_of(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).with_context(|| format!("the folder {} can't be made", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The clock of this machine.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().after(since_epoch)
}
