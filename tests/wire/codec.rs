//! What the Avro codec does with values that it cannot write, through the macro of `patches/`.

use serde_avro_fast::ser::SerializerConfig;
use serde_avro_fast::{Schema, to_datum_vec};
use std::collections::BTreeMap;

fn refusal(schema: &str, value: &impl serde::Serialize) -> String {
    let schema: Schema = schema.parse().unwrap();
    to_datum_vec(value, SerializerConfig::new(&schema).allow_slow_sequence_to_bytes()).unwrap_err().to_string()
}

#[test]
fn a_key_that_is_no_text_is_refused() {
    let schema = r#"{ "type": "record", "name": "R", "fields": [{ "name": "a", "type": "long" }] }"#;
    assert!(refusal(schema, &BTreeMap::from([(7, 7)])).contains("should have been an str"));
    assert!(refusal(schema, &BTreeMap::from([((7, 7), 7)])).contains("should have been an str"));
    assert!(refusal(schema, &BTreeMap::from([(Some("a"), 7)])).contains("should have been an str"));
}

#[test]
fn elements_that_are_no_bytes_are_refused() {
    let schema = r#"{ "type": "fixed", "name": "F", "size": 1 }"#;
    assert!(refusal(schema, &("a",)).contains("should be u8-like"));
    assert!(refusal(schema, &(1.5,)).contains("should be u8-like"));
    assert!(refusal(schema, &((),)).contains("should be u8-like"));
}

/// The crate of this name on crates.io is LGPL-3.0-only. A patch whose version no longer fits is only warned of.
#[test]
fn the_macro_is_ours() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    let name = "name = \"serde_serializer_quick_unsupported\"";
    let found: Vec<_> = lock.split("[[package]]").filter(|package| package.contains(name)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!found[0].contains("source = "), "Cargo.lock takes it from a registry: {}", found[0]);
}
