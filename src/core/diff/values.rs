//! Two JSON values side by side.

use crate::core::json::Json;
use serde_json::Value;

/// Whether they differ as values, whatever their spelling.
pub fn differ(a: Option<&Json>, b: Option<&Json>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a != b && a.value() != b.value(),
        (a, b) => a.is_some() != b.is_some(),
    }
}

/// A place in which two values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where: a JSON pointer (RFC 6901); empty: as a whole.
    pub pointer: String,
    /// What the first has there; none: nothing.
    pub a: Option<Value>,
    /// What the second has there.
    pub b: Option<Value>,
}

/// Every place in which two values differ, in the order of the members; elements of arrays are compared by their position.
pub fn differences(a: &Value, b: &Value) -> Vec<Difference> {
    let mut all = Vec::new();
    compare(&mut String::new(), Some(a), Some(b), &mut all);
    all
}

fn compare(pointer: &mut String, a: Option<&Value>, b: Option<&Value>, all: &mut Vec<Difference>) {
    match (a, b) {
        (Some(Value::Object(of_a)), Some(Value::Object(of_b))) => {
            let only_b = of_b.keys().filter(|name| !of_a.contains_key(*name));
            for name in of_a.keys().chain(only_b) {
                let step = name.replace('~', "~0").replace('/', "~1");
                below(pointer, &step, of_a.get(name), of_b.get(name), all);
            }
        }
        (Some(Value::Array(of_a)), Some(Value::Array(of_b))) => {
            for i in 0..of_a.len().max(of_b.len()) {
                below(pointer, &i.to_string(), of_a.get(i), of_b.get(i), all);
            }
        }
        (a, b) if a == b => {}
        (a, b) => all.push(Difference { pointer: pointer.clone(), a: a.cloned(), b: b.cloned() }),
    }
}

fn below(pointer: &mut String, step: &str, a: Option<&Value>, b: Option<&Value>, all: &mut Vec<Difference>) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(step);
    compare(pointer, a, b, all);
    pointer.truncate(length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(a: Value, b: Value) -> Vec<String> {
        let side = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
        differences(&a, &b).into_iter().map(|d| format!("{} {} {}", d.pointer, side(d.a), side(d.b))).collect()
    }

    #[test]
    fn every_place_is_named_by_its_pointer() {
        assert_eq!(places(json!({ "a": 1, "b": [1, 2] }), json!({ "a": 1, "b": [1, 2] })), Vec::<String>::new());
        assert_eq!(
            places(json!({ "a/b": 1, "c": { "~": [1, 2] } }), json!({ "a/b": 2, "c": { "~": [1] }, "d": null })),
            ["/a~1b 1 2", "/c/~0/1 2 -", "/d - null"]
        );
        assert_eq!(places(json!(1), json!({})), [" 1 {}"]);
        assert_eq!(places(json!({ "a": [] }), json!({ "a": {} })), ["/a [] {}"]);
    }

    #[test]
    fn spelling_makes_no_difference() {
        let json = |text: &str| Json::parse(text).unwrap();
        assert!(!differ(Some(&json("{\"a\": 1.0, \"b\": 2}")), Some(&json("{\"b\":2,\"a\":1.0}"))));
        assert!(differ(Some(&json("1")), Some(&json("2"))) && differ(None, Some(&json("null"))) && !differ(None, None));
    }
}
