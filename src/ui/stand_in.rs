//! What stands in for the output of a node that has none of its own.

use super::run::{failure_json, failure_words};
use super::style::harmless;
use crate::core::failure::{Failure, Recovery};
use crate::core::id::NodeId;
use serde_json::{Value, json};

/// How a node that was skipped or recovered came to its output. The state does not keep it; the history has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// Whose output it is.
    pub how: Recovery,
    /// The failure node whose output it is.
    pub failure_node: Option<NodeId>,
    /// Who supplied it, or skipped the node.
    pub by: Option<String>,
    /// Why the node had failed.
    pub failure: Option<Failure>,
}

impl StandIn {
    /// In one line.
    pub fn words(&self) -> String {
        let by = self.by.as_ref().map_or_else(String::new, |by| format!(" by {}", harmless(by)));
        let failure_node = self.failure_node.as_ref().map_or_else(String::new, |id| format!(" {id}"));
        let how = match (self.how, &self.by) {
            (Recovery::Skip, None) => "skipped by on_failure".to_owned(),
            (Recovery::Skip, Some(_)) => format!("skipped{by}"),
            (Recovery::ContinueWith, _) => "continue_with gives its output".to_owned(),
            (Recovery::RouteTo, _) => format!("the failure node{failure_node} stands in"),
            (Recovery::Supply, _) => format!("supplied by hand{by}"),
        };
        let failure = self.failure.as_ref().map(|failure| failure_words(None, failure));
        failure.into_iter().chain([how]).collect::<Vec<_>>().join("; ")
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "how": self.how,
            "failure_node": self.failure_node.as_ref().map(NodeId::as_str),
            "by": self.by,
            "error": self.failure.as_ref().map(|failure| failure_json(None, failure)),
        })
    }
}
