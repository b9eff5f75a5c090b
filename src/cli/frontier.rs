//! What a run can do next, from the definitions as they are applied.

use crate::core::catalogue::{Applied, Catalogue};
use crate::core::definition::graph::Graph;
use crate::core::definition::validate::validate;
use crate::core::failure::Failure;
use crate::core::frontier::Frontier;
use crate::core::run::Run;
use std::sync::Arc;

/// Why it cannot be told. Each goes on after the definition's name and version.
#[derive(Debug, thiserror::Error)]
pub enum NoFrontier {
    /// Nobody has applied it, or its topic was begun anew.
    #[error("is not in `definitions`")]
    Missing,
    /// It was applied by a version of the program that allowed something else.
    #[error("is not valid for this version of orchestrator")]
    Invalid,
    /// The run has joined nodes to another graph.
    #[error("does not fit the plans that the run has made: {}", .0.message)]
    Unfitting(Failure),
}

/// The frontier of a run: its graph with the nodes of the plans that it made, and how they stand.
///
/// # Errors
/// Where the definition of the run is not there, or not what it was.
pub fn frontier(catalogue: &Catalogue, run: &Run) -> Result<Frontier, NoFrontier> {
    let applied = catalogue.by_hash(&run.definition.hash).ok_or(NoFrontier::Missing)?;
    Frontier::of(run, &graph(applied)?).map_err(NoFrontier::Unfitting)
}

/// The graph of a definition.
///
/// # Errors
/// Where it is not valid for this version of the program.
pub fn graph(applied: &Applied) -> Result<Arc<Graph>, NoFrontier> {
    let definition = validate(applied.document.clone()).map_err(|_| NoFrontier::Invalid)?;
    Ok(Arc::new(Graph::compile(&definition)))
}
