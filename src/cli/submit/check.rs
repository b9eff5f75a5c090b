//! What can be seen of a request before it is published: the definition is there, the input keeps its contract, and so
//! do outputs that it carries over from an earlier run.
//!
//! The engine decides it all the same, and more (an id that is taken, a request that is too large).

use crate::cli::definitions::find::find;
use crate::core::catalogue::Catalogue;
use crate::core::command::Resume;
use crate::core::decide::{check_input, take_over};
use crate::core::definition::graph::Graph;
use crate::core::definition::validate::validate;
use crate::core::id::DefinitionName;
use crate::core::json::Json;
use crate::core::rejection::{Refusal, RefusalReason};
use std::sync::Arc;

/// Refuses what the engine would refuse, with its reasons.
///
/// # Errors
/// The refusal.
pub fn check(
    catalogue: &Catalogue,
    name: &DefinitionName,
    version: Option<u32>,
    input: &Json,
    resume: Option<&Resume>,
) -> Result<(), Box<Refusal>> {
    let applied = find(catalogue, name.as_str(), version)
        .map_err(|words| Box::new(Refusal::new(RefusalReason::UnknownDefinition, words)))?;
    let definition = match validate(applied.document.clone()) {
        Ok(definition) => definition,
        Err(_) => {
            let version = applied.reference.version;
            tracing::warn!("{name} v{version} is not valid for this version of the program; the engine decides");
            return Ok(());
        }
    };
    let graph = Arc::new(Graph::compile(&definition));
    check_input(name, graph.input_contract.as_ref(), input).map_err(Box::new)?;
    // How long a plan may be where its definition does not say is for the engine to know.
    let max_agent_calls = graph.max_agent_calls.unwrap_or(u32::MAX);
    resume.map_or(Ok(()), |resume| take_over(resume, &graph, max_agent_calls).map(drop).map_err(Box::new))
}
