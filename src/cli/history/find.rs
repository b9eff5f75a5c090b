//! Finds the history of a run: by the store's index of the journal, or, where there is no store, in the event stream.

use super::read::{self, History};
use super::unknown;
use crate::cli::{Context, connect, exit};
use crate::core::id::{RunId, WorkflowId};
use crate::log::Log;
use anyhow::Result;

/// The history of the newest run of a workflow, or of the one asked for.
///
/// # Errors
/// Where there is none, with what is known of it instead; where neither log nor store answers.
pub fn find(id: &WorkflowId, run_id: Option<&RunId>, log: &dyn Log, context: &Context) -> Result<History> {
    let found = look(id, run_id, log, context)?;
    found.map_or_else(|| Err(unknown::error(&unknown::look(context, id, run_id)?, id, run_id)), Ok)
}

fn look(id: &WorkflowId, run_id: Option<&RunId>, log: &dyn Log, context: &Context) -> Result<Option<History>> {
    let with_store = || {
        let store = connect::open_store(context.settings())?;
        read::from_journal(log, store.as_ref(), id, run_id)
    };
    match with_store() {
        Err(error) if exit::is_store_away(&error) => {
            tracing::warn!("{error:#}; reading the event stream instead");
            read::from_events(log, id, run_id)
        }
        found => found,
    }
}
