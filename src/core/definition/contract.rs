//! Contracts: JSON Schema, compiled once, without remote references, with linear-time patterns.

mod cost;

use crate::core::json::MAX_DEPTH;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use std::sync::Arc;

/// How many values a schema may consist of, references followed: validating an instance costs at most this much
/// for each of its values.
pub const MAX_SCHEMA_VALUES: usize = 10_000;

/// How much memory a compiled `pattern` may take, in bytes; `\w{100}` takes about a megabyte.
const MAX_PATTERN_BYTES: usize = 2 << 20;

/// Longest message of a breach, in characters: it quotes what was found.
const MAX_MESSAGE_CHARS: usize = 300;

/// A compiled JSON Schema. Cheap to clone.
#[derive(Clone)]
pub struct Contract(Arc<Validator>);

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

impl std::fmt::Display for Breach {
    /// Place and message: `at "/total": -1 is less than …`.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        // The pointer of the whole value is empty, which nobody reads as a place.
        match self.pointer.as_str() {
            "" => write!(f, "at its top level: {}", self.message),
            pointer => write!(f, "at {pointer:?}: {}", self.message),
        }
    }
}

impl Contract {
    /// Compiles a schema. Remote and file references are refused.
    ///
    /// # Errors
    /// What is wrong with the schema, and where in it (JSON pointer).
    pub fn compile(schema: &Value) -> Result<Self, Breach> {
        cost::check(schema)?;
        let build = || {
            jsonschema::options()
                .offline()
                .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
                .build(schema)
        };
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)) {
            Ok(Ok(validator)) => Ok(Self(Arc::new(validator))),
            Ok(Err(error)) => {
                let pointer = error.instance_path().as_str().to_owned();
                let message = explained(&pointer).unwrap_or_else(|| shortened(error.to_string()));
                Err(Breach { message: format!("not a JSON Schema: {message}"), pointer })
            }
            Err(_) => {
                let message = "the JSON Schema library failed on this schema; write it differently".to_owned();
                Err(Breach { pointer: String::new(), message })
            }
        }
    }

    /// Checks a value; the first breach, in document order.
    pub fn check(&self, value: &Value) -> Result<(), Breach> {
        self.0.validate(value).map_err(|error| Breach {
            pointer: error.instance_path().as_str().to_owned(),
            message: shortened(error.to_string()),
        })
    }
}

/// Better words for faults that are common, and that the library words by the schema of schemas.
fn explained(pointer: &str) -> Option<String> {
    let word = pointer.rsplit('/').next()?;
    let message = match word {
        "type" => "expected one of string, number, integer, boolean, object, array, null, or a list of these",
        "pattern" => {
            "expected a regular expression without look-around and back-references (it has to run in linear time), \
             and not a very large one"
        }
        _ => return None,
    };
    Some(message.to_owned())
}

/// Cuts out the middle: a message quotes what was found at its start, and what was expected at its end.
fn shortened(message: String) -> String {
    let count = message.chars().count();
    if count <= MAX_MESSAGE_CHARS {
        return message;
    }
    let half = MAX_MESSAGE_CHARS / 2;
    message.chars().take(half).chain(" … ".chars()).chain(message.chars().skip(count - half)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(schema: Value) -> Breach {
        Contract::compile(&schema).map(|_| ()).unwrap_err()
    }

    #[test]
    fn the_first_breach_is_named_with_its_place() {
        let contract = Contract::compile(&json!({
            "type": "object", "required": ["sku", "quantity"], "additionalProperties": false,
            "properties": {
                "sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$"},
                "quantity": {"type": "integer", "minimum": 1},
                "notes": {"type": "array", "items": {"$ref": "#/$defs/note"}},
            },
            "$defs": {"note": {"type": "string", "maxLength": 5}},
        }))
        .unwrap();
        let table = [
            (json!({"sku": "ABC-1", "quantity": 2, "notes": ["a"]}), None),
            (json!([]), Some(("", "[] is not of type \"object\""))),
            (json!({"sku": "ABC-1"}), Some(("", "\"quantity\" is a required property"))),
            (json!({"sku": "abc", "quantity": 2}), Some(("/sku", "\"abc\" does not match \"^[A-Z]{3}-[0-9]+$\""))),
            (json!({"sku": "ABC-1", "quantity": 0}), Some(("/quantity", "0 is less than the minimum of 1"))),
            (
                json!({"sku": "ABC-1", "quantity": 1, "notes": ["a", "too long"]}),
                Some(("/notes/1", "\"too long\" is longer than 5 characters")),
            ),
        ];
        for (value, breach) in table {
            let expected = breach.map(|(at, what)| Breach { pointer: at.to_owned(), message: what.to_owned() });
            assert_eq!(contract.check(&value).err(), expected, "{value}");
        }
        let long = contract.check(&json!({"sku": "x".repeat(10_000), "quantity": 1})).unwrap_err();
        assert!(long.message.chars().count() < 310 && long.message.ends_with("$\""), "{}", long.message);
    }

    #[test]
    fn what_is_no_schema_is_refused_with_its_place() {
        let table = [
            (json!(5), "", "is not of types"),
            (json!({"properties": {"a": {"type": "strin"}}}), "/properties/a/type", "expected one of string"),
            (json!({"required": "a"}), "/required", "is not of type \"array\""),
            (json!({"items": {"pattern": "(?=x)y"}}), "/items/pattern", "linear time"),
            (json!({"pattern": "(\\w{1000}){1000}"}), "/pattern", "very large"),
            (json!({"$schema": "https://example.com/mine"}), "", "meta-schema"),
            (json!({"properties": {"a": {"$ref": "https://example.com/a.json"}}}), "/properties/a/$ref", "only"),
            (json!({"$ref": "file:///etc/passwd"}), "/$ref", "only"),
            (json!({"anyOf": [{"$dynamicRef": "other.json#x"}]}), "/anyOf/0/$dynamicRef", "only"),
            (json!({"$ref": "#/$defs/missing"}), "/$ref", "#/$defs/missing"),
        ];
        for (schema, pointer, part) in table {
            let breach = refused(schema.clone());
            assert_eq!(breach.pointer, pointer, "{schema} {breach:?}");
            assert!(breach.message.contains(part), "{schema}: {breach:?}");
        }
    }

    #[test]
    fn depth_exhausts_no_stack() {
        let tree =
            Contract::compile(&json!({"$defs": {"n": {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}}},
            "$ref": "#/$defs/n"}))
            .unwrap();
        let nested = |levels: usize, leaf: Value| (0..levels).fold(leaf, |inner, _| json!({"c": inner}));
        assert_eq!(tree.check(&nested(99, json!({}))), Ok(()));
        assert_eq!(tree.check(&nested(99, json!(1))).unwrap_err().pointer, "/c".repeat(99));
        let deep = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"properties": {"c": inner}}));
        assert!(Contract::compile(&deep(45)).unwrap().check(&nested(99, json!(1))).is_ok());
        assert!(refused(deep(60)).message.contains("deeper than 100"));
        let doubled = (0..13).fold(json!({"type": "integer"}), |inner, _| json!({"anyOf": [inner.clone(), inner]}));
        assert!(refused(doubled).message.contains("more than 10000 values"));
    }
}
