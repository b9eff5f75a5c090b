//! Contracts: JSON Schema, compiled once, without remote references, with linear-time patterns.

use serde_json::Value;

/// A compiled JSON Schema.
pub struct Contract(());

impl std::fmt::Debug for Contract {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("Contract")
    }
}

/// What breaks a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// JSON pointer of the value that breaks it.
    pub pointer: String,
    /// What was expected there, and what was found.
    pub message: String,
}

impl Contract {
    /// Compiles a schema. Remote and file references are refused.
    ///
    /// # Errors
    /// What is wrong with the schema, and where in it (JSON pointer).
    pub fn compile(_schema: &Value) -> Result<Self, Breach> {
        todo!()
    }

    /// Checks a value; the first breach, in document order.
    pub fn check(&self, _value: &Value) -> Result<(), Breach> {
        todo!()
    }
}
