//! How a node's input is made: a mapping whose strings are CEL expressions over `request` and `outputs`.

use crate::core::id::NodeId;
use crate::core::json::Json;
use serde_json::Value;

/// What expressions can see.
pub trait Scope {
    /// The request's input.
    fn request(&self) -> &Json;
    /// The output of an upstream node.
    fn output(&self, node_id: &str) -> Option<Json>;
}

/// A compiled input mapping.
#[derive(Debug)]
pub struct InputMapping(());

impl InputMapping {
    /// Compiles the `input` of a node; `dependencies` serve the default where there is none.
    ///
    /// # Errors
    /// Each fault with the JSON pointer of the expression within the mapping.
    pub fn compile(_input: Option<&Value>, _dependencies: &[NodeId]) -> Result<Self, Vec<(String, String)>> {
        todo!()
    }

    /// The ids of the nodes whose outputs it names, sorted, each with the pointer of the first expression naming it.
    pub fn upstream(&self) -> Vec<(String, String)> {
        todo!()
    }

    /// Makes the input.
    ///
    /// # Errors
    /// A sentence that names the expression and what went wrong.
    pub fn evaluate(&self, _scope: &dyn Scope) -> Result<Json, String> {
        todo!()
    }
}
