//! Contracts: JSON Schema, compiled once, without remote references, with linear-time patterns.

mod cost;
mod faults;

use crate::core::json::MAX_DEPTH;
use jsonschema::{PatternOptions, ValidationOptions, Validator};
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
    /// Everything that is wrong with the schema, and where in it (JSON pointer); never empty.
    pub fn compile(schema: &Value) -> Result<Self, Vec<Breach>> {
        let build = || match cost::check(schema) {
            Ok(()) => options().build(schema).map_err(|error| {
                let mut found = faults::of_schema(schema);
                faults::add(&mut found, faults::of_error(&error));
                found
            }),
            // Whatever is too large or too deep as a whole is looked at no further.
            Err(found) if found.iter().any(|breach| breach.pointer.is_empty()) => Err(found),
            Err(mut found) => {
                faults::of_schema(schema).into_iter().for_each(|fault| faults::add(&mut found, fault));
                Err(found)
            }
        };
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)) {
            Ok(Ok(validator)) => Ok(Self(Arc::new(validator))),
            Ok(Err(found)) => Err(found
                .into_iter()
                .map(|Breach { pointer, message }| Breach { pointer, message: shortened(message, MAX_MESSAGE_CHARS) })
                .collect()),
            Err(_) => {
                let message = "the JSON Schema library failed on this schema; write it differently".to_owned();
                Err(vec![Breach { pointer: String::new(), message }])
            }
        }
    }

    /// Checks a value; the first breach, in document order.
    pub fn check(&self, value: &Value) -> Result<(), Breach> {
        self.0.validate(value).map_err(|error| Breach {
            pointer: error.instance_path().as_str().to_owned(),
            message: shortened(error.to_string(), MAX_MESSAGE_CHARS),
        })
    }
}

/// How every schema is compiled.
fn options<'a>() -> ValidationOptions<'a> {
    jsonschema::options().offline().with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
}

/// Cuts out the middle: a message quotes what was found at its start, and what was expected at its end.
pub(super) fn shortened(message: String, most: usize) -> String {
    let count = message.chars().count();
    if count <= most {
        return message;
    }
    let half = most / 2;
    message.chars().take(half).chain(" … ".chars()).chain(message.chars().skip(count - half)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(schema: Value) -> Breach {
        Contract::compile(&schema).map(|_| ()).unwrap_err().swap_remove(0)
    }

    #[test]
    fn every_fault_of_a_schema_is_told_with_what_is_wrong() {
        let schema = json!({
            "required": "total",
            "properties": {
                "a": {"type": "int", "minLength": -1},
                "pattern": {"pattern": "(", "default": {"pattern": "("}},
                "c": {"patternProperties": {"[": {"pattern": "(?=x)"}}},
            },
        });
        let mut found = Contract::compile(&schema).map(|_| ()).unwrap_err();
        found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        let told: Vec<_> = found.iter().map(|breach| (breach.pointer.as_str(), breach.message.as_str())).collect();
        let expected = [
            ("/properties/a/minLength", "minimum of 0"),
            ("/properties/a/type", "expected one of string"),
            ("/properties/c/patternProperties/[", "unclosed character class), found \"[\""),
            ("/properties/c/patternProperties/[/pattern", "linear time), found \"(?=x)\""),
            ("/properties/pattern/pattern", "expected a regular expression (unclosed group), found \"(\""),
            ("/required", "is not of type \"array\""),
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for ((place, message), (expected_place, part)) in told.into_iter().zip(expected) {
            assert!(place == expected_place && message.contains(part), "{place}: {message}");
        }
        let references = json!({"anyOf": [{"$ref": "#/$defs/x"}, {"$ref": "http://a/b"}, {"type": "int"}]});
        assert_eq!(Contract::compile(&references).map(|_| ()).unwrap_err().len(), 3);
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
